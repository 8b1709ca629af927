"""A million deliveries owed to one destination that takes none: what others notice, the relay's memory, the drain."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from bench.delivery import post_steadily, timed
from bench.delivery_ground import hook_of, staged
from bench.ground import BRAND
from bench.judging import Posted, judge
from bench.posting import Post, offer, plan, post_all
from bench.report import figure
from gateway.outbound.bulkheads import take
from gateway.store.database import Database
from gateway.store.standings import lock_due

if TYPE_CHECKING:
    from rich.console import Console

    from bench.delivery_ground import Stage
    from bench.ground import Ground

DOWN = "bench-down"
OWED, PER_JOB = 1_000_000, 10
QUIET, CLAIMED, CLAIMS = 2_000, 200, 100
DRAIN_SECONDS = 10.0
FAR = 10**12
# A claim may differ as two runs of the same do; what the relay may need more of memory is a few claims' worth.
LARGEST_RATIO, MOST_MIB = 1.25, 128.0

# Of one event that the gateway made, and its delivery: so many jobs' worth, as if nobody had taken any.
_MAKE = (
    """
    CREATE TEMPORARY TABLE made AS
    SELECT n, $1::bigint + n AS number, $1::bigint + n / $2::int AS job, (n % $2::int + 1)::int AS version
    FROM generate_series(0, $3::int - 1) AS n
    """,
    """
    INSERT INTO event (number, type, job, source, position, jobversion, brand, profile_version, occurred_at,
        recorded_at, recipients, body)
    SELECT made.number, type, made.job, source, made.version, made.version, brand, profile_version, occurred_at,
        recorded_at, 1, body
    FROM made, event WHERE event.number = $1
    """,
    """
    INSERT INTO delivery (number, event, destination, lane, position, previous, state, claims, attempts, retries, part,
        created_at)
    SELECT made.number, made.number, $1, made.job, made.version, made.version - 1, 'pending', 0, 0, 0, 0, now()
    FROM made
    """,
    """
    INSERT INTO lane (destination, key, owed, rank, due_at)
    SELECT $1, job, count(*), 0, now() FROM made GROUP BY job
    """,
)
_TEMPLATE = "SELECT max(event) FROM delivery WHERE destination = $1"


def figures(base: Ground, console: Console, *_: int) -> list[dict[str, Any]]:
    """Claims and latency of a destination beside one that is owed a million, and beside one that is owed nothing."""
    with staged(base, {BRAND: "/ok/well", DOWN: "/ok/down"}) as stage:
        told = asyncio.run(_measure(stage))
    console.print("delivery_owed:", told)
    before, after = told["before"], told["after"]
    ratio = after["claim_ms"] / before["claim_ms"]
    more = told["drained_mib"] - before["mib"]
    latencies = {name: after[name] for name in ("p50_ms", "p95_ms", "p99_ms")}
    ordered = not told["inversions"]
    return [
        figure(
            "delivery_owed_claim",
            "ms",
            after["claim_ms"],
            floor=before["claim_ms"],
            ratio=ratio,
            goal=LARGEST_RATIO,
            met=ratio <= LARGEST_RATIO,
        ),
        figure("delivery_owed_others", "ms", after["p95_ms"], floor=before["p95_ms"], **latencies),
        figure("delivery_owed_memory", "MiB", more, floor=before["mib"], goal=MOST_MIB, met=more <= MOST_MIB),
        figure("delivery_owed_drain", "deliveries/s", told["per_second"], goal=ordered, met=ordered),
    ]


async def _measure(stage: Stage) -> dict[str, Any]:
    stage.crew.start()
    await stage.warm()
    before = await _of_the_other(stage, 0)
    await _say(stage, "pause")
    await post_all(stage.port, [[Post(0, offer(0, 1, "owed", 0, DOWN, stage.token))]])
    await _make_owed(stage)
    after = await _of_the_other(stage, 1)
    await _say(stage, "resume")
    begun = time.monotonic_ns()
    await asyncio.sleep(DRAIN_SECONDS)
    mib = _mib(stage)
    drained = [one for one in await stage.partner.arrivals() if one.path == "/ok/down" and one.at > begun]
    # Their marks are all the same: the versions alone tell their order.
    by_version = [one._replace(mark=one.version) for one in drained]
    verdict = judge(by_version, Posted(dict.fromkeys(range(PER_JOB + 1), begun)))
    rate = len(drained) / DRAIN_SECONDS
    return {
        "before": before,
        "after": after,
        "drained_mib": mib,
        "per_second": rate,
        "inversions": verdict.inversions,
        "duplicates": verdict.duplicates,
    }


async def _of_the_other(stage: Stage, nth: int) -> dict[str, Any]:
    """Its latency at 200 a second, what a claim of as many lanes as it allows takes, and the memory of the relay."""
    first = FAR + nth * (QUIET + CLAIMED)
    well = replace(stage, paths={BRAND: stage.paths[BRAND]})
    verdict = await post_steadily(well, QUIET, name=f"quiet-{nth}", first=first)
    mib = _mib(stage)
    await asyncio.to_thread(stage.crew.stop, "relay")
    marks = range(first + QUIET, first + QUIET + CLAIMED)
    await post_all(stage.port, plan(marks, well.brands, stage.token, name=f"claimed-{nth}"))
    claim_ms = await _claim(stage)
    await asyncio.to_thread(stage.crew.start, "relay")
    await stage.partner.until(QUIET + CLAIMED)
    await stage.partner.forget()
    return {**timed(verdict), "claim_ms": claim_ms, "mib": mib}


async def _claim(stage: Stage) -> float:
    """Milliseconds of finding what is due and claiming it, the middle of many; each is undone."""
    took = []
    database = Database(stage.run.database_url)
    try:
        for _ in range(CLAIMS):
            with contextlib.suppress(_Undone):
                async with database.transaction() as connection:
                    now = await database.now(connection)
                    begun = time.perf_counter()
                    due = await lock_due(connection, "webhook", now)
                    taken = await take(connection, due, now=now, lease=timedelta(seconds=30), lanes=CLAIMED)
                    took.append(1000 * (time.perf_counter() - begun))
                    if not taken.claim.lanes:
                        raise RuntimeError("no lane was due")
                    raise _Undone
    finally:
        await database.close()
    return statistics.median(took)


async def _make_owed(stage: Stage) -> None:
    connection = await asyncpg.connect(stage.run.database_url.replace("+asyncpg", ""))
    try:
        number = await connection.fetchval("SELECT number FROM destination WHERE name = $1", hook_of(DOWN))
        template = await connection.fetchval(_TEMPLATE, number)
        for statement, parameters in zip(_MAKE, ((FAR, PER_JOB, OWED), (template,), (number,), (number,)), strict=True):
            await connection.execute(statement, *parameters)
        # What the server does by itself within minutes, so that it does not do so while something is measured.
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _say(stage: Stage, verb: str) -> None:
    await asyncio.to_thread(stage.run.command, "destinations", verb, hook_of(DOWN), "--reason", "bench")


def _mib(stage: Stage) -> float:
    """The most that the relay ever needed."""
    status = Path(f"/proc/{stage.crew.pids['relay']}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


class _Undone(Exception):
    """Ends a transaction without what was done in it."""
