"""What happened: one event per decision about a job, past tense, and who may be told.

An event holds facts only; its wire form is `mapping`'s to render, note texts are never in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from gateway.core.job import Closure, JobStatus, Visit, VisitStatus
from gateway.core.parties import Members, Side
from gateway.core.reasons import GivenReason
from gateway.core.values import dataclass
from gateway.core.visibility import Audience


class EventType(StrEnum):
    """Names on the wire, before the version suffix."""

    JOB_OFFERED = "job.offered"
    JOB_AMENDED = "job.amended"
    JOB_ACCEPTED = "job.accepted"
    JOB_DECLINED = "job.declined"
    JOB_CREATED = "job.created"
    JOB_COMPLETED = "job.completed"
    JOB_CANCELED = "job.canceled"
    JOB_RESTORED = "job.restored"
    JOB_SNAPSHOT = "job.snapshot"
    APPOINTMENT_SCHEDULED = "appointment.scheduled"
    APPOINTMENT_CHANGED = "appointment.changed"
    APPOINTMENT_DELETED = "appointment.deleted"
    APPOINTMENT_CANCELED = "appointment.canceled"
    APPOINTMENT_EN_ROUTE = "appointment.en_route"
    APPOINTMENT_STARTED = "appointment.started"
    APPOINTMENT_PAUSED = "appointment.paused"
    APPOINTMENT_COMPLETED = "appointment.completed"
    NOTE_PUBLISHED = "note.published"
    NOTE_RETRACTED = "note.retracted"
    REMINDER_SENT = "reminder.sent"
    SURVEY_ANSWERED = "survey.answered"
    # activity log only
    NOTE_ADDED = "note.added"
    NOTE_EDITED = "note.edited"
    PROGRESS_STALE = "progress.stale"
    # receipts
    RECORD_SETTLED = "record.settled"
    # for whatever texts the customer
    CUSTOMER_ON_MY_WAY = "customer.on_my_way"
    CUSTOMER_ARRIVED = "customer.arrived"
    CUSTOMER_APPOINTMENT_SCHEDULED = "customer.appointment_scheduled"
    CUSTOMER_APPOINTMENT_CHANGED = "customer.appointment_changed"
    CUSTOMER_APPOINTMENT_CANCELED = "customer.appointment_canceled"
    CUSTOMER_SURVEY_REQUESTED = "customer.survey_requested"


class Change(StrEnum):
    """What an event touched."""

    STATUS = "status"
    APPOINTMENT = "appointment"
    REASON = "reason"
    DETAILS = "details"
    NOTE = "note"
    PHOTO = "photo"


LOG_ONLY = frozenset({EventType.NOTE_ADDED, EventType.NOTE_EDITED, EventType.PROGRESS_STALE})
WORK_ONLY = frozenset({EventType.REMINDER_SENT})
CUSTOMER_EVENTS = frozenset(kind for kind in EventType if kind.value.startswith("customer."))

# Events of a job that take a version when they have a recipient.
VERSIONED = frozenset(EventType) - LOG_ONLY - CUSTOMER_EVENTS - {EventType.JOB_SNAPSHOT, EventType.RECORD_SETTLED}


@dataclass(frozen=True, slots=True)
class VisitMoved:
    """A visit as it stands after the event, and the status it had before (None: it is new)."""

    visit: Visit
    previous: VisitStatus | None


@dataclass(frozen=True, slots=True)
class NoteRevision:
    """Which note, at which revision; its text is read when the event is rendered."""

    number: int
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who did it. `name` is what a brand may see; `user` is for the organization only."""

    side: Side
    name: str
    user: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One happening. Status members are None for what does not concern a job."""

    type: EventType
    by: By
    occurred_at: datetime
    previous_status: JobStatus | None = None
    status: JobStatus | None = None
    closure: Closure | None = None
    changes: tuple[Change, ...] = ()
    visits: tuple[VisitMoved, ...] = ()
    reason: GivenReason | None = None
    note: NoteRevision | None = None
    details: Members = field(default_factory=dict)
    clock_ahead: bool = False


_ENTERPRISE = frozenset({Audience.ENTERPRISE})
_PROVIDER = frozenset({Audience.PROVIDER})
_BOTH = _ENTERPRISE | _PROVIDER


def audiences(event: Event) -> frozenset[Audience]:
    """Who may be told of `event` at all; destinations and profiles narrow this further.

    The enterprise hears of everything but reminders and its own notes; the provider of what others did;
    the customer of `customer.*` only. A receipt goes to its record's sender, who is no audience of a job.
    """
    return audiences_of(event.type, event.by.side)


def audiences_of(kind: EventType, side: Side) -> frozenset[Audience]:
    """The same, by what an event is and whose doing it was."""
    if kind in LOG_ONLY or kind is EventType.RECORD_SETTLED:
        return frozenset()
    if kind in CUSTOMER_EVENTS:
        return frozenset({Audience.CUSTOMER})
    if kind in WORK_ONLY:
        return _PROVIDER
    if kind in {EventType.NOTE_PUBLISHED, EventType.NOTE_RETRACTED}:
        return _PROVIDER if side is Side.ENTERPRISE else _ENTERPRISE
    if kind is EventType.SURVEY_ANSWERED or side is Side.PROVIDER:
        return _ENTERPRISE
    return _BOTH


STATUS_EVENTS: Mapping[VisitStatus, EventType] = {
    VisitStatus.SCHEDULED: EventType.APPOINTMENT_CHANGED,
    VisitStatus.EN_ROUTE: EventType.APPOINTMENT_EN_ROUTE,
    VisitStatus.STARTED: EventType.APPOINTMENT_STARTED,
    VisitStatus.PAUSED: EventType.APPOINTMENT_PAUSED,
    VisitStatus.COMPLETE: EventType.APPOINTMENT_COMPLETED,
    VisitStatus.CANCELED: EventType.APPOINTMENT_CANCELED,
    VisitStatus.DELETED: EventType.APPOINTMENT_DELETED,
}
