"""What a simulated brand has been sent, counted: once or more often, in the order of each job, without gaps."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gateway.simulation.letters import Trust

if TYPE_CHECKING:
    from gateway.simulation.letters import Letter

_TOLD = 20
_DISTRUSTED = (Trust.UNSIGNED, Trust.WRONG_TIME, Trust.WRONG_SIGNATURE)


class Place(StrEnum):
    """Where something taken stands in the order of its job."""

    IN_ORDER = "in_order"
    DUPLICATE = "duplicate"
    INVERSION = "inversion"
    GAP = "gap"


class Arrivals:
    """Only what the brand takes has a place in the order: what it turns away is to come again."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.troubles: list[str] = []
        self._ids: set[str] = set()
        self._last: dict[str, int] = {}

    def find_standing(self, job: str) -> int | None:
        """The newest version of a job that was taken."""
        return self._last.get(job)

    def take(self, letter: Letter) -> Place:
        """Counts what the brand takes, and says where it stands."""
        self.counts["taken"] += 1
        place = self._find_place(letter)
        self._ids.add(letter.id)
        if letter.version is not None:
            self._last[letter.job] = max(letter.version, self._last.get(letter.job, 0))
        if place is not Place.IN_ORDER:
            self.counts[place.value] += 1
        return place

    def distrust(self, trust: Trust, webhook_id: str) -> None:
        """Counts what was not signed as it should be, whether it was taken or not."""
        self.counts[trust.value] += 1
        self._tell(f"{webhook_id or 'a call without webhook-id'}: {trust.value}")

    def note(self, what: str, said: str) -> None:
        """Counts something else that should not have come: it stands in the summary, too."""
        self.counts[what] += 1
        self._tell(said)

    @property
    def is_well(self) -> bool:
        """Nothing was wrong. Duplicates are not: whoever delivers at least once sends some."""
        return not self.troubles

    def summary(self) -> dict[str, Any]:
        """As `/seen` shows it."""
        names = ("received", "taken", *(place.value for place in Place if place is not Place.IN_ORDER))
        wrong = {trust.value: self.counts[trust.value] for trust in _DISTRUSTED}
        more = {name: count for name, count in sorted(self.counts.items()) if name not in {*names, *wrong}}
        counted = {name: self.counts[name] for name in names}
        told = {"jobs": len(self._last), "well": self.is_well, "troubles": self.troubles}
        return {**counted, **wrong, **more, **told}

    def _find_place(self, letter: Letter) -> Place:
        if letter.id in self._ids:
            return Place.DUPLICATE
        if letter.version is None:
            return Place.IN_ORDER
        last = self._last.get(letter.job, 0)
        # A snapshot may say again what the last event said.
        if letter.version < last or (letter.version == last and letter.previous is not None):
            self._tell(f"{letter.job}: {letter.id} with version {letter.version} came after version {last}")
            return Place.INVERSION
        if letter.previous is not None and letter.previous != last:
            self._tell(f"{letter.job}: {letter.id} with version {letter.version} follows {letter.previous}, not {last}")
            return Place.GAP
        return Place.IN_ORDER

    def _tell(self, trouble: str) -> None:
        if len(self.troubles) < _TOLD:
            self.troubles.append(trouble)
