"""What a try to deliver came to, whose fault a failure is, and what becomes of the delivery."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias, assert_never

from gateway.core.values import dataclass
from gateway.outbound.schedule import next_delay
from gateway.store.claims import ClaimedDelivery
from gateway.store.recording import Tried


class FaultDomain(StrEnum):
    """Whose a failure is: it says who looks at it."""

    OURS = "ours"
    TRANSPORT = "transport"
    PARTNER = "partner"
    CONTRACT = "contract"
    MAPPING = "mapping"
    BUSINESS = "business"


class Fault(StrEnum):
    """Why a try failed. Values are stable."""

    # The publisher's own transport (the broker) cannot be reached: says nothing about the delivery.
    TRANSPORT_AWAY = "transport_away"
    TIMEOUT = "timeout"
    BUSY = "busy"
    TOPIC_UNAVAILABLE = "topic_unavailable"
    NOT_AUTHORIZED = "not_authorized"
    MISCONFIGURED = "misconfigured"
    TOO_LARGE = "document_too_large"
    REFUSED = "refused"
    # The partner wants nothing more there: its destination is paused.
    GONE = "gone"
    PUBLISHER_BUG = "publisher_bug"
    RENDERER_BUG = "renderer_bug"
    UNRENDERABLE = "unrenderable"
    SCHEDULE_EXHAUSTED = "schedule_exhausted"


FAULT_DOMAINS: Mapping[Fault, FaultDomain] = {
    Fault.TRANSPORT_AWAY: FaultDomain.TRANSPORT,
    Fault.TIMEOUT: FaultDomain.TRANSPORT,
    Fault.BUSY: FaultDomain.PARTNER,
    Fault.TOPIC_UNAVAILABLE: FaultDomain.TRANSPORT,
    Fault.NOT_AUTHORIZED: FaultDomain.PARTNER,
    Fault.MISCONFIGURED: FaultDomain.OURS,
    Fault.TOO_LARGE: FaultDomain.CONTRACT,
    Fault.REFUSED: FaultDomain.PARTNER,
    Fault.GONE: FaultDomain.CONTRACT,
    Fault.PUBLISHER_BUG: FaultDomain.OURS,
    Fault.RENDERER_BUG: FaultDomain.OURS,
    Fault.UNRENDERABLE: FaultDomain.MAPPING,
    Fault.SCHEDULE_EXHAUSTED: FaultDomain.PARTNER,
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has it, durably. `applied`: the version of the job that its answer says it has applied."""

    applied: int | None = None


@dataclass(frozen=True, slots=True)
class Retryable:
    """It may work later. `after` is the least number of seconds that the destination asked to wait.

    `pauses`: nothing more is sent to the destination until an operator resumes it.
    """

    reason: Fault
    detail: str = ""
    after: float | None = None
    pauses: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """It will never work as it is. `reason` is a `Fault`, or the renderer's own word."""

    reason: StrEnum
    detail: str = ""


Outcome: TypeAlias = Delivered | Retryable | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What becomes of the delivery. `delay`: seconds until it is due again, while it stays pending."""

    state: Literal["delivered", "pending", "dead"]
    outcome: Literal["delivered", "retryable", "rejected"]
    reason: str | None = None
    detail: str | None = None
    domain: FaultDomain | None = None
    delay: float | None = None
    # Whether it counts as a try in the schedule.
    counts: bool = False


_DELIVERED = Next(state="delivered", outcome="delivered")
_LONGEST_DETAIL = 500


def next_step(outcome: Outcome, retries: int, jitter: float) -> Next:
    """The one table from an outcome to what becomes of a delivery that was tried in vain `retries` times before.

    | outcome | state | due again |
    |---|---|---|
    | delivered | delivered | - |
    | retryable, the transport is away | pending, not counted | at once: the relay itself waits |
    | retryable | pending | as the schedule or the destination says, whichever is later |
    | retryable, the schedule has ended | dead, `schedule_exhausted` | - |
    | rejected | dead | - |
    """
    match outcome:
        case Delivered():
            return _DELIVERED
        case Retryable(Fault.TRANSPORT_AWAY as reason):
            return Next(state="pending", outcome="retryable", reason=reason, domain=FAULT_DOMAINS[reason], delay=0.0)
        case Retryable():
            return _retried(outcome, next_delay(retries, jitter))
        case Rejected():
            domain = FAULT_DOMAINS[outcome.reason] if isinstance(outcome.reason, Fault) else FaultDomain.MAPPING
            return Next(
                state="dead", outcome="rejected", reason=outcome.reason, detail=_cut(outcome.detail), domain=domain
            )
        case _:
            assert_never(outcome)


def tried_as(one: ClaimedDelivery, outcome: Outcome, jitter: float, *, begun_at: datetime, ended_at: datetime) -> Tried:
    """What a try of `one` is recorded as; its next message stays the same.

    It left the building, unless the transport was away.
    """
    step = next_step(outcome, one.retries, jitter)
    left = not is_away(outcome)
    return Tried(
        delivery=one,
        state=step.state,
        outcome=step.outcome,
        begun_at=begun_at,
        reason=step.reason,
        detail=step.detail,
        fault_domain=step.domain,
        due_at=None if step.delay is None else ended_at + timedelta(seconds=step.delay),
        duration_ms=round((ended_at - begun_at).total_seconds() * 1000),
        attempted=left,
        retried=step.counts,
        # A first try that succeeded needs no row of its own; one that says nothing about the delivery neither.
        noted=left and (step.state != "delivered" or one.attempts > 0),
        part=one.part,
        applied=outcome.applied if isinstance(outcome, Delivered) else None,
    )


def is_away(outcome: Outcome) -> bool:
    """Whether the transport was away: that says nothing about the delivery."""
    return isinstance(outcome, Retryable) and outcome.reason is Fault.TRANSPORT_AWAY


def _retried(outcome: Retryable, delay: float | None) -> Next:
    domain = FAULT_DOMAINS[outcome.reason]
    detail = _cut(outcome.detail)
    if delay is None:
        detail = _cut(f"{outcome.reason.value}: {outcome.detail}")
        exhausted = Fault.SCHEDULE_EXHAUSTED
        return Next(state="dead", outcome="retryable", reason=exhausted, detail=detail, domain=domain, counts=True)
    later = max(delay, outcome.after or 0.0)
    return Next(
        state="pending",
        outcome="retryable",
        reason=outcome.reason,
        detail=detail,
        domain=domain,
        delay=later,
        counts=True,
    )


def _cut(detail: str) -> str:
    return detail[:_LONGEST_DETAIL]
