"""A destination's breaker: when it opens, how it is probed, how what was kept back comes again. Pure.

Moments are seconds since 1970. What is kept of it stands in the destination's row, for all relays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.values import dataclass, replace

ACTIVE, OPEN, HALF_OPEN = "active", "open", "half_open"

# Failures in a row that open it, and deliveries in a row that close it again.
FAILURES = 10
PROBES = 3
# Seconds for which it stays open: the first time, and the longest that doubling comes to.
FIRST_PAUSE = 15.0
LONGEST_PAUSE = 300.0
# Jitter adds at most this part, so that what failed together is not probed together.
LARGEST_JITTER = 0.2
_LONGEST_OPEN = LONGEST_PAUSE * (1 + LARGEST_JITTER)
# Lanes at a time after it closed, doubled each second.
FIRST_LANES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """`failures` and `successes` are in a row; `openings` since it last was closed. `until`: when it may be probed.

    `closed_at`: when the ramp began; 0 for never.
    """

    state: str = ACTIVE
    failures: int = 0
    successes: int = 0
    openings: int = 0
    until: float = 0.0
    closed_at: float = 0.0

    def kept(self) -> dict[str, float] | None:
        """What is kept of it besides its state; nothing where there is nothing to know."""
        members = {name: getattr(self, name) for name in _MEMBERS}
        return {name: value for name, value in members.items() if value} or None


_MEMBERS = ("failures", "successes", "openings", "until", "closed_at")


def breaker_of(state: str, kept: Mapping[str, Any] | None) -> Breaker:
    """The breaker of a destination's row."""
    return Breaker(state=state, **{name: kept[name] for name in _MEMBERS if name in kept} if kept else {})


def after(breaker: Breaker, *, succeeded: bool, now: float, jitter: float) -> Breaker:
    """The breaker after a try; what was begun before it opened changes nothing while it is open."""
    match breaker.state, succeeded:
        case "active", True:
            return replace(breaker, failures=0) if breaker.failures else breaker
        case "active", False:
            failed = replace(breaker, failures=breaker.failures + 1)
            return failed if failed.failures < FAILURES else _opened(failed, now, jitter)
        case "half_open", True:
            successes = breaker.successes + 1
            return replace(breaker, successes=successes) if successes < PROBES else resumed(now)
        case "half_open", False:
            return _opened(replace(breaker, failures=breaker.failures + 1), now, jitter)
        case _:
            return breaker


def resumed(now: float) -> Breaker:
    """A breaker that has just closed: what waited comes in a ramp."""
    return Breaker(closed_at=now)


def at_claim(breaker: Breaker, now: float) -> Breaker:
    """The breaker as whoever claims finds it: an open one whose time has come is probed.

    So is one that would stay open for longer than there is: the clock was set back.
    """
    if breaker.state == OPEN and not now < breaker.until <= now + _LONGEST_OPEN:
        return replace(breaker, state=HALF_OPEN, successes=0)
    return breaker


def lanes_at_once(breaker: Breaker, concurrency: int, now: float) -> int:
    """How many lanes may be sent to at a time."""
    match breaker.state:
        case "active":
            return min(concurrency, _ramp(breaker, now))
        case "half_open":
            return 1
        case _:
            return 0


def is_clean(breaker: Breaker) -> bool:
    """Whether a success would change nothing."""
    return breaker.state == ACTIVE and not breaker.failures


def wider_in(breaker: Breaker, concurrency: int, now: float) -> float:
    """Seconds until it lets more through by itself: until it is probed, or the next step of its ramp; 0 where never."""
    if breaker.state == OPEN:
        return max(0.0, breaker.until - now)
    if breaker.state == HALF_OPEN or lanes_at_once(breaker, concurrency, now) == concurrency:
        return 0.0
    return 1.0 - abs(now - breaker.closed_at) % 1.0


def _ramp(breaker: Breaker, now: float) -> int:
    # A ramp that lies ahead began before the clock was set back, and is over.
    steps = int(abs(now - breaker.closed_at))
    return FIRST_LANES << min(steps, 30)


def _opened(breaker: Breaker, now: float, jitter: float) -> Breaker:
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(breaker.openings, 10))
    until = now + pause * (1 + LARGEST_JITTER * jitter)
    return replace(breaker, state=OPEN, successes=0, openings=breaker.openings + 1, until=until)
