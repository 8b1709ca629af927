"""Appointments: added, changed, taken away, and their progress.

One visit's progress is last-writer-wins on (moment, rank, message id): phones work offline and arrive late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.closing import refuse_ended
from gateway.core.commands import (
    CancelAppointment,
    ChangeAppointment,
    CompleteAppointment,
    DeleteAppointment,
    NewVisit,
    OnMyWay,
    PauseAppointment,
    Request,
    StartAppointment,
    UndoOnMyWay,
)
from gateway.core.customers import customer_event, estimate_arrival, survey_is_due, told_of_end
from gateway.core.events import STATUS_EVENTS, Event, EventType
from gateway.core.ids import Kind, canonical_id
from gateway.core.job import (
    ENDED,
    JOB_TRANSITIONS,
    MAX_VISITS,
    VISIT_TRANSITIONS,
    Job,
    JobAction,
    ProgressKey,
    Rank,
    Visit,
    VisitStatus,
    Window,
)
from gateway.core.outcomes import Applied, Ignored, Outcome, Refused, Unmapped, Why
from gateway.core.parties import Side
from gateway.core.reasons import Ending, GivenReason, ReasonKind
from gateway.core.telling import by, happened
from gateway.core.values import replace

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.core.facts import Facts
    from gateway.core.parties import Json

Progress = OnMyWay | UndoOnMyWay | StartAppointment | PauseAppointment | CompleteAppointment

_BECOMES = {
    OnMyWay: (VisitStatus.EN_ROUTE, Rank.EN_ROUTE),
    UndoOnMyWay: (VisitStatus.SCHEDULED, Rank.SCHEDULED),
    StartAppointment: (VisitStatus.STARTED, Rank.STARTED),
    PauseAppointment: (VisitStatus.PAUSED, Rank.PAUSED),
    CompleteAppointment: (VisitStatus.COMPLETE, Rank.COMPLETE),
}


def add(job: Job, request: Request, facts: Facts, asked: NewVisit) -> Outcome:
    """A new visit; on a completed job it opens the job again. One that is known already gets the time asked for."""
    if isinstance(request.refs.appointment, int):
        known = ChangeAppointment(start=asked.start, duration=asked.duration, window=asked.window)
        return change(job, request, facts, known)
    if job.canceled or job.status not in JOB_TRANSITIONS[JobAction.ADD_APPOINTMENT]:
        return refuse_ended(job)
    if len(job.visits) >= MAX_VISITS:
        return Refused(why=Why.TOO_MANY_APPOINTMENTS, detail=f"a job has at most {MAX_VISITS}")
    visit = new_visit(asked, request, facts)
    if isinstance(visit, Refused):
        return visit
    after = replace(job, visits=(*job.visits, visit), ended=None)
    event = happened(EventType.APPOINTMENT_SCHEDULED, job, after, request, facts)
    return Applied(job=after, events=(event, *told_of_new_visit(after, visit, request, facts)))


def new_visit(asked: NewVisit, request: Request, facts: Facts) -> Visit | Refused:
    """The visit asked for, numbered after its record, for the technician whom the request names."""
    refusal = refuse_technician(request, facts)
    if refusal is not None:
        return refusal
    technician = request.refs.technician
    return Visit(
        number=request.number,
        start=asked.start,
        duration=asked.duration,
        window=asked.window,
        technician=technician if isinstance(technician, int) else None,
    )


def refuse_technician(request: Request, facts: Facts) -> Refused | None:
    """Whether the technician named may be given a visit: one of the organization's own, active, who does visits."""
    number = request.refs.technician
    if number is None:
        return None
    user = facts.users.get(number) if isinstance(number, int) else None
    if user is None or facts.organization is None or user.organization != facts.organization.number:
        return Refused(why=Why.NOT_YOUR_USER, member="data.technician")
    if request.actor.side is Side.ENTERPRISE and facts.organization.branch_of != request.actor.account:
        return Refused(why=Why.NOT_YOUR_BRANCH, member="data.technician")
    if not user.active:
        return Refused(why=Why.USER_DEACTIVATED, member="data.technician")
    return None if user.role.visits else Refused(why=Why.NOT_A_TECHNICIAN, member="data.technician")


def told_of_new_visit(job: Job, visit: Visit, request: Request, facts: Facts) -> tuple[Event, ...]:
    """The customer hears of a new appointment."""
    who = by(request, facts)
    return (customer_event(EventType.CUSTOMER_APPOINTMENT_SCHEDULED, job, visit, who, request.occurred_at),)


def find_visit(job: Job, request: Request) -> Visit | Outcome:
    """The visit that the request names, or why there is none to be moved."""
    if job.status not in JOB_TRANSITIONS[JobAction.MOVE_APPOINTMENT]:
        return refuse_ended(job)
    ref = request.refs.appointment
    visit = job.find_visit(ref) if isinstance(ref, int) else None
    if visit is None:
        return Refused(why=Why.NOT_YOUR_JOB, member="data.appointment", detail="not an appointment of this job")
    return visit


def change(job: Job, request: Request, facts: Facts, command: ChangeAppointment) -> Outcome:
    """A new time, window or technician, until the visit has ended."""
    visit = find_visit(job, request)
    if not isinstance(visit, Visit):
        return visit
    if command.by_gateway and not _is_left_behind(visit, facts):
        return Ignored(why=Why.NO_CHANGE)
    if visit.has_ended:
        return _refuse_ended_visit(job, visit)
    changed = _changed(visit, request, facts, command)
    if isinstance(changed, Refused):
        return changed
    if changed == visit:
        return Ignored(why=Why.NO_CHANGE)
    after = job.with_visit(changed)
    events = [happened(EventType.APPOINTMENT_CHANGED, job, after, request, facts)]
    if _is_moved(visit, changed) and not command.by_gateway:
        who = by(request, facts)
        events.append(customer_event(EventType.CUSTOMER_APPOINTMENT_CHANGED, after, changed, who, request.occurred_at))
    return Applied(job=after, events=tuple(events))


def _changed(visit: Visit, request: Request, facts: Facts, change: ChangeAppointment | None) -> Visit | Refused:
    """The visit as `change` has it, alone or with a word of progress. Whose it is already is not asked about again."""
    if change is None:
        return visit
    named = request.refs.technician
    refusal = refuse_technician(request, facts) if named != visit.technician else None
    if refusal is not None:
        return refusal
    technician = named if isinstance(named, int) else visit.technician
    technician = None if change.unassign else technician
    return replace(
        visit.assigned_to(technician, request.occurred_at),
        start=change.start or visit.start,
        duration=change.duration or visit.duration,
        window=change.window or _moved_window(visit, change.start),
        unassigned_by_gateway=change.by_gateway or (visit.unassigned_by_gateway and technician is None),
    )


def _is_moved(visit: Visit, changed: Visit) -> bool:
    return (changed.start, changed.duration, changed.window) != (visit.start, visit.duration, visit.window)


def _is_left_behind(visit: Visit, facts: Facts) -> bool:
    """Whether the visit has not begun and its technician is gone."""
    if visit.status is not VisitStatus.SCHEDULED or visit.technician is None:
        return False
    technician = facts.users.get(visit.technician)
    return technician is None or not technician.active


def _moved_window(visit: Visit, start: datetime | None) -> Window | None:
    """The arrival window moves along with the start, where no other is given."""
    if visit.window is None or start is None:
        return visit.window
    by_how_much = start - visit.start
    try:
        return Window(visit.window.start + by_how_much, visit.window.end + by_how_much)
    except OverflowError:
        return visit.window


def take_away(job: Job, request: Request, facts: Facts, command: DeleteAppointment | CancelAppointment) -> Outcome:
    """Deletes a visit not begun, or cancels one not ended."""
    visit = find_visit(job, request)
    if not isinstance(visit, Visit):
        return visit
    if visit.has_ended:
        return _refuse_ended_visit(job, visit)
    deletes = isinstance(command, DeleteAppointment)
    if deletes and visit.status is not VisitStatus.SCHEDULED:
        return Refused(why=Why.APPOINTMENT_BEGUN, member="data.appointment", detail="cancel it instead")
    status = VisitStatus.DELETED if deletes else VisitStatus.CANCELED
    text, besides = (None, None) if isinstance(command, DeleteAppointment) else (command.reason, command.change)
    reason = facts.reasons.given(ReasonKind.CANCEL, text) if text is not None else None
    changed = _changed(visit, request, facts, besides)
    if isinstance(changed, Refused):
        return changed
    after = job.with_visit(replace(changed, status=status, ended_at=request.occurred_at, reason=reason))
    events = [happened(STATUS_EVENTS[status], job, after, request, facts, reason=reason)]
    if told_of_end(visit):
        who = by(request, facts)
        gone = after.find_visit(visit.number) or visit
        events.append(customer_event(EventType.CUSTOMER_APPOINTMENT_CANCELED, after, gone, who, request.occurred_at))
    return Applied(job=after, events=tuple(events))


def progress(job: Job, request: Request, facts: Facts, command: Progress) -> Outcome:
    """On my way, its undo, started, paused, completed: stale if something later is known already."""
    visit = find_visit(job, request)
    if not isinstance(visit, Visit):
        return visit
    status, rank = _BECOMES[type(command)]
    key = ProgressKey(request.occurred_at, rank, request.key)
    if _is_stale(job, visit, key):
        return Ignored(why=Why.STALE, events=(_stale_event(job, status, visit, request, facts),))
    suspended = visit.was is not None and job.canceled
    if suspended and not _before_cancellation(job, request):
        return Refused(why=Why.JOB_CANCELED, detail="restore the job first")
    present = visit.was if suspended and visit.was is not None else visit.status
    reason = _find_reason(facts, command)
    if status is present and present not in ENDED and reason == visit.reason:
        # It stands there already; what occurred before this is stale all the same.
        there = job.with_visit(replace(visit, progress=key))
        if suspended or _changed(visit, request, facts, command.change) == visit:
            return Ignored(why=Why.NO_CHANGE, job=there)
        return change(there, request, facts, command.change or ChangeAppointment())
    if status not in VISIT_TRANSITIONS[present]:
        return _refuse_transition(visit, present, status)
    if isinstance(reason, Refused):
        return reason
    if isinstance(reason, str):
        return Unmapped(job=replace(job, held_by=request.number), text=reason)
    changed = _changed(visit, request, facts, command.change)
    if isinstance(changed, Refused):
        return changed
    if suspended:
        # It happened before the job was canceled: kept for the restore, told without moving the status.
        ended_at = request.occurred_at if status is VisitStatus.COMPLETE else visit.ended_at
        after = job.with_visit(replace(changed, was=status, progress=key, reason=reason, ended_at=ended_at))
        return Applied(job=after, events=(happened(STATUS_EVENTS[status], job, after, request, facts, reason=reason),))
    ended_at = request.occurred_at if status is VisitStatus.COMPLETE else None
    moved = replace(changed, status=status, progress=key, reason=reason, ended_at=ended_at)
    if _is_left_behind(moved, facts):
        # Not begun any more, and its technician has left meanwhile.
        moved = replace(moved.assigned_to(None, request.occurred_at), unassigned_by_gateway=True)
    after, told = _told_of_progress(job.with_visit(moved), visit, moved, request, facts, command)
    return Applied(
        job=after, events=(happened(STATUS_EVENTS[status], job, after, request, facts, reason=reason), *told)
    )


def _is_stale(job: Job, visit: Visit, key: ProgressKey) -> bool:
    if visit.progress is not None and key <= visit.progress:
        return True
    # A visit that was canceled or deleted by itself takes no earlier progress either.
    gone = visit.status in {VisitStatus.CANCELED, VisitStatus.DELETED} and not (visit.was is not None and job.canceled)
    return gone and visit.ended_at is not None and key.occurred_at < visit.ended_at


def _stale_event(job: Job, status: VisitStatus, visit: Visit, request: Request, facts: Facts) -> Event:
    appointment = canonical_id(Kind.APPOINTMENT, visit.number)
    details: dict[str, Json] = {"appointment": appointment, "status": status.value}
    return happened(EventType.PROGRESS_STALE, job, job, request, facts, details=details)


def _before_cancellation(job: Job, request: Request) -> bool:
    return job.ended is not None and request.occurred_at < job.ended.at


def _refuse_ended_visit(job: Job, visit: Visit) -> Refused:
    if visit.was is not None and job.canceled:
        return Refused(why=Why.JOB_CANCELED, detail="restore the job first")
    return _refuse_ended(visit)


def _refuse_ended(visit: Visit) -> Refused:
    return Refused(why=Why.APPOINTMENT_ENDED, member="data.appointment", detail=f"it is {visit.status.value}")


def _refuse_transition(visit: Visit, present: VisitStatus, status: VisitStatus) -> Refused:
    if present in ENDED:
        return _refuse_ended(visit)
    return Refused(
        why=Why.TRANSITION_NOT_ALLOWED,
        member="data.appointment",
        detail=f"{present.value} does not become {status.value}",
    )


def _find_reason(facts: Facts, command: Progress) -> GivenReason | Refused | str | None:
    """The reason of a completion or pause; a plain text is one that waits for a mapping."""
    if isinstance(command, PauseAppointment):
        return _pausing_reason(facts, command.reason)
    if not isinstance(command, CompleteAppointment):
        return None
    if command.reason is None:
        only = facts.reasons.find_only_completing()
        if only is None:
            return Refused(why=Why.REASON_REQUIRED, member="data.reason")
        return facts.reasons.given(ReasonKind.COMPLETE, only.code)
    given = facts.reasons.given(ReasonKind.COMPLETE, command.reason)
    if given.outcome is not None:
        return given
    return command.reason if facts.reasons.open_ended else Refused(why=Why.UNKNOWN_REASON, member="data.reason")


def _pausing_reason(facts: Facts, text: str | None) -> GivenReason | Refused | None:
    if text is None:
        return None
    given = facts.reasons.given(ReasonKind.COMPLETE, text)
    if given.outcome is Ending.COMPLETES:
        return Refused(why=Why.REASON_COMPLETES, member="data.reason", detail="complete the appointment instead")
    if given.outcome is None and not facts.reasons.open_ended:
        return Refused(why=Why.UNKNOWN_REASON, member="data.reason")
    return given


def _told_of_progress(
    job: Job, before: Visit, visit: Visit, request: Request, facts: Facts, command: Progress
) -> tuple[Job, tuple[Event, ...]]:
    who, at = by(request, facts), request.occurred_at
    match command:
        case OnMyWay(minutes):
            technician = facts.users.get(visit.technician) if visit.technician is not None else None
            position = technician.position if technician else None
            arrival = estimate_arrival(job, visit, minutes, position, at)
            event = customer_event(EventType.CUSTOMER_ON_MY_WAY, job, visit, who, at, estimated_arrival=arrival)
            return job, (event,)
        case StartAppointment():
            return job, (customer_event(EventType.CUSTOMER_ARRIVED, job, visit, who, at),)
        case CompleteAppointment() if survey_is_due(job, facts.now):
            job = replace(job, surveyed_at=facts.now)
            return job, (customer_event(EventType.CUSTOMER_SURVEY_REQUESTED, job, visit, who, at),)
        case UndoOnMyWay() | PauseAppointment() if _is_moved(before, visit):
            return job, (customer_event(EventType.CUSTOMER_APPOINTMENT_CHANGED, job, visit, who, at),)
        case _:
            return job, ()
