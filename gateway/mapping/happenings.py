"""What an enterprise can be told of: each type of event, how the job can stand in it, and the reasons it can carry.

Written down from the core's decisions; a test walks these and finds the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.core.events import EventType
from gateway.core.job import Closure, VisitStatus
from gateway.core.reasons import Ending, GivenReason, ReasonKind
from gateway.core.values import dataclass
from gateway.mapping.codes import PRODUCIBLE, Standing

if TYPE_CHECKING:
    from gateway.core.reasons import Reason, ReasonLists

# Longer than any text of a list may be, so that none has it.
ANY_OTHER = "any other reason".ljust(501, ".")

_JOBS = tuple(each for each in PRODUCIBLE if each.visit is None)
_OFFERED, _UNSCHEDULED, _SCHEDULED, _IN_PROGRESS, _PAUSED, _COMPLETED, _CANCELED, *_CLOSED_OFFERS = _JOBS
_OPEN = (_UNSCHEDULED, _SCHEDULED, _IN_PROGRESS, _PAUSED)
# Progress that occurred before its job was canceled and came after: the visit stays canceled.
_AFTERWARDS = _CANCELED._replace(visit=VisitStatus.CANCELED.value)

_JOB_STANDS: Mapping[EventType, Sequence[Standing]] = {
    EventType.JOB_OFFERED: (_OFFERED,),
    EventType.JOB_AMENDED: (_OFFERED, *_OPEN, _COMPLETED),
    EventType.JOB_ACCEPTED: (_UNSCHEDULED, _SCHEDULED),
    EventType.JOB_DECLINED: _CLOSED_OFFERS,
    EventType.JOB_CREATED: (_UNSCHEDULED, _SCHEDULED),
    # A pausing reason completes the visits in progress and leaves the job open.
    EventType.JOB_COMPLETED: (_SCHEDULED, _PAUSED, _COMPLETED),
    EventType.JOB_CANCELED: (_CANCELED,),
    EventType.JOB_RESTORED: (*_OPEN, _COMPLETED),
    EventType.JOB_SNAPSHOT: _JOBS,
    EventType.NOTE_PUBLISHED: _JOBS,
    EventType.NOTE_RETRACTED: _JOBS,
    EventType.SURVEY_ANSWERED: _JOBS,
}
_VISIT_IS: Mapping[EventType, frozenset[VisitStatus]] = {
    EventType.APPOINTMENT_SCHEDULED: frozenset({VisitStatus.SCHEDULED}),
    EventType.APPOINTMENT_CHANGED: frozenset(
        {VisitStatus.SCHEDULED, VisitStatus.EN_ROUTE, VisitStatus.STARTED, VisitStatus.PAUSED}
    ),
    EventType.APPOINTMENT_DELETED: frozenset({VisitStatus.DELETED}),
    EventType.APPOINTMENT_CANCELED: frozenset({VisitStatus.CANCELED}),
    EventType.APPOINTMENT_EN_ROUTE: frozenset({VisitStatus.EN_ROUTE}),
    EventType.APPOINTMENT_STARTED: frozenset({VisitStatus.STARTED}),
    EventType.APPOINTMENT_PAUSED: frozenset({VisitStatus.PAUSED}),
    EventType.APPOINTMENT_COMPLETED: frozenset({VisitStatus.COMPLETE}),
}
_MAY_COME_AFTERWARDS = frozenset(
    {
        EventType.APPOINTMENT_CHANGED,
        EventType.APPOINTMENT_EN_ROUTE,
        EventType.APPOINTMENT_STARTED,
        EventType.APPOINTMENT_PAUSED,
        EventType.APPOINTMENT_COMPLETED,
    }
)

# Of the others some change the job's status and some do not.
KEEPS_STATUS = frozenset(
    {
        EventType.JOB_AMENDED,
        EventType.JOB_SNAPSHOT,
        EventType.NOTE_PUBLISHED,
        EventType.NOTE_RETRACTED,
        EventType.SURVEY_ANSWERED,
    }
)
CHANGES_STATUS = frozenset(_JOB_STANDS) - KEEPS_STATUS

# With a reason that no list knows these are not decided before it is mapped.
COMPLETIONS = frozenset({EventType.JOB_COMPLETED, EventType.APPOINTMENT_COMPLETED})


@dataclass(frozen=True, slots=True)
class Happening:
    """One combination: a type of event, how the job stands in it, and its reason."""

    type: EventType
    standing: Standing
    reason: GivenReason | None = None

    @property
    def is_any_other(self) -> bool:
        """Whether the reason stands for every text that the brand's list does not have."""
        return self.reason is not None and self.reason.text == ANY_OTHER


def happenings(reasons: ReasonLists) -> Iterator[Happening]:
    """Every combination that an enterprise with these lists can be told of, once."""
    for kind in EventType:
        for standing in standings(kind):
            for reason in _reasons(kind, standing, reasons):
                yield Happening(kind, standing, reason)


def standings(kind: EventType) -> tuple[Standing, ...]:
    """How a job can stand in an event of this type; empty where none is for enterprises."""
    if kind not in _VISIT_IS:
        return tuple(_JOB_STANDS.get(kind, ()))
    own = tuple(each for each in PRODUCIBLE if each.visit in _VISIT_IS[kind] and each != _AFTERWARDS)
    return (*own, _AFTERWARDS) if kind in _MAY_COME_AFTERWARDS else own


def changes_of_status(happening: Happening) -> tuple[bool, ...]:
    """Whether it can come with a change of the job's status, without one, or either way."""
    if happening.type in CHANGES_STATUS:
        return (True,)
    if happening.type in KEEPS_STATUS or happening.standing == _AFTERWARDS:
        return (False,)
    return (True, False)


def _reasons(kind: EventType, standing: Standing, lists: ReasonLists) -> Iterable[GivenReason | None]:
    match kind, standing.closure:
        case EventType.JOB_COMPLETED, _:
            # A completing reason ends the job.
            pausing_only = standing.closure is None
            known = _pausing(lists) if pausing_only else lists.complete
            return _given(lists, ReasonKind.COMPLETE, known)
        case EventType.APPOINTMENT_COMPLETED, _:
            return _given(lists, ReasonKind.COMPLETE, lists.complete)
        case EventType.APPOINTMENT_PAUSED, _:
            return (None, *_given(lists, ReasonKind.COMPLETE, _pausing(lists)))
        case EventType.JOB_SNAPSHOT, Closure.COMPLETED:
            # Of a job that was completed as a whole; one whose visits completed it says no reason.
            completing = [each for each in lists.complete if each.outcome is Ending.COMPLETES]
            return (None, *_given(lists, ReasonKind.COMPLETE, completing, other=False))
        case ((EventType.JOB_DECLINED | EventType.JOB_SNAPSHOT), Closure.DECLINED):
            # Where there is a list, a reason is asked for.
            said = _given(lists, ReasonKind.DECLINE, lists.decline)
            return said if lists.decline else (None, *said)
        case ((EventType.JOB_DECLINED | EventType.JOB_SNAPSHOT), Closure.WITHDRAWN):
            return (None, *_given(lists, ReasonKind.CANCEL, lists.cancel))
        case ((EventType.JOB_CANCELED | EventType.JOB_SNAPSHOT), Closure.CANCELED):
            return (None, *_given(lists, ReasonKind.CANCEL, lists.cancel))
        case EventType.APPOINTMENT_CANCELED, _:
            return (None, *_given(lists, ReasonKind.CANCEL, lists.cancel))
        case _:
            return (None,)


def _pausing(lists: ReasonLists) -> list[Reason]:
    return [each for each in lists.complete if each.outcome is Ending.PAUSES]


def _given(
    lists: ReasonLists, kind: ReasonKind, known: Iterable[Reason], *, other: bool = True
) -> tuple[GivenReason, ...]:
    texts = [*(each.code for each in known), *([ANY_OTHER] if other else [])]
    return tuple(lists.given(kind, text) for text in texts)
