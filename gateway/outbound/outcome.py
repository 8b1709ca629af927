"""What a try to deliver came to, whose fault a failure is, and what becomes of the delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias, assert_never

from gateway.core.values import dataclass
from gateway.outbound.schedule import LONGEST_AFTER, STEPS, next_delay
from gateway.store.claims import ClaimedDelivery
from gateway.store.recording import Tried


class FaultDomain(StrEnum):
    """Whose a failure is: it says who looks at it."""

    # Whoever runs the gateway.
    OURS = "ours"
    # The same, with whoever runs the network.
    TRANSPORT = "transport"
    # The partner, whose system does not do what it promised.
    PARTNER = "partner"
    # Both: what was agreed upon and what is done differ.
    CONTRACT = "contract"
    # Whoever keeps the brand's profile.
    MAPPING = "mapping"
    # The people whose job it is about.
    BUSINESS = "business"


class Fault(StrEnum):
    """Why a try failed. Values are stable."""

    # The publisher's own transport (the broker) cannot be reached: says nothing about the delivery.
    TRANSPORT_AWAY = "transport_away"
    TIMEOUT = "timeout"
    TOPIC_UNAVAILABLE = "topic_unavailable"
    # The way to a partner by HTTP.
    NAME_UNKNOWN = "name_unknown"
    ADDRESS_REFUSED = "address_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECTION_REFUSED = "connection_refused"
    UNREACHABLE = "unreachable"
    TLS_FAILED = "tls_failed"
    CONNECTION_LOST = "connection_lost"
    # What the partner did then.
    ANSWER_TIMEOUT = "answer_timeout"
    ANSWER_UNREADABLE = "answer_unreadable"
    PARTNER_ERROR = "partner_error"
    BUSY = "busy"
    THROTTLED = "throttled"
    NOT_AUTHORIZED = "not_authorized"
    REDIRECTED = "redirected"
    NO_ENDPOINT = "no_endpoint"
    REFUSED = "refused"
    DOCUMENT_REFUSED = "document_refused"
    TOO_LARGE = "document_too_large"
    # The partner wants nothing more there: its destination is paused.
    GONE = "gone"
    # What is the matter with us.
    MISCONFIGURED = "misconfigured"
    NO_SECRET = "no_secret"  # noqa: S105 - the word for that there is none
    PUBLISHER_BUG = "publisher_bug"
    RENDERER_BUG = "renderer_bug"
    UNRENDERABLE = "unrenderable"
    SCHEDULE_EXHAUSTED = "schedule_exhausted"


class Ruling(NamedTuple):
    """What is done about a fault: who looks at it, and whether the machine tries again by itself.

    It does wherever that can help: a partner mends its system unasked. `pauses`: not before an operator says so.
    """

    domain: FaultDomain
    is_retried: bool = True
    pauses: bool = False


# The one table. A brand's profile and a poller's own words may decide otherwise on trying again.
FAULTS: Mapping[Fault, Ruling] = {
    Fault.TRANSPORT_AWAY: Ruling(FaultDomain.TRANSPORT),
    Fault.TIMEOUT: Ruling(FaultDomain.TRANSPORT),
    Fault.TOPIC_UNAVAILABLE: Ruling(FaultDomain.TRANSPORT),
    Fault.NAME_UNKNOWN: Ruling(FaultDomain.TRANSPORT),
    Fault.ADDRESS_REFUSED: Ruling(FaultDomain.CONTRACT),
    Fault.CONNECT_TIMEOUT: Ruling(FaultDomain.TRANSPORT),
    Fault.CONNECTION_REFUSED: Ruling(FaultDomain.TRANSPORT),
    Fault.UNREACHABLE: Ruling(FaultDomain.TRANSPORT),
    Fault.TLS_FAILED: Ruling(FaultDomain.PARTNER),
    Fault.CONNECTION_LOST: Ruling(FaultDomain.TRANSPORT),
    Fault.ANSWER_TIMEOUT: Ruling(FaultDomain.PARTNER),
    Fault.ANSWER_UNREADABLE: Ruling(FaultDomain.PARTNER),
    Fault.PARTNER_ERROR: Ruling(FaultDomain.PARTNER),
    Fault.BUSY: Ruling(FaultDomain.PARTNER),
    Fault.THROTTLED: Ruling(FaultDomain.PARTNER),
    Fault.NOT_AUTHORIZED: Ruling(FaultDomain.PARTNER),
    Fault.REDIRECTED: Ruling(FaultDomain.CONTRACT),
    Fault.NO_ENDPOINT: Ruling(FaultDomain.CONTRACT),
    Fault.REFUSED: Ruling(FaultDomain.PARTNER),
    Fault.DOCUMENT_REFUSED: Ruling(FaultDomain.CONTRACT, is_retried=False),
    Fault.TOO_LARGE: Ruling(FaultDomain.CONTRACT, is_retried=False),
    Fault.GONE: Ruling(FaultDomain.CONTRACT, pauses=True),
    Fault.MISCONFIGURED: Ruling(FaultDomain.OURS, is_retried=False),
    Fault.NO_SECRET: Ruling(FaultDomain.OURS),
    Fault.PUBLISHER_BUG: Ruling(FaultDomain.OURS),
    Fault.RENDERER_BUG: Ruling(FaultDomain.OURS, is_retried=False),
    Fault.UNRENDERABLE: Ruling(FaultDomain.MAPPING, is_retried=False),
    Fault.SCHEDULE_EXHAUSTED: Ruling(FaultDomain.PARTNER, is_retried=False),
}
FAULT_DOMAINS: Mapping[Fault, FaultDomain] = {fault: ruling.domain for fault, ruling in FAULTS.items()}


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


def failed(fault: Fault, detail: str = "", *, after: float | None = None) -> Retryable | Rejected:
    """The outcome of a try that met `fault`, as `FAULTS` rules."""
    ruling = FAULTS[fault]
    return Retryable(fault, detail, after, ruling.pauses) if ruling.is_retried else Rejected(fault, detail)


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


def next_step(outcome: Outcome, retries: int, jitter: float, steps: Sequence[float] = STEPS) -> Next:
    """The one table from an outcome to what becomes of a delivery that was tried in vain `retries` times before.

    | outcome | state | due again |
    |---|---|---|
    | delivered | delivered | - |
    | retryable, the transport is away | pending, not counted | at once: the relay itself waits |
    | retryable | pending | as the schedule `steps` or the destination says, whichever is later, within bounds |
    | retryable, the schedule has ended | dead, `schedule_exhausted` | - |
    | rejected | dead | - |
    """
    match outcome:
        case Delivered():
            return _DELIVERED
        case Retryable(Fault.TRANSPORT_AWAY as reason):
            return Next(state="pending", outcome="retryable", reason=reason, domain=FAULT_DOMAINS[reason], delay=0.0)
        case Retryable():
            return _retried(outcome, next_delay(retries, jitter, steps=steps))
        case Rejected():
            domain = FAULT_DOMAINS[outcome.reason] if isinstance(outcome.reason, Fault) else FaultDomain.MAPPING
            return Next(
                state="dead", outcome="rejected", reason=outcome.reason, detail=_cut(outcome.detail), domain=domain
            )
        case _:
            assert_never(outcome)


def tried_as(
    one: ClaimedDelivery,
    outcome: Outcome,
    jitter: float,
    *,
    begun_at: datetime,
    ended_at: datetime,
    steps: Sequence[float] = STEPS,
) -> Tried:
    """What a try of `one` is recorded as; its next message stays the same.

    It left the building, unless the transport was away.
    """
    step = next_step(outcome, one.retries, jitter, steps)
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
        detail = _cut(": ".join(filter(None, (outcome.reason.value, outcome.detail))))
        exhausted = Fault.SCHEDULE_EXHAUSTED
        return Next(state="dead", outcome="retryable", reason=exhausted, detail=detail, domain=domain, counts=True)
    later = max(delay, min(outcome.after or 0.0, LONGEST_AFTER))
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
