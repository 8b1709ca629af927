"""Offers: submitted, amended and repeated, accepted, declined, expired, withdrawn. One decision closes each.

A job that an enterprise assigns, or a provider makes for itself, comes and is amended the same way, without a question.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from gateway.core.closing import cancel, refuse_closed_offer, refuse_ended
from gateway.core.commands import AcceptOffer, CreateJob, DeclineOffer, NewVisit, Request, SubmitOffer, WithdrawOffer
from gateway.core.document import revision_body, stamp
from gateway.core.events import Event, EventType
from gateway.core.ids import Ref
from gateway.core.job import JOB_TRANSITIONS, Job, JobAction, JobStatus, Offer, OfferState, Revision
from gateway.core.outcomes import Applied, Ignored, Outcome, Quarantined, Refused, Why
from gateway.core.parties import Customer, Json, Members, Side, merged
from gateway.core.reasons import GivenReason, ReasonKind
from gateway.core.telling import happened
from gateway.core.values import replace
from gateway.core.visits import new_visit, told_of_new_visit

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.core.facts import Facts


# Kept apart from the content, so that the offer sent again is still a repeat.
ADDED_TIMES = "added_times"
MOST_TIMES = 3


class Age(Enum):
    """How an incoming revision stands to the one held."""

    OLDER = auto()
    EQUAL = auto()
    NEWER = auto()
    UNKNOWN = auto()


def submit(job: Job | None, request: Request, facts: Facts, command: SubmitOffer | CreateJob) -> Outcome:
    """A new offer or job, or what a known one's new content is: amendment, repeat, regression or conflict."""
    if job is None:
        return _begin(None, request, facts, command, command.details)
    if job.replaced_by is not None:
        return Refused(why=Why.JOB_REPLACED, detail="the work was offered anew under the same id")
    age = compare(command.revision, job.revision)
    other_organization = request.refs.organization not in {None, job.organization}
    details = _merged_details(job, command)
    offer = _amended_offer(job, command)
    same = details == job.details and offer == job.offer
    over = job.status is JobStatus.DECLINED or job.canceled
    if over and (age is Age.NEWER or other_organization or (age is Age.UNKNOWN and not same)):
        return _begin(job, request, facts, command, details)
    if age is Age.OLDER:
        return Ignored(why=Why.REGRESSION)
    if other_organization:
        return Refused(why=Why.ORGANIZATION_FIXED, member="data.organization", detail="withdraw and offer anew")
    if same or over or age is Age.EQUAL:
        return _unchanged(job, command, age, same=same)
    after = replace(job, details=details, offer=offer, revision=command.revision or job.revision, terms=None)
    saved = (
        ()
        if command.customer is None
        else (Customer(number=job.customer, source=job.source, members=_customer(details)),)
    )
    return Applied(job=after, events=(_amended(job, after, request, facts),), saved=saved)


def suggest(job: Job, request: Request, facts: Facts, asked: NewVisit) -> Outcome:
    """A time that the source suggests for an open offer: the provider sees it with the terms, and may take another.

    Under a key that has suggested before it replaces what that did. Of more than the most, the newest count.
    """
    if asked.window is not None:
        start, end = asked.window.start, asked.window.end
    else:
        start, end = asked.start, asked.start + asked.duration
    key: dict[str, Json] = {} if asked.external_id is None else {"id": asked.external_id}
    time: dict[str, Json] = {**key, "start": stamp(start), "end": stamp(end)}
    held = job.details.get(ADDED_TIMES)
    times = held if isinstance(held, list) else []
    if time in times:
        return Ignored(why=Why.NO_CHANGE)
    others = [one for one in times if not key or not isinstance(one, dict) or one.get("id") != asked.external_id]
    after = replace(job, details={**job.details, ADDED_TIMES: [*others, time][-MOST_TIMES:]})
    return Applied(job=after, events=(_amended(job, after, request, facts),))


def take_back(job: Job, request: Request, facts: Facts) -> Outcome | None:
    """A suggested time of an open offer goes, told by the key that suggested it; None where none has that key."""
    ref, held = request.refs.appointment, job.details.get(ADDED_TIMES)
    if job.status is not JobStatus.OFFERED or not isinstance(ref, Ref) or not isinstance(held, list):
        return None
    others = [one for one in held if not isinstance(one, dict) or one.get("id") != ref.external_id]
    if len(others) == len(held):
        return None
    after = replace(job, details=merged(job.details, {ADDED_TIMES: others or None}))
    return Applied(job=after, events=(_amended(job, after, request, facts),))


def _amended(job: Job, after: Job, request: Request, facts: Facts) -> Event:
    """Says what has changed: members with their new values, null for those that are gone."""
    changed: dict[str, Json] = {
        name: value for name, value in after.details.items() if name not in job.details or job.details[name] != value
    }
    changed.update({name: None for name in job.details if name not in after.details})
    return happened(EventType.JOB_AMENDED, job, after, request, facts, details=changed)


def compare(incoming: Revision | None, held: Revision | None) -> Age:
    """Revisions of one scheme have an order; anything else is told by its content."""
    if incoming is None or held is None:
        return Age.UNKNOWN if incoming is None else Age.NEWER
    if incoming.scheme != held.scheme:
        return Age.UNKNOWN
    if incoming.value == held.value:
        return Age.EQUAL
    return Age.NEWER if incoming.value > held.value else Age.OLDER


def accept(job: Job, request: Request, facts: Facts, command: AcceptOffer) -> Outcome:
    """The provider takes the offer, with a first visit or without."""
    refusal = _refuse_answer(job, request, JobAction.ACCEPT)
    if refusal is not None:
        return refusal
    if command.revision is not None and not _has_seen(command.revision, job):
        accept_by = stamp(job.offer.accept_by) if job.offer and job.offer.accept_by else None
        return Refused(
            why=Why.OFFER_CHANGED,
            member="data.revision",
            detail="the offer has changed since",
            about={"details": dict(job.details), "accept_by": accept_by, **revision_body(job.revision)},
        )
    after = replace(job, offer=_closed(job, OfferState.ACCEPTED, facts.now))
    if command.visit is None:
        return Applied(job=after, events=(happened(EventType.JOB_ACCEPTED, job, after, request, facts),))
    visit = new_visit(command.visit, request, facts)
    if isinstance(visit, Refused):
        return visit
    after = replace(after, visits=(*after.visits, visit))
    told = told_of_new_visit(after, visit, request, facts)
    return Applied(job=after, events=(happened(EventType.JOB_ACCEPTED, job, after, request, facts), *told))


def decline(job: Job, request: Request, facts: Facts, command: DeclineOffer) -> Outcome:
    """The provider does not take the offer. A reason is required where the brand has a list."""
    refusal = _refuse_answer(job, request, JobAction.DECLINE)
    if refusal is not None:
        return refusal
    if command.reason is None and facts.reasons.decline:
        return Refused(why=Why.REASON_REQUIRED, member="data.reason")
    reason = facts.reasons.given(ReasonKind.DECLINE, command.reason) if command.reason is not None else None
    after = replace(job, offer=_closed(job, OfferState.DECLINED, facts.now, reason))
    return Applied(job=after, events=(happened(EventType.JOB_DECLINED, job, after, request, facts, reason=reason),))


def expire(job: Job, request: Request, facts: Facts) -> Outcome:
    """The accept-by time has passed without an answer."""
    if job.status not in JOB_TRANSITIONS[JobAction.EXPIRE] or job.offer is None or job.offer.accept_by is None:
        return Ignored(why=Why.NO_CHANGE)
    if facts.now <= job.offer.accept_by:
        return Ignored(why=Why.NO_CHANGE)
    after = replace(job, offer=_closed(job, OfferState.EXPIRED, job.offer.accept_by))
    event = happened(EventType.JOB_DECLINED, job, after, request, facts)
    return Applied(job=after, events=(replace(event, occurred_at=job.offer.accept_by),))


def withdraw(job: Job, request: Request, facts: Facts, command: WithdrawOffer) -> Outcome:
    """The source takes its offer back; once accepted, the job is canceled by the source.

    A job that the provider canceled is refused: whoever canceled it may still restore it, and the source must know.
    """
    given = facts.reasons.given(ReasonKind.CANCEL, command.reason) if command.reason is not None else None
    if job.status is JobStatus.OFFERED:
        after = replace(job, offer=_closed(job, OfferState.WITHDRAWN, facts.now, given))
        return Applied(job=after, events=(happened(EventType.JOB_DECLINED, job, after, request, facts, reason=given),))
    if job.status not in JOB_TRANSITIONS[JobAction.WITHDRAW]:
        is_done = job.ended is not None and job.canceled and job.ended.by is request.actor.side
        return Ignored(why=Why.NO_CHANGE) if is_done else refuse_ended(job)
    return cancel(job, request, facts, command.reason)


def _refuse_answer(job: Job, request: Request, action: JobAction) -> Refused | None:
    if job.offer is None or job.status not in JOB_TRANSITIONS[action]:
        return refuse_closed_offer(job)
    accept_by = job.offer.accept_by
    if accept_by is not None and request.arrived_at > accept_by:
        return Refused(
            why=Why.OFFER_CLOSED,
            detail="the answer arrived after accept_by",
            about={"closed_by": OfferState.EXPIRED.value, "closed_at": stamp(accept_by)},
        )
    return None


def _closed(job: Job, state: OfferState, at: datetime, reason: GivenReason | None = None) -> Offer:
    return replace(job.offer or Offer(), state=state, closed_at=at, reason=reason)


def _unchanged(job: Job, command: SubmitOffer | CreateJob, age: Age, *, same: bool) -> Outcome:
    """Nothing new in it: a repeat, whose newer revision is kept; or another content under the same revision."""
    if not same:
        return Quarantined(
            why=Why.REVISION_CONFLICT, member="data.revision", detail="other content under the revision that is held"
        )
    if age is Age.NEWER:
        return Ignored(why=Why.REPEAT, job=replace(job, revision=command.revision, terms=job.terms or job.revision))
    return Ignored(why=Why.REPEAT)


def _merged_details(job: Job, command: SubmitOffer | CreateJob) -> dict[str, Json]:
    details = merged(job.details, command.details)
    if command.customer is not None:
        details["customer"] = merged(_customer(job.details), command.customer)
    return details


def _customer(details: Members) -> dict[str, Json]:
    held = details.get("customer")
    return held if isinstance(held, dict) else {}


def _amended_offer(job: Job, command: SubmitOffer | CreateJob) -> Offer | None:
    """An accepted offer has no term any more; that of one which was never accepted is among what may be new."""
    if job.offer is None or job.accepted or not isinstance(command, SubmitOffer):
        return job.offer
    return replace(job.offer, accept_by=command.accept_by or job.offer.accept_by)


def _has_seen(named: Revision, job: Job) -> bool:
    """Whether the content is still that of the revision named: later ones may have repeated it."""
    if named == job.revision or job.terms is None:
        return named == job.revision
    since = compare(named, job.terms)
    return since in {Age.EQUAL, Age.NEWER} and compare(named, job.revision) is Age.OLDER


def _begin(
    old: Job | None, request: Request, facts: Facts, command: SubmitOffer | CreateJob, details: Members
) -> Outcome:
    """A new job, in the place of `old` where that was declined or canceled."""
    if facts.organization is None:
        return Refused(why=Why.NO_PROVIDER, member="data.organization", detail="no organization is named or routed to")
    named = request.refs.organization
    organization = named if isinstance(named, int) else facts.organization.number
    if request.actor.side is Side.PROVIDER and organization != request.actor.organization:
        return Refused(why=Why.NOT_ALLOWED, member="data.organization", detail="another organization")
    made = _customer_of(old, request, facts, command)
    if not isinstance(made, Customer):
        return made
    offered = isinstance(command, SubmitOffer)
    after = Job(
        number=request.number,
        source=request.actor.source,
        side=request.actor.side,
        account=request.actor.account,
        brand=command.brand or (old.brand if old else None),
        organization=organization,
        external_id=old.external_id if old else _external_id(request),
        customer=made.number,
        details=merged(details, {"customer": dict(made.members)}),
        revision=command.revision,
        offer=_open_offer(request, facts, command) if isinstance(command, SubmitOffer) else None,
        replaces=old.number if old else None,
    )
    told: tuple[Event, ...] = ()
    asked: NewVisit | None = command.visit if isinstance(command, CreateJob) else None
    if asked is not None:
        visit = new_visit(asked, request, facts)
        if isinstance(visit, Refused):
            return visit
        after = replace(after, visits=(visit,))
        told = told_of_new_visit(after, visit, request, facts)
    kind = EventType.JOB_OFFERED if offered else EventType.JOB_CREATED
    return Applied(
        job=after,
        replaced=replace(old, replaced_by=after.number) if old else None,
        events=(happened(kind, None, after, request, facts), *told),
        saved=(made,),
    )


def _customer_of(
    old: Job | None, request: Request, facts: Facts, command: SubmitOffer | CreateJob
) -> Customer | Refused:
    """The customer named, the old job's, or a new one. Another source's is not told from one that is not there."""
    source, told = request.actor.source, command.customer or {}
    if isinstance(request.refs.customer, int):
        if facts.customer is None or facts.customer.source != source:
            return Refused(why=Why.UNKNOWN_CUSTOMER, member="data.customer")
        return replace(facts.customer, members=merged(facts.customer.members, told))
    if old is not None and request.refs.customer is None:
        return Customer(number=old.customer, source=old.source, members=merged(_customer(old.details), told))
    if told:
        return Customer(number=request.number, source=source, members=merged({}, told))
    return Refused(why=Why.CUSTOMER_REQUIRED, member="data.customer")


def _open_offer(request: Request, facts: Facts, command: SubmitOffer) -> Offer:
    accept_by = command.accept_by
    if accept_by is None and facts.accept_within is not None:
        accept_by = request.arrived_at + facts.accept_within
    return Offer(accept_by=accept_by)


def _external_id(request: Request) -> str | None:
    ref = request.refs.job
    return ref.external_id if isinstance(ref, Ref) else None
