"""How often something happened this minute, by name. How many names are remembered is bounded, whatever is sent."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_NAMES = 10_000
_SECONDS = 60


class PerMinute:
    """Counts by name, and begins anew with every minute of `seconds`, a clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._minute = 0
        self._counted: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """One more. What comes when there are too many names is not counted."""
        counted = self._of_this_minute()
        if name in counted or len(counted) < MOST_NAMES:
            counted[name] += 1

    def count(self, name: str) -> int:
        """How many there were this minute."""
        return self._of_this_minute()[name]

    def seconds_left(self) -> int:
        """How long this minute lasts yet: one at least."""
        return _SECONDS - int(self._seconds() % _SECONDS)

    def _of_this_minute(self) -> Counter[str]:
        minute = int(self._seconds() // _SECONDS)
        if minute != self._minute:
            self._minute = minute
            self._counted.clear()
        return self._counted
