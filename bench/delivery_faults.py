"""The figures of delivery when things go wrong: bad neighbours, and processes that are killed."""

from __future__ import annotations

import asyncio
import itertools
import statistics
from typing import TYPE_CHECKING, Any

from bench.delivery import post_steadily, summed, timed
from bench.delivery_ground import APART, TOGETHER, staged
from bench.ground import BRAND
from bench.judging import judge
from bench.posting import plan, post_all
from bench.report import figure

if TYPE_CHECKING:
    from rich.console import Console

    from bench.delivery_ground import Stage
    from bench.ground import Ground
    from bench.judging import Verdict

BRANDS = tuple(f"bench-{nth}" for nth in range(10))
HEALTHY = {brand: f"/ok/{brand}" for brand in BRANDS}
# One never answers, one answers 500; the other eight are as before.
WITH_TWO_BAD = {**HEALTHY, BRANDS[3]: "/hang", BRANDS[7]: "/500"}
DOWN_SECONDS = 1.0
# The p95 of the others may grow by a quarter, and by so many milliseconds.
LARGEST_RATIO, MOST_MORE = 1.25, 10.0


def bulkheads(base: Ground, console: Console, rounds: int, _: int, steady: int) -> list[dict[str, Any]]:
    """p95 of eight destinations beside a hanging and a failing one, against that beside two healthy ones."""
    pairs = []
    for _nth in range(rounds):
        pairs.append((beside(base, steady, HEALTHY), beside(base, steady, WITH_TWO_BAD)))
        console.print("delivery_bulkhead:", " · ".join(f"{one['p95_ms']:.1f} ms {one['verdict']}" for one in pairs[-1]))
    usual, ours = (statistics.median(one["p95_ms"] for one in runs) for runs in zip(*pairs, strict=True))
    ratio = statistics.median(bad["p95_ms"] / good["p95_ms"] for good, bad in pairs)
    clean = all(one["verdict"].is_clean for pair in pairs for one in pair)
    met = clean and ratio <= LARGEST_RATIO and ours - usual <= MOST_MORE
    middle = {name: statistics.median(bad[name] for _, bad in pairs) for name in ("p50_ms", "p95_ms", "p99_ms")}
    return [figure("delivery_bulkhead", "ms", ours, floor=usual, ratio=ratio, **middle, goal=LARGEST_RATIO, met=met)]


def beside(base: Ground, records: int, paths: dict[str, str]) -> dict[str, Any]:
    """At 200 a second over ten destinations, of those eight that are well in both kinds of run."""
    bad = {BRANDS[3], BRANDS[7]}
    with staged(base, paths) as stage:
        stage.crew.start()
        return asyncio.run(_beside(stage, records, {paths[brand] for brand in BRANDS if brand not in bad}))


async def _beside(stage: Stage, records: int, counted: set[str]) -> dict[str, Any]:
    await stage.warm()
    return timed(await post_steadily(stage, records), counted)


def crash(base: Ground, console: Console, rounds: int, records: int, _: int) -> list[dict[str, Any]]:
    """A burst in whose middle every process of the gateway is killed, and started again a second later.

    Edge and relay are processes of their own, and in every second run one.
    """
    runs = []
    for _nth, roles in zip(range(rounds), itertools.cycle((APART, TOGETHER)), strict=False):
        with staged(base, {BRAND: "/ok"}, roles) as stage:
            stage.crew.start()
            runs.append(asyncio.run(_crash(stage, records)))
        console.print(f"delivery_crash: {runs[-1]}, slowest {runs[-1].slowest_ms:,.0f} ms")
    counts = summed(runs)
    slowest = max(one.slowest_ms for one in runs)
    met = not counts["lost"] and not counts["inversions"]
    return [figure("delivery_crash", "lost", counts["lost"], goal=0, met=met, slowest_ms=slowest, **counts)]


async def _crash(stage: Stage, records: int) -> Verdict:
    await stage.warm()
    half = asyncio.Event()
    lines = plan(range(records), stage.brands, stage.token, name="crash")
    sending = asyncio.create_task(
        post_all(stage.port, lines, on_acknowledged=lambda count: half.set() if 2 * count >= records else None)
    )
    await half.wait()
    stage.crew.kill()
    await asyncio.sleep(DOWN_SECONDS)
    await asyncio.to_thread(stage.crew.start)
    posted = await sending
    await stage.partner.until(records)
    return judge(await stage.partner.arrivals(), posted)
