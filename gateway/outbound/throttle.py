"""Explains why a destination gets what it gets: allowed, used, waiting, and when it will have caught up. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.core.values import dataclass
from gateway.mapping.profile_roads import DestinationKind
from gateway.outbound import breaker as breakers
from gateway.outbound import budget
from gateway.store.backlogs import MEASURED, Backlog

# Kinds whose destinations have limits of their own.
LIMITED = frozenset({DestinationKind.WEBHOOK.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """`allowed` lanes at a time, of its `concurrency` at most, and `rate` deliveries a second; `tokens` are left now.

    `drains_in`: seconds until what is owed is delivered, if it goes on as it does; None where it does not go on,
    and while some of it is stuck.
    `failures` in a row, and when an open breaker is probed.
    """

    allowed: int | None
    concurrency: int | None
    rate: float | None
    tokens: float | None
    drains_in: float | None
    failures: int
    probed_at: datetime | None


def throttle_of(backlog: Backlog, now: datetime) -> Throttle:
    """What holds of a destination at `now`."""
    one, at = backlog.destination, now.timestamp()
    breaker = breakers.breaker_of(one.state, backlog.breaker)
    limits = budget.limits_of(one.settings)
    is_limited = one.kind in LIMITED
    rate = limits.rate if is_limited else None
    goes_on = one.state in {breakers.ACTIVE, breakers.HALF_OPEN} and not backlog.stuck
    return Throttle(
        allowed=breakers.lanes_at_once(breaker, limits.concurrency, at) if is_limited else None,
        concurrency=limits.concurrency if is_limited else None,
        rate=rate,
        tokens=round(budget.filled(limits, backlog.budget, at).tokens, 1) if rate is not None else None,
        drains_in=_drains_in(backlog, rate) if goes_on else None,
        failures=breaker.failures,
        probed_at=datetime.fromtimestamp(breaker.until, UTC) if breaker.state == breakers.OPEN else None,
    )


def _drains_in(backlog: Backlog, rate: float | None) -> float | None:
    """By the rate that is allowed, or else by what was delivered lately."""
    if not backlog.owed:
        return 0.0
    a_second = rate or backlog.recent / (MEASURED / timedelta(seconds=1))
    return round(backlog.owed / a_second, 1) if a_second else None
