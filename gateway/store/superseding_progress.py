"""A visit's progress that has not left yet gives way to how the visit went on, where its destination declares so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.core.events import EventType
from gateway.core.job import VisitStatus
from gateway.store.recording import link_of
from gateway.store.superseding import Overtaken, WhyOvertaken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.core.document import StoredEvent
    from gateway.store.claims import ClaimedDelivery

# The only events that are ever overtaken. A pause says how a visit was left, and why: it stays.
PROGRESS: Mapping[str, VisitStatus] = {
    EventType.APPOINTMENT_EN_ROUTE: VisitStatus.EN_ROUTE,
    EventType.APPOINTMENT_STARTED: VisitStatus.STARTED,
}
# What a visit went on to. A cancellation overtakes nothing: how far a visit had come may be what it costs.
_WENT_ON = frozenset({VisitStatus.EN_ROUTE, VisitStatus.STARTED, VisitStatus.PAUSED, VisitStatus.COMPLETE})
_UNDONE = (VisitStatus.EN_ROUTE, VisitStatus.SCHEDULED)


class _Step(NamedTuple):
    """A visit's way from one status to another, as an event tells it."""

    visit: str
    before: str | None
    after: str


def find_overtaken(deliveries: Sequence[ClaimedDelivery]) -> list[Overtaken]:
    """What is overtaken of `deliveries`: what a claim covers of one lane, in its order.

    Progress that no claim before this one has covered, whose visit's next step is covered too and goes on from it, or
    takes it back. Of several steps in a row the last one, which is sent, overtakes those before it.
    """
    overtaken = []
    # By visit, what follows: None where that overtakes nothing.
    follows: dict[str, ClaimedDelivery | None] = {}
    for one in reversed(deliveries):
        steps = _steps(one.event)
        by = follows.get(steps[0].visit) if _is_progress(one.event, steps) else None
        if by is not None and one.claims == 1 and _is_newer(by, one):
            overtaken.append(Overtaken(link=link_of(one), by=by.number, why=WhyOvertaken.OVERTAKEN))
            continue
        follows.update({step.visit: one if _goes_on(step) else None for step in steps})
    return overtaken


def _steps(event: StoredEvent) -> list[_Step]:
    visits: Any = event.body.get("appointments", ())
    moves = (_Step(visit["id"], visit["previous_status"], visit["status"]) for visit in visits)
    return [step for step in moves if step.before != step.after]


def _is_progress(event: StoredEvent, steps: Sequence[_Step]) -> bool:
    """What was told late of a visit that is canceled by now moves nothing, and is none."""
    return len(steps) == 1 and PROGRESS.get(event.type) == steps[0].after


def _goes_on(step: _Step) -> bool:
    return step.after in _WENT_ON or (step.before, step.after) == _UNDONE


def _is_newer(one: ClaimedDelivery, other: ClaimedDelivery) -> bool:
    """What is sent again stands behind what happened after it."""
    return (one.event.jobversion or 0) > (other.event.jobversion or 0)
