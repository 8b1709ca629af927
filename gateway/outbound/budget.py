"""How much of a destination's limits is left: lanes at a time, and deliveries a second as a bucket of tokens. Pure.

Moments are seconds since 1970. The bucket stands in the destination's row, for all relays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.outbound import breaker as breakers
from gateway.outbound.breaker import Breaker

CONCURRENCY = 32
# Seconds' worth of tokens that a bucket holds, and that are worth waiting for while more is due than there are.
BURST = 1.0
_SIP = 0.05
# A moment further ahead was written before the clock was set back: nearer ones are other machines' clocks.
_SET_BACK = 60.0


class Bucket(NamedTuple):
    """Tokens at a moment. One is spent for each delivery that a claim covers."""

    tokens: float
    at: float


class Limits(NamedTuple):
    """What a destination's settings allow. `rate` is deliveries a second; None: as many as there are."""

    concurrency: int
    rate: float | None

    @property
    def burst(self) -> float:
        return max(1.0, (self.rate or 0.0) * BURST)


class Allowance(NamedTuple):
    """What one claim may take: `lanes` of a destination, and `deliveries` on them in all (None: no limit)."""

    lanes: int
    deliveries: int | None


def limits_of(settings: Mapping[str, Any]) -> Limits:
    """A destination's limits, with the usual concurrency where it has none of its own."""
    return Limits(int(settings.get("concurrency") or CONCURRENCY), settings.get("rate"))


def filled(limits: Limits, kept: Mapping[str, Any] | None, now: float) -> Bucket:
    """The bucket as it is now. One that was never used is full; a clock that goes back takes nothing.

    Where it was set back the bucket is as good as new: it would not fill before the clock is there again.
    """
    if kept is None or kept["at"] - now > _SET_BACK:
        return Bucket(limits.burst, now)
    since = max(0.0, now - kept["at"])
    return Bucket(min(limits.burst, kept["tokens"] + since * (limits.rate or 0.0)), max(now, kept["at"]))


def allowed(limits: Limits, breaker: Breaker, claimed: int, bucket: Bucket, now: float) -> Allowance:
    """What may be claimed while `claimed` lanes are under way, by whatever relays. While probing few deliveries."""
    free = max(0, breakers.lanes_at_once(breaker, limits.concurrency, now) - claimed)
    deliveries = None if limits.rate is None else int(bucket.tokens)
    if breaker.state == breakers.HALF_OPEN:
        deliveries = breakers.PROBES if deliveries is None else min(deliveries, breakers.PROBES)
    return Allowance(free if deliveries is None else min(free, deliveries), deliveries)


def tokens_in(limits: Limits, bucket: Bucket) -> float:
    """Seconds until a few more tokens are there: so many that claiming them is worth it, and one at least."""
    if limits.rate is None:
        return 0.0
    wanted = min(limits.burst, max(1.0, limits.rate * _SIP))
    return max(0.0, (wanted - bucket.tokens) / limits.rate)
