"""From a stored event to what a poller of Dispatch Connect is handed: one message per entity that the event touched.

Pure. What leaves of an event is chosen by `members`, as for every other form; here it gets Connect's names and words.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.core.events import EventType
from gateway.core.ids import Kind, canonical_id, find_number
from gateway.core.job import Closure, JobStatus
from gateway.core.visibility import Audience
from gateway.mapping.connect_entities import (
    JOB_WORDS,
    VISIT_WORDS,
    Words,
    ack_entity,
    appointment_entity,
    attachment_entity,
    job_entity,
    milliseconds,
    offer_entity,
    survey_entity,
    without_nulls,
)
from gateway.mapping.members import event_members, receipt_members
from gateway.mapping.render import Unrenderable, WhyNot

if TYPE_CHECKING:
    from gateway.core.document import KeptJob, StoredEvent
    from gateway.core.parties import Json, Members
    from gateway.core.visibility import Withheld
    from gateway.mapping.profile import Profile

_NOTES: Final = frozenset(
    {EventType.NOTE_PUBLISHED.value, EventType.NOTE_RETRACTED.value, EventType.REMINDER_SENT.value}
)
# With these all details travel.
_WHOLE: Final = frozenset({EventType.JOB_OFFERED.value, EventType.JOB_CREATED.value, EventType.JOB_SNAPSHOT.value})
_OFFERED: Final = JobStatus.OFFERED.value


class Entity(StrEnum):
    """The one member of a `Put`."""

    JOB = "job"
    OFFER = "joboffer"
    APPOINTMENT = "appointment"
    ATTACHMENT = "attachment"
    SURVEY = "survey_response"
    ACK = "ack"


class Part(NamedTuple):
    """One message of an event; `nth` counts entities of one kind."""

    entity: Entity
    nth: int = 0


def parts(event: StoredEvent, audience: Audience) -> tuple[Part, ...]:
    """What `event` is handed out as, in this order; at least one, and always the same for the same event."""
    if event.type == EventType.RECORD_SETTLED:
        return (Part(Entity.ACK),)
    if event.type in _NOTES:
        return (Part(Entity.ATTACHMENT),)
    if event.type == EventType.SURVEY_ANSWERED:
        return (Part(Entity.SURVEY),)
    listed = event.body.get("appointments")
    visits = tuple(Part(Entity.APPOINTMENT, nth) for nth, _ in enumerate(listed if isinstance(listed, list) else ()))
    was, now = event.body.get("previous_status"), event.body.get("status")
    found: list[Part] = []
    if was != now or event.type.startswith("job.") or not visits:
        found.append(Part(Entity.JOB))
    if audience is Audience.ENTERPRISE and was == _OFFERED and now != _OFFERED:
        found.append(Part(Entity.OFFER))
    return (*found, *visits)


def put(
    part: Part,
    event: StoredEvent,
    *,
    audience: Audience,
    profile: Profile | None = None,
    kept: KeptJob | None = None,
    note_text: str | Withheld | None = None,
) -> dict[str, Json] | Unrenderable:
    """The action `{"Put": {entity: …}}` for one of the `parts` of `event`.

    `kept` is the job as it is now, for what the event does not say of it; `note_text` what was opened of its note.
    """
    if part.entity is Entity.ACK:
        return _as_put(part, ack_entity(receipt_members(event.body), kept))
    members = event_members(event.type, event.body, profile, audience, note_text)
    if profile is not None and audience is Audience.ENTERPRISE:
        if event.type == EventType.NOTE_PUBLISHED and not profile.features.notes:
            return Unrenderable(WhyNot.NOTES_NOT_USED)
        reason = members.get("reason")
        if isinstance(reason, dict) and reason.get("code") is None:
            return Unrenderable(WhyNot.REASON_UNMAPPED, f"a {reason.get('kind')} reason waits for a mapping")
    return _as_put(part, _entity(part, event, members, profile, audience, _open_to(audience, members, kept)))


def message(action: dict[str, Json], part: Part, place: int, *, event: int, delivery: int, receipt: str) -> Json:
    """One element of the array that `agent/out` answers. Its id stays the same when it comes again."""
    number = f"{canonical_id(Kind.EVENT, event)}.{place + 1}"
    request: dict[str, Json] = {
        "ProcedureID": f"{canonical_id(Kind.DELIVERY, delivery)}.{place + 1}",
        "Type": part.entity.value,
        "Payload": {"Actions": [{"ID": number, **action}]},
    }
    return {"Message": {"ID": number, "Receipt": receipt, "Request": request}}


def _entity(
    part: Part,
    event: StoredEvent,
    members: dict[str, Json],
    profile: Profile | None,
    audience: Audience,
    kept: KeptJob | None,
) -> dict[str, Json]:
    recorded_at = milliseconds(event.recorded_at)
    created_at = milliseconds(kept.created_at) if kept is not None and kept.created_at is not None else recorded_at
    match part.entity:
        case Entity.JOB:
            return {
                **job_entity(members, _details(event, members, kept), _job_words(profile, audience)),
                "created_at": created_at,
                "updated_at": recorded_at,
            }
        case Entity.OFFER:
            return offer_entity(members, _job_words(profile, audience))
        case Entity.APPOINTMENT:
            listed = members.get("appointments")
            visit = listed[part.nth] if isinstance(listed, list) else None
            words = {**VISIT_WORDS, **profile.connect.appointment_status} if profile is not None else VISIT_WORDS
            return {**appointment_entity(visit, members, words), "updated_at": recorded_at}
        case Entity.ATTACHMENT:
            return {**attachment_entity(event.type, members), "created_at": recorded_at, "updated_at": recorded_at}
        case _:
            return survey_entity(members)


def _job_words(profile: Profile | None, audience: Audience) -> Words:
    """Connect's words, in which a brand's own stand first."""
    if profile is None:
        return JOB_WORDS
    own = profile.connect.job_status
    if audience is not Audience.ENTERPRISE:
        return {**JOB_WORDS, **own}
    return {**JOB_WORDS, Closure.CANCELED.value: profile.canceled_as.value, **own}


def _details(event: StoredEvent, members: dict[str, Json], kept: KeptJob | None) -> Members | None:
    """The job's details as they were where the event carries all of them, else as they are now."""
    own = members.get("details")
    if event.type in _WHOLE and isinstance(own, dict):
        return own
    return kept.details if kept is not None else None


def _open_to(audience: Audience, members: dict[str, Json], kept: KeptJob | None) -> KeptJob | None:
    """A provider whose offer is closed has no more access to the job than the event itself gives."""
    closed = members.get("closure") in {Closure.DECLINED.value, Closure.EXPIRED.value, Closure.WITHDRAWN.value}
    return None if closed and audience is not Audience.ENTERPRISE else kept


def job_of(event: StoredEvent) -> int | None:
    """The job that an event, or the record that a receipt is about, concerns."""
    if event.job is not None:
        return event.job
    named = event.body.get("job")
    return find_number(Kind.JOB, named) if isinstance(named, str) else None


def _as_put(part: Part, entity: dict[str, Json]) -> dict[str, Json]:
    return {"Put": {part.entity.value: without_nulls(entity)}}
