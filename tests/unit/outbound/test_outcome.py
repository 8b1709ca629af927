"""From an outcome to what becomes of the delivery."""

import pytest

from gateway.mapping.render import WhyNot
from gateway.outbound.outcome import (
    FAULT_DOMAINS,
    FAULTS,
    Delivered,
    Fault,
    FaultDomain,
    Rejected,
    Retryable,
    failed,
    next_step,
)
from gateway.outbound.schedule import LONGEST_AFTER, STEPS

# Whose each fault is, and whether the machine tries again: written down a second time, for whoever changes the first.
RULINGS = """
    transport_away ........ transport  again
    timeout ............... transport  again
    topic_unavailable ..... transport  again
    name_unknown .......... transport  again
    address_refused ....... contract   again
    connect_timeout ....... transport  again
    connection_refused .... transport  again
    unreachable ........... transport  again
    tls_failed ............ partner    again
    connection_lost ....... transport  again
    answer_timeout ........ partner    again
    answer_unreadable ..... partner    again
    partner_error ......... partner    again
    busy .................. partner    again
    throttled ............. partner    again
    not_authorized ........ partner    again
    redirected ............ contract   again
    no_endpoint ........... contract   again
    refused ............... partner    again
    document_refused ...... contract   never
    document_too_large .... contract   never
    gone .................. contract   paused
    misconfigured ......... ours       never
    no_secret ............. ours       again
    publisher_bug ......... ours       again
    renderer_bug .......... ours       never
    unrenderable .......... mapping    never
    schedule_exhausted .... partner    never
"""
ROWS = [tuple(row.replace(".", " ").split()) for row in RULINGS.strip().splitlines()]


def test_every_fault_has_its_ruling():
    assert set(FAULTS) == set(FAULT_DOMAINS) == set(Fault)
    assert sorted(Fault) == sorted(word for word, _, _ in ROWS)


@pytest.mark.parametrize(("word", "domain", "then"), ROWS, ids=[row[0] for row in ROWS])
def test_a_fault_is_somebodys_and_is_tried_again_or_not(word, domain, then):
    fault = Fault(word)
    assert FAULT_DOMAINS[fault] is FaultDomain(domain)
    outcome = failed(fault, "words", after=3.0)
    if then == "never":
        assert outcome == Rejected(fault, "words")
    else:
        assert outcome == Retryable(fault, "words", after=3.0, pauses=then == "paused")
    step = next_step(outcome, retries=0, jitter=0.0)
    assert (step.domain, step.state) == (domain, "dead" if then == "never" else "pending")


def test_delivered_ends_it():
    step = next_step(Delivered(), retries=3, jitter=0.5)
    assert (step.state, step.outcome, step.reason, step.counts) == ("delivered", "delivered", None, False)


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.TRANSPORT_AWAY}))
def test_retryable_waits_as_the_schedule_says(fault):
    step = next_step(Retryable(fault, "words"), retries=2, jitter=0.0)
    assert (step.state, step.reason, step.detail, step.delay) == ("pending", fault, "words", STEPS[2])
    assert step.counts
    assert step.domain is FAULT_DOMAINS[fault]


def test_a_destination_may_ask_for_more_time_and_not_for_less():
    assert next_step(Retryable(Fault.BUSY, after=500.0), 0, 0.0).delay == 500.0
    assert next_step(Retryable(Fault.BUSY, after=0.1), 0, 0.0).delay == STEPS[0]


def test_no_destination_is_waited_for_longer_than_a_day_because_it_asks_for_it():
    assert next_step(Retryable(Fault.BUSY, after=1e12), 0, 0.0).delay == LONGEST_AFTER == 86_400


def test_a_schedule_of_ones_own_ends_of_its_own():
    assert next_step(Retryable(Fault.BUSY), 0, 0.0, [7.0]).delay == 7.0
    assert next_step(Retryable(Fault.BUSY, after=9.0), 0, 0.0, [7.0]).delay == 9.0
    assert next_step(Retryable(Fault.BUSY, after=9.0), 1, 0.0, [7.0]).state == "dead"


def test_while_the_transport_is_away_nothing_counts():
    step = next_step(Retryable(Fault.TRANSPORT_AWAY), retries=len(STEPS), jitter=0.0)
    assert (step.state, step.delay, step.counts) == ("pending", 0.0, False)


def test_after_the_last_try_it_is_dead_with_the_cause_of_the_last_failure():
    step = next_step(Retryable(Fault.TIMEOUT, "no answer"), retries=len(STEPS), jitter=0.0)
    assert (step.state, step.reason, step.detail) == ("dead", "schedule_exhausted", "timeout: no answer")
    assert step.domain is FaultDomain.TRANSPORT
    assert next_step(Retryable(Fault.TIMEOUT), retries=len(STEPS), jitter=0.0).detail == "timeout"


def test_rejected_is_dead_at_once():
    step = next_step(Rejected(Fault.TOO_LARGE, "9 MB"), retries=0, jitter=0.0)
    assert (step.state, step.reason, step.domain) == ("dead", "document_too_large", FaultDomain.CONTRACT)


def test_what_cannot_be_rendered_is_the_mappings_fault():
    step = next_step(Rejected(WhyNot.NOT_JSON), retries=0, jitter=0.0)
    assert (step.state, step.reason, step.domain) == ("dead", "not_json", FaultDomain.MAPPING)


def test_details_are_kept_short():
    assert len(next_step(Rejected(Fault.REFUSED, "x" * 10_000), 0, 0.0).detail) == 500
