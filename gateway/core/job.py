"""The job and its visits: what they are, the two transition tables, and the one derivation of the status.

`Job` is the aggregate that is locked, loaded and saved whole. Nothing here decides; see `decide`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from gateway.core.parties import Members, Side
from gateway.core.reasons import Ending, GivenReason
from gateway.core.values import dataclass, replace

MAX_VISITS = 100
DEFAULT_DURATION = timedelta(hours=2)


class JobStatus(StrEnum):
    """Where a job stands; the same words and colours on every screen."""

    OFFERED = "offered"
    UNSCHEDULED = "unscheduled"
    SCHEDULED = "scheduled"
    IN_PROGRESS = "in_progress"
    PAUSED = "paused"
    COMPLETE = "complete"
    DECLINED = "declined"

    @property
    def label(self) -> str:
        return self.value.replace("_", " ").title()

    @property
    def colour(self) -> str:
        return _COLOURS[self]


_COLOURS = {
    JobStatus.OFFERED: "green",
    JobStatus.UNSCHEDULED: "red",
    JobStatus.SCHEDULED: "blue",
    JobStatus.IN_PROGRESS: "orange",
    JobStatus.PAUSED: "yellow",
    JobStatus.COMPLETE: "gray",
    JobStatus.DECLINED: "none",
}


class Closure(StrEnum):
    """How a job ended."""

    COMPLETED = "completed"
    CANCELED = "canceled"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class VisitStatus(StrEnum):
    """Where one appointment stands."""

    SCHEDULED = "scheduled"
    EN_ROUTE = "en_route"
    STARTED = "started"
    PAUSED = "paused"
    COMPLETE = "complete"
    CANCELED = "canceled"
    DELETED = "deleted"


ENDED = frozenset({VisitStatus.COMPLETE, VisitStatus.CANCELED, VisitStatus.DELETED})
UNDER_WAY = frozenset({VisitStatus.EN_ROUTE, VisitStatus.STARTED})

# What an appointment may become. `scheduled` after `en_route` is the undo of *on my way*.
VISIT_TRANSITIONS: Mapping[VisitStatus, frozenset[VisitStatus]] = {
    VisitStatus.SCHEDULED: frozenset(VisitStatus) - {VisitStatus.SCHEDULED},
    VisitStatus.EN_ROUTE: frozenset(
        {
            VisitStatus.STARTED,
            VisitStatus.PAUSED,
            VisitStatus.COMPLETE,
            VisitStatus.CANCELED,
            VisitStatus.SCHEDULED,
        }
    ),
    VisitStatus.STARTED: frozenset({VisitStatus.PAUSED, VisitStatus.COMPLETE, VisitStatus.CANCELED}),
    VisitStatus.PAUSED: frozenset(
        {VisitStatus.EN_ROUTE, VisitStatus.STARTED, VisitStatus.COMPLETE, VisitStatus.CANCELED}
    ),
    VisitStatus.COMPLETE: frozenset(),
    VisitStatus.CANCELED: frozenset(),
    VisitStatus.DELETED: frozenset(),
}


class JobAction(StrEnum):
    """What can be done to a job as a whole, or to it by way of its visits."""

    ACCEPT = "accept"
    DECLINE = "decline"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"
    ADD_APPOINTMENT = "add_appointment"
    MOVE_APPOINTMENT = "move_appointment"
    COMPLETE_JOB = "complete_job"
    CANCEL_JOB = "cancel_job"
    RESTORE = "restore"


_OPEN_STATUSES = frozenset({JobStatus.UNSCHEDULED, JobStatus.SCHEDULED, JobStatus.IN_PROGRESS, JobStatus.PAUSED})

# In which statuses each action is allowed at all. Withdrawing and restoring look at the closure too;
# moving a visit is for VISIT_TRANSITIONS to allow.
JOB_TRANSITIONS: Mapping[JobAction, frozenset[JobStatus]] = {
    JobAction.ACCEPT: frozenset({JobStatus.OFFERED}),
    JobAction.DECLINE: frozenset({JobStatus.OFFERED}),
    JobAction.EXPIRE: frozenset({JobStatus.OFFERED}),
    JobAction.WITHDRAW: _OPEN_STATUSES | {JobStatus.OFFERED},
    JobAction.ADD_APPOINTMENT: _OPEN_STATUSES | {JobStatus.COMPLETE},
    JobAction.MOVE_APPOINTMENT: _OPEN_STATUSES | {JobStatus.COMPLETE},
    JobAction.COMPLETE_JOB: _OPEN_STATUSES,
    JobAction.CANCEL_JOB: _OPEN_STATUSES,
    JobAction.RESTORE: frozenset({JobStatus.COMPLETE}),
}


class Rank(IntEnum):
    """Order of progress words that carry the same moment."""

    SCHEDULED = 0
    EN_ROUTE = 1
    STARTED = 2
    PAUSED = 3
    COMPLETE = 4


@dataclass(frozen=True, slots=True, order=True)
class ProgressKey:
    """Last writer wins on (moment, rank, message id)."""

    occurred_at: datetime
    rank: Rank
    message_id: str


@dataclass(frozen=True, slots=True)
class Window:
    """When the customer may expect the technician to arrive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Tenure:
    """That a visit was a technician's, until a moment."""

    technician: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One appointment. `was` is what it stood at when its job was canceled with it, for the restore.

    `technician_before` and `reassigned_at` tell who held it when an action occurred before a reassignment, `earlier`
    who did before those. `unassigned_by_gateway` flags to dispatchers that its technician has left.
    """

    number: int
    status: VisitStatus = VisitStatus.SCHEDULED
    start: datetime
    duration: timedelta = DEFAULT_DURATION
    window: Window | None = None
    technician: int | None = None
    technician_before: int | None = None
    reassigned_at: datetime | None = None
    earlier: tuple[Tenure, ...] = ()
    unassigned_by_gateway: bool = False
    progress: ProgressKey | None = None
    reason: GivenReason | None = None
    ended_at: datetime | None = None
    was: VisitStatus | None = None
    latest: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def outcome(self) -> Ending | None:
        return self.reason.outcome if self.reason else None

    def was_of(self, technician: int, at: datetime) -> bool:
        """Whether the visit was taken from `technician` only after `at`."""
        last = () if self.technician_before is None or self.reassigned_at is None else (self._last_tenure(),)
        return any(tenure.technician == technician and at < tenure.until for tenure in (*self.earlier, *last))

    def assigned_to(self, technician: int | None, at: datetime) -> Visit:
        """This visit as `technician`'s from `at` on; None takes it from whoever has it."""
        if technician == self.technician:
            return self
        known = self.technician_before is not None and self.reassigned_at is not None
        earlier = (*self.earlier, self._last_tenure()) if known else self.earlier
        return replace(
            self, technician=technician, technician_before=self.technician, reassigned_at=at, earlier=earlier
        )

    def _last_tenure(self) -> Tenure:
        assert self.technician_before is not None
        assert self.reassigned_at is not None
        return Tenure(self.technician_before, self.reassigned_at)


class EndedHow(StrEnum):
    """The two ways in which an accepted job ends as a whole."""

    COMPLETED = "completed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """That a job was completed or canceled as a whole: by which side, when, why."""

    how: EndedHow
    by: Side
    source: str
    at: datetime
    reason: GivenReason | None = None


class OfferState(StrEnum):
    """How an offer stands; every value but OPEN is its one decision."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Revision:
    """A sender's revision: its number, or the moment of its last update in microseconds."""

    scheme: str
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The question put to the provider. `closed_by` says what decided it, and `closed_at` when."""

    state: OfferState = OfferState.OPEN
    accept_by: datetime | None = None
    closed_at: datetime | None = None
    reason: GivenReason | None = None


_DECLINED: Mapping[OfferState, Closure] = {
    OfferState.DECLINED: Closure.DECLINED,
    OfferState.EXPIRED: Closure.EXPIRED,
    OfferState.WITHDRAWN: Closure.WITHDRAWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A body of work for one customer by one organization, with all its visits.

    `source` and `side` say who gave it (an enterprise, a booking page, the provider itself); they own `external_id`.
    `jobversion` grows with each event that has a recipient, `sequence` with each event and delivery appended.
    `last_sent` maps a destination to the last jobversion appended for it.
    `held_by` is the record whose unmapped reason makes later commands wait.
    `latest` maps a source to the digest of its latest record about this job or a visit of it.
    `terms` is the revision with which the content last changed, where later ones repeated it; None: `revision` itself.
    """

    number: int
    version: int = 0
    source: str
    side: Side
    account: int | None = None
    brand: str | None = None
    organization: int
    external_id: str | None = None
    customer: int
    details: Members
    revision: Revision | None = None
    terms: Revision | None = None
    offer: Offer | None = None
    ended: Ended | None = None
    visits: tuple[Visit, ...] = ()
    held_by: int | None = None
    replaces: int | None = None
    replaced_by: int | None = None
    surveyed_at: datetime | None = None
    jobversion: int = 0
    sequence: int = 0
    last_sent: Mapping[str, int] = field(default_factory=dict)
    latest: Mapping[str, str] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Whether the provider has the job: it accepted the offer, or there never was one."""
        return self.offer is None or self.offer.state is OfferState.ACCEPTED

    @property
    def status(self) -> JobStatus:
        return standing(self)[0]

    @property
    def closure(self) -> Closure | None:
        return standing(self)[1]

    @property
    def canceled(self) -> bool:
        return self.ended is not None and self.ended.how is EndedHow.CANCELED

    def find_visit(self, number: int) -> Visit | None:
        return next((visit for visit in self.visits if visit.number == number), None)

    def with_visit(self, changed: Visit) -> Job:
        """This job with `changed` in the place of the visit of that number."""
        visits = tuple(changed if visit.number == changed.number else visit for visit in self.visits)
        return replace(self, visits=visits)


def standing(job: Job) -> tuple[JobStatus, Closure | None]:
    """The status of a job and how it ended: a pure function of its offer, its end and its visits."""
    if job.offer is not None and job.offer.state is not OfferState.ACCEPTED:
        if job.offer.state is OfferState.OPEN:
            return JobStatus.OFFERED, None
        return JobStatus.DECLINED, _DECLINED[job.offer.state]
    if job.ended is not None:
        return JobStatus.COMPLETE, Closure(job.ended.how.value)
    statuses = {visit.status for visit in job.visits}
    if statuses & UNDER_WAY:
        return JobStatus.IN_PROGRESS, None
    if VisitStatus.SCHEDULED in statuses:
        return JobStatus.SCHEDULED, None
    last = find_last_worked(job.visits)
    if last is None:
        return JobStatus.UNSCHEDULED, None
    if last.outcome is Ending.COMPLETES:
        return JobStatus.COMPLETE, Closure.COMPLETED
    return JobStatus.PAUSED, None


def find_last_worked(visits: tuple[Visit, ...]) -> Visit | None:
    """The paused or complete visit that is the latest by its moment, then its message id."""
    worked = [visit for visit in visits if visit.status in {VisitStatus.PAUSED, VisitStatus.COMPLETE}]
    return max(worked, key=_worked_key, default=None)


def _worked_key(visit: Visit) -> tuple[float, str, int]:
    if visit.progress is None:
        return (float("-inf"), "", visit.number)
    return (visit.progress.occurred_at.timestamp(), visit.progress.message_id, visit.number)
