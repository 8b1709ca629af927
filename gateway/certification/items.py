"""The list that a partner's webhook is run through: what is sent, what is expected, and how the answer is judged."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import orjson

from gateway.certification.trial import said_of
from gateway.core.events import EventType
from gateway.mapping.profile import FeedFormat
from gateway.mapping.render import LARGEST_CUSTOM
from gateway.outbound.certifying import NoReply, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from gateway.certification.specimens import Specimen
    from gateway.certification.trial import Trial
    from gateway.mapping.profile import Profile

OLD, AHEAD = timedelta(minutes=10), timedelta(minutes=10)
_TURNED_AWAY = frozenset({400, 401, 403})
_FIRST_KINDS = frozenset({EventType.JOB_OFFERED, EventType.JOB_CREATED})
# Whose documents hold the description of the job.
_WITH_DETAILS = (EventType.JOB_OFFERED, EventType.JOB_CREATED, EventType.JOB_SNAPSHOT)
# What every job has been through after a while.
_LATER_KINDS = (EventType.JOB_AMENDED, EventType.JOB_ACCEPTED, EventType.APPOINTMENT_SCHEDULED)
_SOME = 100


class Verdict(StrEnum):
    """Values are stable."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_JUDGED = "not_judged"


class Found(NamedTuple):
    """What came of an item."""

    verdict: Verdict
    came: str


class Item(NamedTuple):
    """`name` is stable. `judge` sends what has to be sent, and looks at the answer."""

    name: str
    sent: str
    expected: str
    judge: Callable[[Trial], Awaitable[Found]]


def make_items(profile: Profile, trial: Trial) -> list[Item]:
    """What applies to the trial's destination, in the order in which it is tried."""
    return list(_items(profile, trial))


def _items(profile: Profile, trial: Trial) -> Iterator[Item]:
    yield Item("reached", "a signed event", "an answer over HTTP", _reached)
    yield Item("tls", "nothing more", "https, by a certificate that holds", _tls)
    for kind in trial.specimens.kinds:
        yield Item(f"event.{kind}", f"a signed {kind}", "2xx", _event(kind))
    yield Item("repeat.answered", "the same event again, the same webhook-id", "2xx", _repeat_answered)
    yield Item("repeat.applied_once", "the same", "the same version confirmed as before", _repeat_applied_once)
    yield Item("signature.wrong", "a signature by another secret", "400, 401 or 403", _signature_wrong)
    yield Item("signature.of_another_body", "a body changed after signing", "400, 401 or 403", _signature_of_another)
    yield Item("signature.missing", "no signature", "400, 401 or 403", _signature_missing)
    yield Item("signature.second", "two signatures, only the second by your secret", "2xx", _signature_second)
    yield Item("signature.raw_bytes", "JSON with unusual spaces, signed as it is", "2xx", _raw_bytes)
    yield Item("timestamp.old", "a good signature, ten minutes old", "400, 401 or 403", _timestamp_old)
    yield Item("timestamp.ahead", "a good signature, ten minutes ahead", "400, 401 or 403", _timestamp_ahead)
    yield Item("members.unknown", "members that nobody has told you of", "2xx", _members_unknown)
    largest = _largest(profile, trial)
    yield Item("body.largest", f"a body of {largest} bytes", "2xx", _body_largest(largest))
    if trial.destination.understands_versions:
        yield Item("versions.older", "versions 1, 3, then 2 of a job", "2xx, and it stays at 3", _versions_older)
    if trial.confirms:
        yield Item("confirms", "a signed event", "an answer that confirms its version", _confirms)
    yield Item("connection.kept", "two events, one after the other", "answers on one connection", _connection_kept)
    within = f"every answer so far within {trial.webhook.timeout:g} s"
    yield Item("answers.in_time", "nothing more", within, _answers_in_time)
    yield Item("answers.no_redirect", "nothing more", "no answer so far was a redirect", _answers_no_redirect)


async def _reached(trial: Trial) -> Found:
    _, reply = await trial.send_some()
    return _found(isinstance(reply, Reply), said_of(reply))


async def _tls(trial: Trial) -> Found:
    if trial.webhook.url.startswith("https://"):
        return Found(Verdict.PASSED, "its certificate was checked")
    return Found(Verdict.NOT_JUDGED, "http, which is allowed here")


def _event(kind: EventType) -> Callable[[Trial], Awaitable[Found]]:
    async def judge(trial: Trial) -> Found:
        if kind in _FIRST_KINDS:
            return _taken(trial, await trial.send(trial.specimens.make(kind, trial.specimens.new_job(), 1, 0)))
        job, last = await trial.open_job()
        if kind is EventType.NOTE_RETRACTED and EventType.NOTE_PUBLISHED in trial.specimens.kinds:
            await trial.send(trial.specimens.make(EventType.NOTE_PUBLISHED, job, last + 1, last))
            last += 1
        # A snapshot says again what the last event has said.
        version = max(last, 1) if kind is EventType.JOB_SNAPSHOT else last + 1
        return _taken(trial, await trial.send(trial.specimens.make(kind, job, version, last)))

    return judge


async def _repeat_answered(trial: Trial) -> Found:
    _, again = await _twice(trial)
    return _taken(trial, again)


async def _repeat_applied_once(trial: Trial) -> Found:
    first, again = await _twice(trial)
    if not trial.confirms:
        return Found(Verdict.NOT_JUDGED, "its answers do not confirm what was applied")
    if isinstance(first, NoReply) or isinstance(again, NoReply) or not trial.is_taken(again):
        return Found(Verdict.NOT_JUDGED, f"it was not taken again: {said_of(again)}")
    told = f"{said_of(first)}; again: {said_of(again)}"
    return _found(first.applied is not None and first.applied == again.applied, told)


async def _twice(trial: Trial) -> tuple[Reply | NoReply, Reply | NoReply]:
    specimen, first = await trial.send_some()
    return first, await trial.send(specimen)


async def _signature_wrong(trial: Trial) -> Found:
    specimen = trial.some()
    body = specimen.document.body
    return await _turned_away(trial, specimen, body, trial.sign(specimen, body, secrets=[_other_secret()]))


async def _signature_of_another(trial: Trial) -> Found:
    specimen = trial.some()
    body = specimen.document.body
    return await _turned_away(trial, specimen, body + b" ", trial.sign(specimen, body))


async def _signature_missing(trial: Trial) -> Found:
    specimen = trial.some()
    signed = trial.sign(specimen, specimen.document.body)
    del signed["webhook-signature"]
    return await _turned_away(trial, specimen, specimen.document.body, signed)


async def _signature_second(trial: Trial) -> Found:
    specimen = trial.some()
    body = specimen.document.body
    signed = trial.sign(specimen, body, secrets=[_other_secret(), *trial.secrets])
    return _taken(trial, await trial.send_signed(specimen, body, signed))


async def _raw_bytes(trial: Trial) -> Found:
    specimen = trial.some()
    body = orjson.dumps(orjson.loads(specimen.document.body), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return _taken(trial, await trial.send(specimen, body=body))


async def _timestamp_old(trial: Trial) -> Found:
    return await _out_of_time(trial, -OLD)


async def _timestamp_ahead(trial: Trial) -> Found:
    return await _out_of_time(trial, AHEAD)


async def _out_of_time(trial: Trial, by: timedelta) -> Found:
    specimen = trial.some()
    body = specimen.document.body
    return await _turned_away(trial, specimen, body, trial.sign(specimen, body, at=trial.clock() + by))


async def _members_unknown(trial: Trial) -> Found:
    specimen = trial.some()
    told = orjson.loads(specimen.document.body)
    if not isinstance(told, dict):
        return Found(Verdict.NOT_JUDGED, "its documents are no JSON objects")
    inner = {name: {**value, "testmember": True} for name, value in told.items() if isinstance(value, dict)}
    body = orjson.dumps({**told, **inner, "testmember": "ignore this"})
    return _taken(trial, await trial.send(specimen, body=body))


def _body_largest(largest: int) -> Callable[[Trial], Awaitable[Found]]:
    async def judge(trial: Trial) -> Found:
        kind = next((kind for kind in _WITH_DETAILS if kind in trial.specimens.kinds), trial.opening)
        job = trial.specimens.new_job()

        def make(length: int) -> Specimen:
            return trial.specimens.make(kind, job, 1, 0, description="x" * length)

        short = len(make(_SOME).document.body)
        if len(make(2 * _SOME).document.body) != short + _SOME or short > largest:
            return Found(Verdict.NOT_JUDGED, "no text of its documents can be made so long")
        return _taken(trial, await trial.send(make(_SOME + largest - short)))

    return judge


async def _versions_older(trial: Trial) -> Found:
    kinds = trial.specimens.kinds
    later = next((kind for kind in _LATER_KINDS if kind in kinds), trial.opening)
    job = trial.specimens.new_job()
    older = trial.specimens.make(later, job, 2, 1)
    await trial.send(trial.specimens.make(trial.opening, job, 1, 0))
    newer = trial.specimens.make(later, job, 3, 1)
    await trial.send(newer)
    reply = await trial.send(older)
    if not trial.is_taken(reply) or isinstance(reply, NoReply):
        return Found(Verdict.FAILED, said_of(reply))
    if not trial.confirms:
        return Found(Verdict.NOT_JUDGED, f"{said_of(reply)}; its answers do not confirm what stands")
    return _found(reply.applied == newer.version, said_of(reply))


async def _confirms(trial: Trial) -> Found:
    specimen, reply = await trial.send_some()
    confirmed = isinstance(reply, Reply) and reply.applied == specimen.version
    return _found(trial.is_taken(reply) and confirmed, said_of(reply))


async def _connection_kept(trial: Trial) -> Found:
    await trial.send_some()
    _, reply = await trial.send_some()
    if isinstance(reply, NoReply):
        return Found(Verdict.FAILED, said_of(reply))
    return _found(reply.reused, "the same connection" if reply.reused else "a new connection for the second")


async def _answers_in_time(trial: Trial) -> Found:
    slowest = max(reply.seconds for reply in trial.replies)
    late = sum(isinstance(reply, NoReply) for reply in trial.replies)
    told = f"{len(trial.replies)} sent, {late} without an answer, the slowest after {slowest * 1000:.0f} ms"
    return _found(not late, told)


async def _answers_no_redirect(trial: Trial) -> Found:
    redirects = [reply for reply in trial.replies if isinstance(reply, Reply) and 300 <= reply.status < 400]
    return _found(not redirects, f"{len(redirects)} of {len(trial.replies)} answers were redirects")


async def _turned_away(trial: Trial, specimen: Specimen, body: bytes, signed: dict[str, str]) -> Found:
    reply = await trial.send_anyhow(specimen, body, signed)
    return _found(isinstance(reply, Reply) and reply.status in _TURNED_AWAY, said_of(reply))


def _largest(profile: Profile, trial: Trial) -> int:
    own = profile.feed.format is FeedFormat.CUSTOM
    return min(trial.webhook.largest_body, LARGEST_CUSTOM) if own else trial.webhook.largest_body


def _taken(trial: Trial, reply: Reply | NoReply) -> Found:
    return _found(trial.is_taken(reply), said_of(reply))


def _found(passed: bool, came: str) -> Found:  # noqa: FBT001 - the verdict itself
    return Found(Verdict.PASSED if passed else Verdict.FAILED, came)


def _other_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
