"""What arrived, held against what was posted: lost, duplicates, inversions, and how long each was on its way."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Arrival(NamedTuple):
    """One webhook at the partner. `at` is in nanoseconds; `mark` is the sender's, rising within a job."""

    path: str
    at: int
    id: str
    job: str
    version: int
    mark: int


@dataclass(slots=True)
class Posted:
    """What a sender did, by mark: since when each counts, and when it was acknowledged (nanoseconds).

    `again`: how often it had to send one again.
    """

    since: dict[int, int] = field(default_factory=dict)
    acknowledged: dict[int, int] = field(default_factory=dict)
    again: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """`lost` were acknowledged and never arrived; `took` are the milliseconds of first arrivals, by their path."""

    lost: int
    duplicates: int
    inversions: int
    last_at: int
    took: Mapping[str, list[float]]

    @property
    def slowest_ms(self) -> float:
        return max(max(each) for each in self.took.values())

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicates or self.inversions)

    def __repr__(self) -> str:
        return f"lost {self.lost}, duplicates {self.duplicates}, inversions {self.inversions}"


def judge(arrivals: Iterable[Arrival], posted: Posted) -> Verdict:
    """An arrival whose id came before at its path is a duplicate, and counts for nothing else.

    An inversion is a first arrival whose version, or whose mark, is not above every one of its job that came before it.
    """
    seen: set[tuple[str, str]] = set()
    newest: dict[tuple[str, str], tuple[int, int]] = {}
    took: dict[str, list[float]] = {}
    arrived: set[int] = set()
    duplicates = inversions = last_at = 0
    for one in sorted(arrivals, key=lambda each: each.at):
        if (one.path, one.id) in seen:
            duplicates += 1
            continue
        seen.add((one.path, one.id))
        version, mark = newest.get((one.path, one.job), (-1, -1))
        inversions += one.version <= version or one.mark <= mark
        newest[one.path, one.job] = max(version, one.version), max(mark, one.mark)
        arrived.add(one.mark)
        last_at = one.at
        took.setdefault(one.path, []).append((one.at - posted.since[one.mark]) / 1e6)
    return Verdict(len(posted.acknowledged.keys() - arrived), duplicates, inversions, last_at, took)


def cuts(took: list[float]) -> dict[str, float]:
    """The percentiles that a figure tells."""
    at = statistics.quantiles(took, n=100)
    return {"p50_ms": at[49], "p95_ms": at[94], "p99_ms": at[98]}
