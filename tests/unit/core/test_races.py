"""Accept, decline, expire, withdraw and amend race for an offer: exactly one decision closes it."""

from itertools import permutations

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.document import stamp
from gateway.core.events import EventType
from gateway.core.job import JobStatus, OfferState
from gateway.core.outcomes import Applied, Ignored, Refused
from tests import factories as make

ACCEPT_BY = make.minutes(60)
CLOSERS = {
    "accepted": commands.AcceptOffer(),
    "declined": commands.DeclineOffer("AREA"),
    "expired": commands.ExpireOffer(),
    "withdrawn": commands.WithdrawOffer("DUP"),
}
RACERS = {**CLOSERS, "amended": make.submit(details={"title": "Other"})}


def told(job, name, number):
    """Decided just after the term; what providers answer had arrived just before it."""
    arrived = 60 if name in {"accepted", "declined"} else 62
    request = make.request(RACERS[name], at=arrived, number=number)
    return decide(job, request, make.facts(now=make.minutes(62 + number / 100)))


@pytest.mark.parametrize("order", list(permutations(RACERS)), ids="-".join)
def test_in_every_order_one_decision_closes_the_offer_and_the_losers_are_told_why(order):
    job, closed_by, closed_at, decisions = make.job_in("offered"), None, None, []
    for number, name in enumerate(order):
        outcome = told(job, name, number)
        if name == "amended":
            is_new_job = job.status is JobStatus.DECLINED or job.canceled
            assert outcome.events[0].type is (EventType.JOB_OFFERED if is_new_job else EventType.JOB_AMENDED)
            job = outcome.replaced or outcome.job
        elif closed_by is None:
            assert isinstance(outcome, Applied)
            job, closed_by = outcome.job, name
            closed_at = ACCEPT_BY if name == "expired" else make.minutes(62 + number / 100)
            decisions.append(outcome.events[0].type)
        elif name == "expired":
            assert isinstance(outcome, Ignored)
        elif name == "withdrawn" and closed_by == "accepted":
            job = outcome.job
            assert job.closure == "canceled"
        else:
            assert isinstance(outcome, Refused)
            assert outcome.why == "offer_closed"
            assert outcome.about == {"closed_by": closed_by, "closed_at": stamp(closed_at)}
    assert len(decisions) == 1
    assert decisions[0] is (EventType.JOB_ACCEPTED if closed_by == "accepted" else EventType.JOB_DECLINED)
    assert job.offer.state == closed_by
    assert job.offer.closed_at == closed_at


@pytest.mark.parametrize("answer", [commands.AcceptOffer(), commands.DeclineOffer("AREA")])
def test_an_answer_is_in_time_if_it_arrived_by_the_term_whenever_it_occurred_or_is_decided(answer):
    late = make.facts(now=make.minutes(900))
    in_time = make.request(answer, at=60, arrived=60)
    assert isinstance(decide(make.job_in("offered"), in_time, late), Applied)
    too_late = make.request(answer, at=5, arrived=60.1)
    outcome = decide(make.job_in("offered"), too_late, make.facts(now=make.minutes(60.1)))
    assert outcome.why == "offer_closed"
    assert outcome.about == {"closed_by": "expired", "closed_at": stamp(ACCEPT_BY)}


def test_an_offer_expires_only_after_its_term_and_at_its_term():
    job = make.job_in("offered")
    expire = make.request(commands.ExpireOffer())
    assert decide(job, expire, make.facts(now=ACCEPT_BY)).why == "no_change"
    outcome = decide(job, expire, make.facts(now=make.minutes(99)))
    assert (outcome.job.status, outcome.job.closure) == (JobStatus.DECLINED, "expired")
    assert outcome.events[0].occurred_at == outcome.job.offer.closed_at == ACCEPT_BY


def test_an_offer_without_a_term_never_expires():
    job = make.job(offer=make.offer(OfferState.OPEN, accept_by=None, closed_at=None))
    assert decide(job, make.request(commands.ExpireOffer()), make.facts(now=make.minutes(10**6))).why == "no_change"


def test_accepting_with_a_visit_is_one_decision_about_both():
    accept = make.request(commands.AcceptOffer(visit=make.new_visit()), number=90, technician=make.BOTH)
    outcome = decide(make.job_in("offered"), accept, make.facts())
    assert outcome.job.status is JobStatus.SCHEDULED
    main, *rest = outcome.events
    assert main.type is EventType.JOB_ACCEPTED
    assert [(moved.visit.number, moved.previous) for moved in main.visits] == [(90, None)]
    assert [event.type for event in rest] == [EventType.CUSTOMER_APPOINTMENT_SCHEDULED]


def test_an_accept_with_a_visit_for_somebody_who_does_none_decides_nothing():
    accept = make.request(commands.AcceptOffer(visit=make.new_visit()), technician=make.DISPATCHER)
    assert decide(make.job_in("offered"), accept, make.facts()).why == "not_a_technician"
