"""The figures of delivery by webhook: from `POST /v1/offers` to a partner that answers after 2 ms."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any

from bench.delivery_ground import APART, TOGETHER, hook_of, staged
from bench.ground import BRAND
from bench.judging import cuts, judge
from bench.posting import brand_of, plan, post_all
from bench.report import figure

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from rich.console import Console

    from bench.delivery_ground import Stage
    from bench.ground import Ground
    from bench.judging import Verdict

PER_SECOND = 200
GOALS = {"per_second": 1500, "cpu": 1.3, "p95_ms": 10.0, "p99_ms": 25.0, "backlog": 3000}


def figures(base: Ground, console: Console, rounds: int, records: int, steady: int) -> list[dict[str, Any]]:
    """Full speed with edge and relay apart and in one process, 200 a second, and the drain of a backlog."""
    bursts: dict[str, list[dict[str, Any]]] = {"delivery_burst": [], "delivery_burst_together": []}
    for _ in range(rounds):
        for (name, runs), roles in zip(bursts.items(), (APART, TOGETHER), strict=True):
            runs.append(burst(base, records, roles))
            console.print(f"{name}: {runs[-1]['per_second']:,.0f}/s", told(runs[-1]))
    quiet = {}
    for name, roles in (("delivery_200", APART), ("delivery_200_together", TOGETHER)):
        quiet[name] = steadily(base, steady, roles)
        console.print(f"{name}:", told(quiet[name]))
    drains = [backlog(base, records) for _ in range(rounds)]
    console.print("delivery_backlog:", *(f"{one['per_second']:,.0f}/s {told(one)}" for one in drains))
    made = [one for name, runs in bursts.items() for one in _of_bursts(name, runs)]
    made += [_of_times(name, run) for name, run in quiet.items()]
    return [*made, *_of_rates("delivery_backlog", drains, GOALS["backlog"])]


def _of_times(name: str, run: dict[str, Any]) -> dict[str, Any]:
    met = run["p95_ms"] <= GOALS["p95_ms"] and run["p99_ms"] <= GOALS["p99_ms"] and run["verdict"].is_clean
    percentiles = {cut: run[cut] for cut in ("p50_ms", "p95_ms", "p99_ms")}
    return figure(name, "ms", run["p95_ms"], **percentiles, cpu_s_per_1000=run["cpu"], goal=GOALS["p95_ms"], met=met)


def told(run: dict[str, Any]) -> str:
    """What became of a run, in a line."""
    numbers = {
        name: round(run[name], 2) for name in ("cpu", "partner_cpu", "p50_ms", "p95_ms", "p99_ms") if name in run
    }
    return f"{run['verdict']}; {numbers}"


def _of_rates(name: str, runs: list[dict[str, Any]], goal: float) -> list[dict[str, Any]]:
    rate = statistics.median(one["per_second"] for one in runs)
    cpu = round(statistics.median(one["cpu"] for one in runs), 3)
    clean = all(one["verdict"].is_clean for one in runs)
    counts: dict[str, Any] = summed(one["verdict"] for one in runs)
    counts["partner_cpu_s_per_1000"] = round(statistics.median(one["partner_cpu"] for one in runs), 3)
    return [figure(name, "deliveries/s", rate, cpu_s_per_1000=cpu, goal=goal, met=clean and rate >= goal, **counts)]


def summed(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """What went wrong in all runs together."""
    verdicts = list(verdicts)
    return {name: sum(getattr(one, name) for one in verdicts) for name in ("lost", "duplicates", "inversions")}


def _of_bursts(name: str, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = _of_rates(name, runs, GOALS["per_second"])
    cpu, goal = made[0]["cpu_s_per_1000"], GOALS["cpu"]
    return [*made, figure(f"{name}_cpu", "CPU s/1,000", cpu, cpu_s_per_1000=cpu, goal=goal, met=cpu <= goal)]


def burst(base: Ground, records: int, roles: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """Everything at once: a second and CPU seconds per 1,000, from the first POST to the last arrival."""
    with staged(base, {BRAND: "/ok"}, roles) as stage:
        stage.crew.start()
        return asyncio.run(_burst(stage, records))


async def _burst(stage: Stage, records: int) -> dict[str, Any]:
    lines = plan(range(records), stage.brands, stage.token, name="burst")
    await stage.warm()
    before, begun = stage.cpu(), time.monotonic_ns()
    posted = await post_all(stage.port, lines)
    await stage.partner.until(records)
    used = stage.cpu()
    verdict = judge(await stage.partner.arrivals(), posted)
    return _rated(verdict, records, verdict.last_at - begun, before, used)


def _rated(
    verdict: Verdict, records: int, took: int, before: tuple[float, float], after: tuple[float, float]
) -> dict[str, Any]:
    ours, partner = (1000 * (late - early) / records for early, late in zip(before, after, strict=True))
    return {"per_second": 1e9 * records / took, "cpu": ours, "partner_cpu": partner, "verdict": verdict}


def steadily(base: Ground, records: int, roles: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """At 200 a second: from the moment when each was due to its arrival, and CPU seconds per 1,000."""
    with staged(base, {BRAND: "/ok"}, roles) as stage:
        stage.crew.start()
        return asyncio.run(_steadily(stage, records))


async def _steadily(stage: Stage, records: int) -> dict[str, Any]:
    await stage.warm()
    before, _ = stage.cpu()
    seen = timed(await post_steadily(stage, records))
    after, _ = stage.cpu()
    return {**seen, "cpu": round(1000 * (after - before) / records, 3)}


async def post_steadily(stage: Stage, records: int, *, name: str = "steady", first: int = 0) -> Verdict:
    """Posts 200 a second, the first of them under the mark `first`, and waits for those that can arrive."""
    marks = range(first, first + records)
    posted = await post_all(stage.port, plan(marks, stage.brands, stage.token, name=name, per_second=PER_SECOND))
    await stage.partner.until(stage.arriving(records))
    for mark in marks:
        if not stage.paths[brand_of(mark - first, stage.brands)].startswith("/ok"):
            del posted.acknowledged[mark]
    return judge(await stage.partner.arrivals(), posted)


def timed(verdict: Verdict, paths: Collection[str] | None = None) -> dict[str, Any]:
    """The verdict with the percentiles of what arrived at `paths`, by default anywhere."""
    return {"verdict": verdict, **cuts([each for path in paths or verdict.took for each in verdict.took[path]])}


def backlog(base: Ground, records: int) -> dict[str, Any]:
    """How fast goes what gathered while the destination was paused, from the first arrival to the last."""
    with staged(base, {BRAND: "/ok"}) as stage:
        stage.crew.start()
        return asyncio.run(_backlog(stage, records))


async def _backlog(stage: Stage, records: int) -> dict[str, Any]:
    await stage.warm()
    hook = hook_of(BRAND)
    await asyncio.to_thread(stage.run.command, "destinations", "pause", hook, "--reason", "bench")
    posted = await post_all(stage.port, plan(range(records), stage.brands, stage.token, name="backlog"))
    before = stage.cpu()
    await asyncio.to_thread(stage.run.command, "destinations", "resume", hook, "--reason", "bench")
    await stage.partner.until(records)
    used = stage.cpu()
    arrivals = await stage.partner.arrivals()
    verdict = judge(arrivals, posted)
    return _rated(verdict, records, verdict.last_at - arrivals[0].at, before, used)
