"""What a partner's answer to a webhook means: one table by status code, and what its brand's profile says otherwise."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple

import orjson

from gateway.mapping.profile_roads import AnswerMeans
from gateway.outbound.outcome import Delivered, Fault, Rejected, Retryable, failed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.outbound.outcome import Outcome

# Nobody is let wait longer by one answer, whatever it asks for.
LONGEST_WAIT = 86_400.0
LONGEST_EXCERPT = 500
LARGEST_VERSION = 2**31 - 1

_DAY_DIGITS = 9
# Enough of an answer to have an excerpt left when what is secret was taken out.
_LOOKED_AT = 4096

# What a status code says; any other is `refused`. All but those that judge the document itself are tried again.
_FAULTS: Mapping[int, Fault] = {
    **dict.fromkeys(range(300, 400), Fault.REDIRECTED),
    **dict.fromkeys(range(500, 600), Fault.PARTNER_ERROR),
    400: Fault.DOCUMENT_REFUSED,
    401: Fault.NOT_AUTHORIZED,
    403: Fault.NOT_AUTHORIZED,
    404: Fault.NO_ENDPOINT,
    405: Fault.NO_ENDPOINT,
    407: Fault.NOT_AUTHORIZED,
    408: Fault.BUSY,
    410: Fault.GONE,
    413: Fault.TOO_LARGE,
    415: Fault.DOCUMENT_REFUSED,
    422: Fault.DOCUMENT_REFUSED,
    425: Fault.BUSY,
    429: Fault.THROTTLED,
    501: Fault.NO_ENDPOINT,
    503: Fault.BUSY,
}

_SECRETS = re.compile(r"whsec_[\w+/=-]+|\b(?:bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE)
_SECRET_MEMBERS = re.compile(
    r"((?:passw(?:or)?d|secret|token|api[_-]?key|authorization|cookie|credential)[\w-]{0,40}[\"']?\s*[:=]\s*)"
    r"""("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,;&}\]]+)""",
    re.IGNORECASE,
)


class Answer(NamedTuple):
    """What came back: the first part of the body, and of the headers those that mean something here."""

    status: int
    body: bytes = b""
    retry_after: str | None = None
    date: str | None = None


def outcome_of(
    answer: Answer,
    meanings: Mapping[str, str],
    *,
    confirms: bool = False,
    secrets: Sequence[str] = (),
    now: datetime,
) -> Outcome:
    """The outcome of a call that was answered. Never raises for what an answer holds.

    `meanings` are a profile's `answers`. `confirms`: a good answer's member `applied` is the version that the partner
    has applied. `secrets` and whatever else looks like one are not in the detail.
    """
    is_good = 200 <= answer.status < 300
    said = meanings.get(str(answer.status))
    if said == AnswerMeans.DELIVERED or (is_good and said is None):
        return Delivered(find_applied(answer.body) if confirms else None)
    detail = f"HTTP {answer.status}: {excerpt(answer.body, secrets)}".removesuffix(": ")
    fault = _FAULTS.get(answer.status, Fault.REFUSED)
    after = find_wait(answer, now)
    if said is None:
        return failed(fault, detail, after=after)
    if said == AnswerMeans.DEAD:
        return Rejected(fault, detail)
    return Retryable(fault, detail, after, pauses=said == AnswerMeans.PAUSE)


def find_applied(body: bytes) -> int | None:
    """The version that a JSON answer says was applied; None where it says nothing that can be one."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    version = said.get("applied") if isinstance(said, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or not 0 < version <= LARGEST_VERSION:
        return None
    return version


def find_wait(answer: Answer, now: datetime) -> float | None:
    """The seconds that `Retry-After` asks for, a day at most; None where it is missing or neither number nor date.

    A date is read by the clock of the answer that holds it, where that says how late it is there: ours is `now`.
    """
    written = (answer.retry_after or "").strip()
    if written.isascii() and written.isdecimal():
        return min(float(written[:_DAY_DIGITS]), LONGEST_WAIT) if len(written) <= _DAY_DIGITS else LONGEST_WAIT
    until = _find_date(written)
    if until is None:
        return None
    seconds = (until - (_find_date(answer.date) or now)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT)


def excerpt(body: bytes, secrets: Sequence[str] = ()) -> str:
    """The beginning of an answer as one line of text: secrets masked, what is not printable replaced."""
    text = body[:_LOOKED_AT].decode(errors="replace")
    for secret in secrets:
        for shown in (secret, secret.removeprefix("whsec_")):
            text = text.replace(shown, "***")
    text = _SECRET_MEMBERS.sub(r"\1***", _SECRETS.sub("***", text))
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line[:LONGEST_EXCERPT]


def _find_date(written: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(written or "")
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
