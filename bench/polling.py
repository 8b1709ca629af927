"""(f) `agent/out` with 100,000 messages waiting, held against the same with 100."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from bench.report import figure
from tests.outbound import Outbox, opened
from tests.polling import plain, queue_of

if TYPE_CHECKING:
    from bench.ground import Ground

FEW, MANY = 100, 100_000
ROUNDS, BATCH, AT_ONCE = 150, 10, 10_000
# As much as two runs of the same differ by.
GOAL = 1.25


class Waiting:
    """A poller of an account for whom a message of each of so many jobs waits."""

    def __init__(self, outbox: Outbox, account: Any) -> None:
        self.outbox, self.account = outbox, account
        self.queue = queue_of(outbox.database)

    async def add(self, *jobs: int) -> None:
        async with self.outbox.database.transaction() as connection:
            await self.outbox.append(*jobs, to=self.account, kind="job.completed", body=plain(1), connection=connection)

    async def fill(self, number: int) -> None:
        for first in range(1, number + 1, AT_ONCE):
            await self.add(*range(first, min(first + AT_ONCE, number + 1)))

    async def poll(self) -> float:
        """Seconds of one poll; what it took is acknowledged, and as much waits again."""
        begun = time.perf_counter()
        handed = await self.queue.hand_out([self.account], BATCH)
        took = time.perf_counter() - begun
        for one in handed:
            await self.queue.acknowledge([self.account], one.receipt, error=None)
        await self.add(*(one.event.job for one in handed))
        return took


async def _measure(*places: tuple[str, int]) -> list[list[float]]:
    """Milliseconds of polls at each of the places (database, how much waits), taken in turns."""
    async with AsyncExitStack() as stack:
        waiting = []
        for url, number in places:
            outbox = Outbox(await stack.enter_async_context(opened(url)))
            waiting.append(Waiting(outbox, await outbox.add_destination("feed.acme", kind="poll")))
            await waiting[-1].fill(number)
            # Connections and plans are there before anything is measured.
            await waiting[-1].poll()
        return list(map(list, zip(*[[1000 * await one.poll() for one in waiting] for _ in range(ROUNDS)], strict=True)))


def figures(base: Ground, *_: object) -> list[dict[str, Any]]:
    """Milliseconds of a poll for ten, and its ratio to that with little waiting."""
    with base.run() as few, base.run() as many:
        floor, ours = asyncio.run(_measure((few.database_url, FEW), (many.database_url, MANY)))
    cuts = statistics.quantiles(ours, n=100)
    p50, usual = statistics.median(ours), statistics.median(floor)
    latencies = {"p50_ms": cuts[49], "p95_ms": cuts[94], "p99_ms": cuts[98]}
    ratio = p50 / usual
    return [figure("agent_out", "ms", p50, floor=usual, ratio=ratio, **latencies, goal=GOAL, met=ratio <= GOAL)]
