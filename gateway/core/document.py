"""The canonical facts of an event as JSON: what is stored with it and what every rendering starts from.

Never in it: texts of notes, names or numbers of an organization's people.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gateway.core.events import EventType
from gateway.core.ids import Kind, canonical_id
from gateway.core.values import dataclass, replace

if TYPE_CHECKING:
    from gateway.core.events import By, Event, NoteRevision, VisitMoved
    from gateway.core.job import Job, Revision, Visit
    from gateway.core.parties import Json, Members
    from gateway.core.reasons import GivenReason

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# With these the receiver learns of a job, or of its new terms: all details travel with them.
_WITH_TERMS = frozenset({EventType.JOB_OFFERED, EventType.JOB_CREATED, EventType.JOB_SNAPSHOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as the outbox keeps it. `body` is what `event_body` made; `note` names the text it may show."""

    number: int
    type: str
    job: int | None
    source: str
    brand: str | None
    jobversion: int | None
    profile_version: int | None
    occurred_at: datetime
    recorded_at: datetime
    body: dict[str, Json]
    note: NoteRevision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptJob:
    """What a job is now, for receivers that are told the whole job with each event. `created_at`: None if forgotten."""

    number: int
    external_id: str | None
    status: str
    closure: str | None
    details: Members
    created_at: datetime | None


def as_given(event: StoredEvent) -> StoredEvent:
    """`event` with its reasons as they were given: whichever version renders it finds their codes.

    `decided`, the code of each until now, is for a version that does not understand the text.
    """
    body = dict(event.body)
    if isinstance(body.get("reason"), dict):
        body["reason"] = _without_code(body["reason"])
    visits = body.get("appointments")
    if isinstance(visits, list):
        body["appointments"] = [
            {**visit, "reason": _without_code(visit["reason"])}
            if isinstance(visit, dict) and "reason" in visit
            else visit
            for visit in visits
        ]
    return replace(event, body=body)


def rendered_by(event: StoredEvent, version: int | None) -> StoredEvent:
    """`event` for another version than the one that decided it; with None, as it was decided."""
    return event if version is None else replace(as_given(event), profile_version=version)


def _without_code(reason: Json) -> Json:
    if not isinstance(reason, dict):
        return reason
    return {**reason, "code": None, "label": None, "outcome": None, "decided": reason.get("code")}


def event_body(event: Event, job: Job, organization: str) -> dict[str, Json]:
    """The `data` of `event` about `job`; `organization` is the name under which the provider acts."""
    body: dict[str, Json] = {
        "job": _job(job, organization),
        "changes": list(event.changes),
        "previous_status": event.previous_status,
        "status": event.status,
        "closure": event.closure,
        "by": by_body(event.by),
        "occurred_at": stamp(event.occurred_at),
    }
    if event.visits:
        body["appointments"] = [_moved(moved) for moved in event.visits]
    if event.reason is not None:
        body["reason"] = reason_body(event.reason)
    if event.note is not None:
        body["note"] = {"id": canonical_id(Kind.NOTE, event.note.number), "revision": event.note.revision}
    if event.type in _WITH_TERMS:
        body["details"] = dict(job.details)
    elif event.details:
        body["details"] = dict(event.details)
    if (
        job.offer is not None
        and job.offer.accept_by is not None
        and event.type in _WITH_TERMS | {EventType.JOB_AMENDED}
    ):
        body["accept_by"] = stamp(job.offer.accept_by)
    if event.type in _WITH_TERMS | {EventType.JOB_AMENDED}:
        body.update(revision_body(job.revision))
    if job.replaces is not None and event.type in _WITH_TERMS:
        body["replaces"] = canonical_id(Kind.JOB, job.replaces)
    if event.clock_ahead:
        body["clock_ahead"] = True
    return body


def revision_body(revision: Revision | None) -> dict[str, Json]:
    """A revision as its sender named it, for an answer to name it again: a number, or the moment of the last update."""
    if revision is None:
        return {}
    if revision.scheme == "updated_at":
        return {"updated_at": stamp(_EPOCH + timedelta(microseconds=revision.value))}
    return {revision.scheme: revision.value}


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, with `Z`."""
    text = moment.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def by_body(by: By) -> dict[str, Json]:
    """Who did it, as everybody may see it: an organization's people act under its name."""
    return {"role": by.side, "name": by.name}


def reason_body(reason: GivenReason) -> dict[str, Json]:
    """A reason in the sender's words and, where the profile knows it, in the brand's."""
    return {
        "kind": reason.kind,
        "text": reason.text,
        "code": reason.code,
        "label": reason.label,
        "outcome": reason.outcome,
    }


def visit_body(visit: Visit) -> dict[str, Json]:
    """An appointment as it stands."""
    body: dict[str, Json] = {
        "id": canonical_id(Kind.APPOINTMENT, visit.number),
        "status": visit.status,
        "start": stamp(visit.start),
        "duration_seconds": int(visit.duration.total_seconds()),
        "assigned": visit.technician is not None,
    }
    if visit.window is not None:
        body["window"] = {"start": stamp(visit.window.start), "end": stamp(visit.window.end)}
    if visit.reason is not None:
        body["reason"] = reason_body(visit.reason)
    return body


def _moved(moved: VisitMoved) -> dict[str, Json]:
    return {**visit_body(moved.visit), "previous_status": moved.previous}


def _job(job: Job, organization: str) -> dict[str, Json]:
    return {
        "id": canonical_id(Kind.JOB, job.number),
        "external_id": job.external_id,
        "source": job.source,
        "brand": job.brand,
        "title": job.details.get("title"),
        "organization": {"id": canonical_id(Kind.ORGANIZATION, job.organization), "name": organization},
    }
