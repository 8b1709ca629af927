"""When a delivery that failed is tried again: seconds at first, then hours, for more than eight days. Pure."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MINUTE = 60.0
_HOUR = 3600.0

# Seconds to wait after the first, second, ... failed try.
STEPS: tuple[float, ...] = tuple(
    chain(
        (2.0, 5.0, 10.0, 20.0, 40.0),
        (2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, 40 * _MINUTE),
        (_HOUR, 2 * _HOUR, 4 * _HOUR),
        repeat(8 * _HOUR, 24),
    )
)

# Jitter adds at most this part of a step, so that what failed together does not come back together.
LARGEST_JITTER = 0.2

# Whatever a destination asks for, it is tried again after so many seconds at the latest.
LONGEST_AFTER = 24 * _HOUR


def steps_of(settings: Mapping[str, Any]) -> Sequence[float]:
    """A destination's own schedule, where its settings have one."""
    steps: Sequence[float] = settings.get("schedule") or STEPS
    return steps


def next_delay(retries: int, jitter: float, *, steps: Sequence[float] = STEPS) -> float | None:
    """Seconds until the next try of a delivery tried in vain `retries` times before this one; None: give it up.

    `jitter` is from 0 to 1 and only ever adds, so that a delivery is tried for at least the sum of `steps`.
    """
    if retries >= len(steps):
        return None
    step = steps[retries]
    return step + step * LARGEST_JITTER * jitter
