"""Keeps destinations apart: what each may take of a claim, and what its answers do to its breaker.

Everything is decided under the locks of the destinations' rows, so that any number of relays keep one limit.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.values import replace
from gateway.outbound import breaker as breakers
from gateway.outbound import budget
from gateway.outbound.breaker import Breaker, breaker_of
from gateway.outbound.budget import Bucket, limits_of
from gateway.outbound.outcome import Fault, FaultDomain
from gateway.store.claims import Turn, claim_allowed
from gateway.store.destinations import REMOVED
from gateway.store.standings import Pause, count_claimed, lock_standings, save_standings, write_pauses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from gateway.store.claims import Claim
    from gateway.store.database import Transaction
    from gateway.store.recording import Tried
    from gateway.store.standings import Standing

# Fault domains in which a failure speaks against the destination, and not of one document.
_OF_THE_DESTINATION = frozenset({FaultDomain.TRANSPORT, FaultDomain.PARTNER})
_OF_THE_DOCUMENT = frozenset({FaultDomain.PARTNER, FaultDomain.CONTRACT, FaultDomain.BUSINESS})


class Taken(NamedTuple):
    """A claim; the destinations of which more may be due than they were allowed, and in how many seconds one of them
    is allowed more by itself (None: it is not).
    """

    claim: Claim
    pressed: frozenset[int]
    again_in: float | None
    unclean: frozenset[int]


class _Open(NamedTuple):
    """A destination with something due, as a claim finds it."""

    standing: Standing
    breaker: Breaker
    limits: budget.Limits
    bucket: Bucket
    allowance: budget.Allowance


async def take(
    connection: Transaction, due: Sequence[Standing], *, now: datetime, lease: timedelta, lanes: int
) -> Taken:
    """Claims of the destinations `due`, whose rows are locked, what each is allowed, and spends its budget.

    The number of statements is constant; one without a rate, and without a change of its breaker, is not written.
    """
    claimed = await count_claimed(connection, [one.number for one in due], now) if due else {}
    found = [_as_found(one, claimed[one.number], now.timestamp()) for one in due]
    turns = [Turn(one.standing.destination, *one.allowance) for one in found if one.allowance.lanes]
    # So that, while several have more than fits into a claim, each comes first now and then.
    random.shuffle(turns)
    taken = await claim_allowed(connection, turns, now=now, lease=lease, lanes=lanes)
    counts = Counter(lane.destination.number for lane in taken.lanes)
    covered = Counter(one.destination for lane in taken.lanes for one in lane.deliveries)
    await save_standings(connection, [one for each in found for one in _spent(each, covered)], now)
    pressed = [one for one in found if counts[one.standing.number] >= one.allowance.lanes]
    return Taken(
        taken,
        frozenset(one.standing.number for one in pressed),
        min(filter(None, (_again_in(one, covered, now.timestamp()) for one in pressed)), default=None),
        frozenset(one.standing.number for one in found if not breakers.is_clean(one.breaker)),
    )


def rooms(standings: Iterable[Standing], now: datetime) -> dict[int, int]:
    """How many lanes at a time the destinations take that nothing else hampers: no breaker, no ramp, no rate."""
    found = (_as_found(one, 0, now.timestamp()) for one in standings)
    return {
        one.standing.number: one.limits.concurrency
        for one in found
        if breakers.is_clean(one.breaker) and one.allowance == (one.limits.concurrency, None)
    }


def _as_found(standing: Standing, claimed: int, now: float) -> _Open:
    breaker = breakers.at_claim(breaker_of(standing.state, standing.breaker), now)
    limits = limits_of(standing.destination.settings)
    bucket = budget.filled(limits, standing.budget, now)
    return _Open(standing, breaker, limits, bucket, budget.allowed(limits, breaker, claimed, bucket, now))


def _spent(one: _Open, covered: Mapping[int, int]) -> list[Standing]:
    """The standing to write after a claim, if there is one."""
    standing, spent = one.standing, covered.get(one.standing.number, 0)
    moved = standing
    if one.limits.rate is not None and spent:
        left = one.bucket._replace(tokens=one.bucket.tokens - spent)
        moved = replace(moved, budget={"tokens": round(left.tokens, 3), "at": left.at})
    if one.breaker.state != standing.state:
        moved = replace(moved, state=one.breaker.state, breaker=one.breaker.kept())
    return [] if moved is standing else [moved]


def _again_in(one: _Open, covered: Mapping[int, int], now: float) -> float | None:
    """Seconds until it is allowed more, if that comes by itself."""
    left = one.bucket._replace(tokens=one.bucket.tokens - covered.get(one.standing.number, 0))
    waits = [budget.tokens_in(one.limits, left), breakers.wider_in(one.breaker, one.limits.concurrency, now)]
    return min((seconds for seconds in waits if seconds > 0), default=None)


class Signs(NamedTuple):
    """What one lane's tries say of its destination. `gone`: why it wants nothing more."""

    destination: int
    succeeded: tuple[bool, ...]
    gone: str | None


def signs_of(destination: int, tried: Sequence[Tried], gone: str | None) -> Signs:
    """An answer about one document says that its destination is there; what never left says nothing."""
    told = (_sign(one) for one in tried)
    return Signs(destination, tuple(sign for sign in told if sign is not None), gone)


def _sign(tried: Tried) -> bool | None:
    if tried.state == "delivered":
        return True
    # What is too large may have been refused before it left.
    if not tried.attempted or tried.reason == Fault.TOO_LARGE:
        return None
    if tried.outcome == "rejected":
        return True if tried.fault_domain in _OF_THE_DOCUMENT else None
    return False if tried.fault_domain in _OF_THE_DESTINATION else None


async def learn(
    connection: Transaction, signs: Sequence[Signs], unclean: Collection[int], jitter: float, now: datetime
) -> list[Standing]:
    """Moves the breakers of destinations by what their lanes came to, in the transaction that records it.

    Nothing is read or written of those on whose clean breakers there were only successes. Returns what was moved.
    """
    by_number = defaultdict(list)
    for one in signs:
        by_number[one.destination].append(one)
    told = {
        number: every
        for number, every in by_number.items()
        if number in unclean or any(one.gone is not None or not all(one.succeeded) for one in every)
    }
    if not told:
        return []
    standings = await lock_standings(connection, told)
    moved = [_learned(standings[number], every, jitter, now.timestamp()) for number, every in told.items()]
    changed = [one for one in moved if one != standings[one.number]]
    await save_standings(connection, changed, now)
    gone = [one for one in changed if one.state == "paused"]
    await write_pauses(connection, [Pause(one.number, one.reason or "") for one in gone], now)
    return [one for one in changed if one.state != standings[one.number].state]


def _learned(standing: Standing, signs: Sequence[Signs], jitter: float, now: float) -> Standing:
    if standing.state in {"paused", REMOVED}:
        return standing
    gone = next((one.gone for one in signs if one.gone is not None), None)
    if gone is not None:
        return replace(standing, state="paused", reason=gone, breaker=None)
    breaker = before = breaker_of(standing.state, standing.breaker)
    for one in signs:
        for succeeded in one.succeeded:
            breaker = breakers.after(breaker, succeeded=succeeded, now=now, jitter=jitter)
    if breaker == before:
        return standing
    reason = f"{breaker.failures} failures in a row" if breaker.state != breakers.ACTIVE else None
    return replace(standing, state=breaker.state, reason=reason, breaker=breaker.kept())
