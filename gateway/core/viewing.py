"""Who may read what of a job: the one decision, and which happenings its activity shows to whom."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gateway.core.events import CUSTOMER_EVENTS, LOG_ONLY, EventType
from gateway.core.job import Job, JobStatus
from gateway.core.sandbox import is_test
from gateway.core.values import dataclass
from gateway.core.visibility import Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who reads. `source` is the name under which it sends, and names things by ids of its own.

    An enterprise has an `account` and may be bound to one `brand`; a provider has an `organization`, and one of its
    technicians sees only what is assigned to them. `tests`: of test work, or of real work.
    """

    audience: Audience
    source: str
    account: int | None = None
    brand: str | None = None
    organization: int | None = None
    technician: int | None = None
    tests: bool = False


class Sight(StrEnum):
    """How much of a job somebody sees. `FACT`: that it was offered to them, and how the offer was closed."""

    NOTHING = "nothing"
    FACT = "fact"
    WHOLE = "whole"


def sight_of(viewer: Viewer, job: Job) -> Sight:
    """How much of `job` the viewer sees. Whoever sees nothing is not told that there is such a job."""
    if is_test(job.source) is not viewer.tests:
        return Sight.NOTHING
    match viewer.audience:
        case Audience.ENTERPRISE:
            is_theirs = job.account is not None and job.account == viewer.account
            return Sight.WHOLE if is_theirs and viewer.brand in {None, job.brand} else Sight.NOTHING
        case Audience.PROVIDER if job.organization == viewer.organization:
            if viewer.technician is not None and not visits_of(viewer, job):
                return Sight.NOTHING
            return Sight.FACT if job.status is JobStatus.DECLINED else Sight.WHOLE
        case _:
            return Sight.NOTHING


def visits_of(viewer: Viewer, job: Job) -> frozenset[int]:
    """The numbers of those of the job's visits that the viewer sees, where the viewer sees the job."""
    assigned = {visit.technician for visit in job.visits} if viewer.technician is None else {viewer.technician}
    return frozenset(visit.number for visit in job.visits if visit.technician in assigned)


_ACTIONS = frozenset(EventType) - CUSTOMER_EVENTS - {EventType.RECORD_SETTLED, EventType.JOB_SNAPSHOT}
_SHOWN: Mapping[Audience, frozenset[EventType]] = {
    Audience.ENTERPRISE: _ACTIONS - LOG_ONLY,
    Audience.PROVIDER: _ACTIONS - {EventType.SURVEY_ANSWERED},
}
_OF_NOTES = frozenset({EventType.NOTE_PUBLISHED, EventType.NOTE_RETRACTED})


def shown(audience: Audience, sight: Sight, *, uses_notes: bool) -> frozenset[EventType]:
    """The kinds of events that the activity of a job shows to `audience`: what it did, and what it may be told of.

    `uses_notes`: whether the brand's profile has the feature.
    """
    if sight is not Sight.WHOLE:
        return frozenset({EventType.JOB_DECLINED}) if sight is Sight.FACT else frozenset()
    kinds = _SHOWN.get(audience, frozenset())
    return kinds if uses_notes or audience is not Audience.ENTERPRISE else kinds - _OF_NOTES
