"""A job as a whole: completed, canceled, restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.customers import customer_event, survey_is_due, told_of_end
from gateway.core.document import stamp
from gateway.core.events import Event, EventType
from gateway.core.job import (
    ENDED,
    JOB_TRANSITIONS,
    UNDER_WAY,
    Ended,
    EndedHow,
    Job,
    JobAction,
    JobStatus,
    ProgressKey,
    Rank,
    Visit,
    VisitStatus,
)
from gateway.core.outcomes import Applied, Outcome, Refused, Unmapped, Why
from gateway.core.parties import Side
from gateway.core.reasons import Ending, GivenReason, ReasonKind
from gateway.core.telling import by, happened
from gateway.core.values import replace

if TYPE_CHECKING:
    from gateway.core.commands import Request
    from gateway.core.facts import Facts


def refuse_ended(job: Job) -> Refused:
    """Why nothing more can be done to a job that is over, or not begun."""
    if job.status is JobStatus.OFFERED:
        return Refused(why=Why.OFFER_OPEN, detail="the offer waits for an answer")
    if job.status is JobStatus.DECLINED:
        return refuse_closed_offer(job)
    return Refused(why=Why.JOB_CANCELED if job.canceled else Why.JOB_CLOSED)


def refuse_closed_offer(job: Job) -> Refused:
    """The loser of the race for an offer is told what closed it, and when."""
    if job.offer is None:
        return Refused(why=Why.TRANSITION_NOT_ALLOWED, detail="the job was never offered")
    closed_at = stamp(job.offer.closed_at) if job.offer.closed_at else None
    return Refused(
        why=Why.OFFER_CLOSED,
        detail=f"the offer was {job.offer.state.value}",
        about={"closed_by": job.offer.state.value, "closed_at": closed_at},
    )


def complete(job: Job, request: Request, facts: Facts, text: str | None) -> Outcome:
    """Completes the job, not a visit: what is scheduled is canceled, what is under way or paused is completed.

    A pausing reason completes the visits in progress with it and leaves the job open. A reason that is only on the
    cancel list cancels the job.
    """
    if job.status not in JOB_TRANSITIONS[JobAction.COMPLETE_JOB]:
        return refuse_ended(job)
    reason = _complete_reason(facts, text)
    if reason is None:
        return Refused(why=Why.REASON_REQUIRED, member="data.reason")
    if reason.outcome is None:
        return _by_another_list(job, request, facts, reason.text)
    if reason.outcome is Ending.PAUSES:
        if not any(visit.status in UNDER_WAY for visit in job.visits):
            return Refused(why=Why.REASON_PAUSES, member="data.reason", detail="no visit is in progress")
        after = replace(job, visits=tuple(_completed(visit, request, reason, UNDER_WAY) for visit in job.visits))
        return _told(job, after, EventType.JOB_COMPLETED, request, facts, reason)
    worked = UNDER_WAY | {VisitStatus.PAUSED}
    ended = Ended(
        how=EndedHow.COMPLETED,
        by=request.actor.side,
        source=request.actor.source,
        at=request.occurred_at,
        reason=reason,
    )
    visits = tuple(_completed(_dropped(visit, request), request, reason, worked) for visit in job.visits)
    return _told(job, replace(job, visits=visits, ended=ended), EventType.JOB_COMPLETED, request, facts, reason)


def _complete_reason(facts: Facts, text: str | None) -> GivenReason | None:
    if text is not None:
        return facts.reasons.given(ReasonKind.COMPLETE, text)
    only = facts.reasons.find_only_completing()
    return facts.reasons.given(ReasonKind.COMPLETE, only.code) if only else None


def _by_another_list(job: Job, request: Request, facts: Facts, text: str) -> Outcome:
    """Complete reasons are looked up before cancel reasons; what neither knows waits for a mapping."""
    if facts.reasons.find(ReasonKind.CANCEL, text) is not None:
        return cancel(job, request, facts, text)
    if not facts.reasons.open_ended:
        return Refused(why=Why.UNKNOWN_REASON, member="data.reason")
    return Unmapped(job=replace(job, held_by=request.number), text=text)


def _completed(visit: Visit, request: Request, reason: GivenReason, which: frozenset[VisitStatus]) -> Visit:
    if visit.status not in which:
        return visit
    # A visit's progress never goes back in time, though the word about its job may have occurred earlier.
    moment = max(request.occurred_at, visit.progress.occurred_at) if visit.progress else request.occurred_at
    key = ProgressKey(moment, Rank.COMPLETE, request.key)
    return replace(visit, status=VisitStatus.COMPLETE, reason=reason, progress=key, ended_at=request.occurred_at)


def _dropped(visit: Visit, request: Request) -> Visit:
    if visit.status is not VisitStatus.SCHEDULED:
        return visit
    return replace(visit, status=VisitStatus.CANCELED, ended_at=request.occurred_at)


def _told(
    before: Job, after: Job, kind: EventType, request: Request, facts: Facts, reason: GivenReason | None
) -> Applied:
    """The decision's event, and the customer's: what is off, and one survey for what was completed."""
    who, at = by(request, facts), request.occurred_at
    told: list[Event] = []
    surveyed_at = after.surveyed_at
    for old, visit in zip(before.visits, after.visits, strict=True):
        if visit.status is old.status:
            continue
        if visit.status is VisitStatus.CANCELED and told_of_end(old):
            told.append(customer_event(EventType.CUSTOMER_APPOINTMENT_CANCELED, after, visit, who, at))
        if visit.status is VisitStatus.COMPLETE and survey_is_due(replace(after, surveyed_at=surveyed_at), facts.now):
            surveyed_at = facts.now
            told.append(customer_event(EventType.CUSTOMER_SURVEY_REQUESTED, after, visit, who, at))
    after = replace(after, surveyed_at=surveyed_at)
    return Applied(job=after, events=(happened(kind, before, after, request, facts, reason=reason), *told))


def cancel(job: Job, request: Request, facts: Facts, text: str | None) -> Outcome:
    """Cancels an accepted job that has not ended, with every visit that has not, and remembers what each was."""
    if job.status not in JOB_TRANSITIONS[JobAction.CANCEL_JOB]:
        return refuse_ended(job)
    reason = facts.reasons.given(ReasonKind.CANCEL, text) if text is not None else None
    ended = Ended(
        how=EndedHow.CANCELED,
        by=request.actor.side,
        source=request.actor.source,
        at=request.occurred_at,
        reason=reason,
    )
    visits = tuple(
        visit
        if visit.has_ended
        else replace(visit, status=VisitStatus.CANCELED, was=visit.status, ended_at=request.occurred_at)
        for visit in job.visits
    )
    return _told(job, replace(job, visits=visits, ended=ended), EventType.JOB_CANCELED, request, facts, reason)


def restore(job: Job, request: Request, facts: Facts) -> Outcome:
    """Brings a canceled job's visits back to what they were, without technicians who have left.

    Only the party that canceled it, or the source, may.
    """
    if job.replaced_by is not None:
        return Refused(why=Why.JOB_REPLACED, detail="the work was offered anew under the same id")
    if job.ended is None or not job.canceled or job.status not in JOB_TRANSITIONS[JobAction.RESTORE]:
        return Refused(why=Why.JOB_NOT_CANCELED)
    if not _may_restore(job, job.ended, request.actor.side):
        return Refused(why=Why.CANCELED_BY_SOURCE, detail=f"canceled by {job.ended.source}")
    visits = tuple(_restored(visit, request, facts) for visit in job.visits)
    after = replace(job, ended=None, visits=visits)
    who, at = by(request, facts), request.occurred_at
    # The customer was told that these are off.
    told = tuple(
        customer_event(EventType.CUSTOMER_APPOINTMENT_SCHEDULED, after, visit, who, at)
        for old, visit in zip(job.visits, visits, strict=True)
        if old.was is VisitStatus.SCHEDULED and visit.start >= facts.now
    )
    return Applied(job=after, events=(happened(EventType.JOB_RESTORED, job, after, request, facts), *told))


def _may_restore(job: Job, ended: Ended, side: Side) -> bool:
    """An enterprise is the source of whatever reached it by its brand's page too. That the job is theirs is known."""
    is_source = side is (Side.ENTERPRISE if job.account is not None else job.side)
    return is_source or side is ended.by


def _restored(visit: Visit, request: Request, facts: Facts) -> Visit:
    if visit.was is None:
        return visit
    back = replace(visit, status=visit.was, was=None, ended_at=visit.ended_at if visit.was in ENDED else None)
    technician = facts.users.get(visit.technician) if visit.technician is not None else None
    if visit.technician is None or (technician is not None and technician.active):
        return back
    return replace(back.assigned_to(None, request.occurred_at), unassigned_by_gateway=True)
