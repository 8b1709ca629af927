"""Which members of an event's body an audience gets, in the words it gets them in.

Allow-lists: what is not named here does not leave, whatever a body may come to hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway.core.events import CUSTOMER_EVENTS, EventType
from gateway.core.job import Closure, JobStatus
from gateway.core.reasons import ReasonKind
from gateway.core.visibility import Audience, Withheld
from gateway.mapping.codes import Refusal, find_code, standing_in
from gateway.mapping.profile import CanceledAs

if TYPE_CHECKING:
    from gateway.core.parties import Json
    from gateway.mapping.profile import Profile

Body = Mapping[str, "Json"]

_TOLD = (
    "changes",
    "previous_status",
    "status",
    "closure",
    "occurred_at",
    "accept_by",
    "revision",
    "updated_at",
    "replaces",
    "clock_ahead",
)
# Members copied as they are, by audience; everything else is made below.
_PLAIN: Mapping[Audience, tuple[str, ...]] = {
    Audience.ENTERPRISE: _TOLD,
    Audience.PROVIDER: _TOLD,
    Audience.TECHNICIAN: _TOLD,
    Audience.CUSTOMER: ("occurred_at",),
    Audience.OPS: _TOLD,
}
# The content of a job is its source's and travels whole; of other details only what is named, and of other types none.
_WITH_TERMS = frozenset(
    {
        EventType.JOB_OFFERED.value,
        EventType.JOB_AMENDED.value,
        EventType.JOB_CREATED.value,
        EventType.JOB_SNAPSHOT.value,
    }
)
_DETAILS: Mapping[str, tuple[str, ...]] = {
    EventType.SURVEY_ANSWERED.value: ("rating", "message"),
    EventType.REMINDER_SENT.value: ("message",),
    **{kind.value: ("customer", "estimated_arrival") for kind in CUSTOMER_EVENTS},
}
_JOB = ("id", "external_id", "source", "brand", "title", "organization")
_ORGANIZATION = ("id", "name")
_BY = ("role", "name")
_NOTE = ("id", "revision")
_RECORD = ("id", "message_id", "type", "arrived_at")
_VISIT = ("id", "status", "previous_status", "start", "duration_seconds", "assigned", "window")
_REASON = ("kind", "text", "code", "label", "outcome")
_RECEIPT = ("job", "outcome", "event", "reason", "field", "detail", "about", "first")

_COMPLETE: Final = JobStatus.COMPLETE.value
_CANCELED: Final = Closure.CANCELED.value


def receipt_members(body: Body) -> dict[str, Json]:
    """What a sender is told of one of its records."""
    members = _some(body, _RECEIPT)
    record = body.get("record")
    if isinstance(record, dict):
        members["record"] = _some(record, _RECORD)
    return members


def event_members(
    event_type: str, body: Body, profile: Profile | None, audience: Audience, note_text: str | Withheld | None
) -> dict[str, Json]:
    """The `data` of an event for `audience`; with a profile, the reasons in the brand's words as it knows them now."""
    members = _some(body, _PLAIN[audience])
    job = body.get("job")
    if isinstance(job, dict):
        members["job"] = _job(job)
    details = body.get("details")
    if isinstance(details, dict) and audience is not Audience.OPS:
        _add_details(event_type, details, members)
    visits = body.get("appointments")
    if isinstance(visits, list):
        members["appointments"] = [_visit(visit, profile, audience) for visit in visits if isinstance(visit, dict)]
    if audience is Audience.CUSTOMER:
        return members
    by = body.get("by")
    if isinstance(by, dict):
        members["by"] = _some(by, _BY)
    reason = body.get("reason")
    if isinstance(reason, dict):
        members["reason"] = _reason(reason, profile)
    note = body.get("note")
    if isinstance(note, dict):
        members["note"] = _note(event_type, note, note_text)
    if audience is Audience.ENTERPRISE:
        _use_status_words(event_type, members, profile)
    return members


def brand_code(event_type: str, body: Body, profile: Profile) -> str | int | Refusal | None:
    """The brand's code for the standing in `body`, a refusal, or None where the profile says nothing.

    A body without a status (a receipt) has no standing and gets an empty code. So has the retraction of a note where
    there is none for it: whoever was told of the note is told of that, however the job stands.
    """
    standing = standing_in(event_type, body)
    code = "" if standing is None else find_code(profile.codes, standing)
    is_missing = code is None or isinstance(code, Refusal)
    return "" if is_missing and event_type == EventType.NOTE_RETRACTED else code


def _some(body: Body, names: tuple[str, ...]) -> dict[str, Json]:
    return {name: body[name] for name in names if name in body}


def _add_details(event_type: str, details: dict[str, Json], members: dict[str, Json]) -> None:
    if event_type in _WITH_TERMS:
        members["details"] = details
    elif event_type in _DETAILS:
        members["details"] = _some(details, _DETAILS[event_type])


def _job(job: Body) -> dict[str, Json]:
    members = _some(job, _JOB)
    organization = job.get("organization")
    if isinstance(organization, dict):
        members["organization"] = _some(organization, _ORGANIZATION)
    return members


def _visit(visit: Body, profile: Profile | None, audience: Audience) -> dict[str, Json]:
    members = _some(visit, _VISIT)
    reason = visit.get("reason")
    if isinstance(reason, dict) and audience is not Audience.CUSTOMER:
        members["reason"] = _reason(reason, profile)
    return members


def _reason(reason: Body, profile: Profile | None) -> dict[str, Json]:
    """A reason that no list knew when it was given may be known to the version that renders it."""
    members = _some(reason, _REASON)
    kind, text = reason.get("kind"), reason.get("text")
    if profile is None or reason.get("code") is not None or not isinstance(text, str) or not isinstance(kind, str):
        return members
    decided = reason.get("decided")
    known = profile.told_reason(ReasonKind(kind), text, decided if isinstance(decided, str) else None)
    if known.code is not None:
        outcome = known.outcome.value if known.outcome is not None else None
        members |= {"code": known.code, "label": known.label, "outcome": outcome}
    return members


def _note(event_type: str, note: Body, text: str | Withheld | None) -> dict[str, Json]:
    """Only a publication carries text, and only what was opened for its receiver."""
    members = _some(note, _NOTE)
    if event_type == EventType.NOTE_PUBLISHED.value:
        members["text"] = text if isinstance(text, str) else None
        members["withheld"] = not isinstance(text, str)
    return members


def _use_status_words(event_type: str, members: dict[str, Json], profile: Profile | None) -> None:
    if profile is not None and profile.canceled_as is CanceledAs.COMPLETE:
        return
    canceled = members.get("closure") == _CANCELED
    if canceled and members.get("status") == _COMPLETE:
        members["status"] = _CANCELED
    was_canceled = canceled or event_type == EventType.JOB_RESTORED.value
    if was_canceled and members.get("previous_status") == _COMPLETE:
        members["previous_status"] = _CANCELED
