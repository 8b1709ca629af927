"""A webhook as a partner reads it: what it says of itself, and whether its signature holds.

Checked here anew, as a partner would from the documents: nothing is shared with what signs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TOLERANCE_SECONDS = 300
_ATTRIBUTES = ("id", "type", "subject", "jobversion", "jobprevious")


class Trust(StrEnum):
    """What a partner makes of a signature."""

    GOOD = "good"
    UNCHECKED = "unchecked"
    UNSIGNED = "unsigned"
    WRONG_TIME = "wrong_time"
    WRONG_SIGNATURE = "wrong_signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """`version` and `previous` are the job's; a snapshot has no previous one, and some kinds have neither."""

    id: str
    type: str
    job: str
    version: int | None = None
    previous: int | None = None


def read_letter(headers: Mapping[str, str], body: bytes) -> Letter | None:
    """What a webhook says of itself, in its body or in `ce-` headers (names are in lower case); None without an id.

    A brand's own JSON that comes without such headers says nothing of its job.
    """
    told = _in_body(body) or {name: headers.get(f"ce-{name}") for name in _ATTRIBUTES}
    try:
        version, previous = _number(told.get("jobversion")), _number(told.get("jobprevious"))
    except (TypeError, ValueError):
        return None
    webhook_id = headers.get("webhook-id")
    if not webhook_id:
        return None
    return Letter(
        id=webhook_id,
        type=str(told.get("type") or "").removesuffix(".v1"),
        job=str(told.get("subject") or ""),
        version=version,
        previous=previous,
    )


def find_trust(secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> Trust:
    """Whether one of the signatures is by one of `secrets`, and the time stamp near `now`; all good without secrets."""
    if not secrets:
        return Trust.UNCHECKED
    message_id, at, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (message_id and at and given):
        return Trust.UNSIGNED
    if not (at.isascii() and at.isdecimal()) or abs(now - int(at)) > TOLERANCE_SECONDS:
        return Trust.WRONG_TIME
    expected = [_signature(secret, f"{message_id}.{at}.".encode() + body) for secret in secrets]
    return Trust.GOOD if any(_is_one_of(expected, one) for one in given.split(" ")) else Trust.WRONG_SIGNATURE


def is_secret(text: str) -> bool:
    """Whether it can be a secret: `whsec_` and base64."""
    try:
        return text.startswith("whsec_") and bool(base64.b64decode(text.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        return False


def _signature(secret: str, signed: bytes) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return hmac.new(key, signed, hashlib.sha256).digest()


def _is_one_of(expected: Iterable[bytes], signature: str) -> bool:
    version, _, text = signature.partition(",")
    if version != "v1":
        return False
    try:
        given = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return any(hmac.compare_digest(given, one) for one in expected)


def _in_body(body: bytes) -> dict[str, Any] | None:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict) and "specversion" in told else None


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
