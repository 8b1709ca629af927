"""A job as it stands, for whoever asks: the members of a snapshot, through the same allow-lists as every event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.document import event_body, stamp
from gateway.core.events import By, Event, EventType, VisitMoved
from gateway.core.ids import Kind, canonical_id
from gateway.core.parties import Side
from gateway.core.viewing import Sight
from gateway.core.visibility import Audience, Withheld, open_for
from gateway.mapping.members import brand_code, event_members

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gateway.core.document import StoredEvent
    from gateway.core.job import Job
    from gateway.core.notes import Note
    from gateway.core.parties import Json, User
    from gateway.mapping.profile import Profile

# What a happening says beyond how things stand.
_OF_HAPPENINGS: Final = ("changes", "previous_status", "by", "occurred_at")
_OF_CLOSED_OFFERS: Final = ("job", "status", "closure", "reason")
_NOBODY: Final = By(side=Side.GATEWAY, name="gateway")


def snapshot_of(job: Job, at: datetime) -> Event:
    """What is told of `job` as it stands at that moment. The gateway says it, whoever did what."""
    ended = job.ended or job.offer
    return Event(
        type=EventType.JOB_SNAPSHOT,
        by=_NOBODY,
        occurred_at=at,
        status=job.status,
        closure=job.closure,
        visits=tuple(VisitMoved(visit, None) for visit in job.visits),
        reason=ended.reason if ended is not None else None,
    )


def job_members(
    job: Job,
    organization: str,
    changed_at: datetime,
    *,
    audience: Audience,
    sight: Sight,
    profile: Profile | None,
    people: Mapping[int, User],
) -> dict[str, Json]:
    """`job` with its visits, as much of it as `sight` allows. `people` are the organization's, for itself alone."""
    event = snapshot_of(job, changed_at)
    body = event_body(event, job, organization)
    members = event_members(event.type, body, profile, audience, None)
    if sight is not Sight.WHOLE:
        return {name: members[name] for name in _OF_CLOSED_OFFERS if name in members}
    for name in _OF_HAPPENINGS:
        members.pop(name, None)
    if profile is not None and audience is Audience.ENTERPRISE:
        code = brand_code(event.type, body, profile)
        if isinstance(code, str | int):
            members["code"] = code
    members["appointments"] = _visits(job, members.get("appointments"), audience, people)
    return {**members, "jobversion": job.jobversion, "changed_at": stamp(changed_at)}


def _visits(job: Job, told: Json, audience: Audience, people: Mapping[int, User]) -> list[Json]:
    visits: list[Json] = []
    for visit, members in zip(job.visits, told if isinstance(told, list) else (), strict=False):
        if not isinstance(members, dict):
            continue
        del members["previous_status"]
        if audience is Audience.PROVIDER:
            members["technician"] = _person(visit.technician, people)
        visits.append(members)
    return visits


def activity_members(
    event: StoredEvent,
    by_user: int | None,
    *,
    audience: Audience,
    profile: Profile | None,
    notes: Mapping[int, Note],
    people: Mapping[int, User],
) -> dict[str, Json]:
    """One happening for a job's activity. Only the organization itself reads which of its people it was."""
    text = note_text(event, notes, audience)
    members = event_members(event.type, event.body, profile, audience, text)
    by = members.get("by")
    if audience is Audience.PROVIDER and isinstance(by, dict) and by_user in people:
        by["user"] = _person(by_user, people)
    told: dict[str, Json] = {
        "id": canonical_id(Kind.EVENT, event.number),
        "type": f"{event.type}.v1",
        "time": stamp(event.occurred_at),
    }
    if event.jobversion is not None:
        told["jobversion"] = event.jobversion
    return {**told, "data": members}


def note_text(event: StoredEvent, notes: Mapping[int, Note], audience: Audience) -> str | Withheld | None:
    """What the note that `event` names says to `audience` now; None where it names none."""
    if event.note is None:
        return None
    held = notes.get(event.note.number)
    return Withheld() if held is None else open_for(held, audience, revision=event.note.revision)


def note_members(
    note: Note, organization: str, *, audience: Audience, people: Mapping[int, User]
) -> dict[str, Json] | None:
    """One note of a job as it is now; None where `audience` may not know of it."""
    text = open_for(note, audience, revision=note.revision)
    if isinstance(text, Withheld):
        return None
    side = Side.ENTERPRISE if note.by_enterprise else Side.PROVIDER
    by: dict[str, Json] = {"role": side.value, "name": note.source if note.by_enterprise else organization}
    if audience is Audience.PROVIDER and note.user in people:
        by["user"] = _person(note.user, people)
    return {
        "id": canonical_id(Kind.NOTE, note.number),
        "revision": note.revision,
        "visibility": note.visibility.value,
        "by": by,
        "created_at": stamp(note.created_at),
        "text": text,
    }


def _person(number: int | None, people: Mapping[int, User]) -> Json:
    user = people.get(number) if number is not None else None
    if user is None:
        return None
    name = user.members.get("name")
    return {"id": canonical_id(Kind.USER, user.number), "name": name if isinstance(name, str) else None}
