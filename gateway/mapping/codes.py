"""Status codes: which standings a job can be in when an event of it is sent, and a brand's code for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.job import Closure, JobStatus, VisitStatus
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from gateway.core.events import Event
    from gateway.core.parties import Json


class Standing(NamedTuple):
    """What a brand's code can depend on. `visit` is the appointment's status for `appointment.*` events, else None."""

    status: str
    closure: str | None = None
    visit: str | None = None

    def __str__(self) -> str:
        return " / ".join(part for part in self if part is not None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The brand is not told of this standing, on purpose; `why` is its name for that."""

    why: str


Code = str | int
CodeTable = Mapping[Standing, Code | Refusal]

_APPOINTMENT = "appointment."
_ALL = tuple(VisitStatus)
_NOT_UNDER_WAY = (VisitStatus.PAUSED, VisitStatus.COMPLETE, VisitStatus.CANCELED, VisitStatus.DELETED)

# Which appointment statuses an `appointment.*` event can carry while its job stands so. Another visit may keep a
# job scheduled or in progress whatever becomes of this one; a visit canceled with its job still takes progress.
_VISITS: Mapping[tuple[JobStatus, Closure | None], Iterable[VisitStatus]] = {
    (JobStatus.OFFERED, None): (),
    (JobStatus.UNSCHEDULED, None): (VisitStatus.CANCELED, VisitStatus.DELETED),
    (JobStatus.SCHEDULED, None): (VisitStatus.SCHEDULED, *_NOT_UNDER_WAY),
    (JobStatus.IN_PROGRESS, None): _ALL,
    (JobStatus.PAUSED, None): _NOT_UNDER_WAY,
    (JobStatus.COMPLETE, Closure.COMPLETED): _NOT_UNDER_WAY,
    (JobStatus.COMPLETE, Closure.CANCELED): (VisitStatus.CANCELED,),
    (JobStatus.DECLINED, Closure.DECLINED): (),
    (JobStatus.DECLINED, Closure.EXPIRED): (),
    (JobStatus.DECLINED, Closure.WITHDRAWN): (),
}

CLOSURES: Mapping[str, frozenset[str]] = {
    status.value: frozenset(closure.value for known, closure in _VISITS if known is status and closure is not None)
    for status in JobStatus
}

PRODUCIBLE: tuple[Standing, ...] = tuple(
    Standing(status.value, closure.value if closure else None, visit.value if visit else None)
    for (status, closure), visits in _VISITS.items()
    for visit in (None, *visits)
)


def standing_of(event: Event) -> Standing | None:
    """How the job stands in an event of the core; None for what does not concern a job's status."""
    if event.status is None:
        return None
    of_visit = event.type.startswith(_APPOINTMENT) and event.visits
    return Standing(event.status, event.closure, event.visits[0].visit.status if of_visit else None)


def standing_in(event_type: str, body: Mapping[str, Json]) -> Standing | None:
    """The same, from the body that is stored with the event."""
    status, closure = body.get("status"), body.get("closure")
    if not isinstance(status, str):
        return None
    visit = _visit_status(body.get("appointments")) if event_type.startswith(_APPOINTMENT) else None
    return Standing(status, closure if isinstance(closure, str) else None, visit)


def _visit_status(appointments: Json) -> str | None:
    if not isinstance(appointments, list) or not appointments or not isinstance(appointments[0], dict):
        return None
    status = appointments[0].get("status")
    return status if isinstance(status, str) else None


def find_code(table: CodeTable, standing: Standing) -> Code | Refusal | None:
    """The brand's code, or its refusal; None where the table is silent.

    A row without an appointment status gives the code of its status whatever the appointment, unless a row names that
    appointment status. A refusal never stands for more than its own row.
    """
    exact = table.get(standing)
    if exact is not None or standing.visit is None:
        return exact
    general = table.get(Standing(standing.status, standing.closure))
    return None if isinstance(general, Refusal) else general
