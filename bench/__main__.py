"""The figures of the main road: throughput against the bare loop, latency, CPU, statements. See docs/performance.md."""

from __future__ import annotations

import argparse
import asyncio
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.table import Table

from bench import bare
from bench.ground import ACCOUNT, BRAND, PARTITIONS, cpu_seconds, ground
from bench.polling import write_agent_out
from bench.statements import count_statements
from bench.traffic import Watch, offer, send_burst, send_steadily
from gateway.telemetry import start_logging

if TYPE_CHECKING:
    from bench.ground import Ground, Run

ROLES = ("consume", "relay", "clock")
FEED = f"feed.{BRAND}.v1"
WARM = 500


async def _burst(run: Run, into: str, out: str, records: int, pids: dict[str, int]) -> dict[str, Any]:
    bodies = [offer(number, BRAND) for number in range(WARM + records)]
    watch = Watch(run, out)
    await watch.start(PARTITIONS)
    # The first records meet cold processes, empty tables and unknown providers: they are not counted.
    await send_burst(run, into, bodies[:WARM], PARTITIONS)
    await watch.until(WARM)
    before = cpu_seconds(pids)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    sending = asyncio.create_task(send_burst(run, into, bodies[WARM:], PARTITIONS))
    await watch.until(WARM + records)
    seconds = loop.time() - begun
    await sending
    used = {name: value - before[name] for name, value in cpu_seconds(pids).items()}
    await watch.close()
    per_1000 = {name: round(1000 * value / records, 3) for name, value in used.items()}
    return {"per_second": records / seconds, "cpu": per_1000}


def product_burst(base: Ground, records: int) -> dict[str, Any]:
    """(a) record in Kafka → its event in the feed, one process per role, default settings."""
    with base.run() as run:
        run.prepare()
        with run.processes(*(("gateway", "run", "--role", role) for role in ROLES)) as pids:
            return asyncio.run(_burst(run, f"offers.{ACCOUNT}.v1", FEED, records, pids))


def bare_burst(base: Ground, records: int) -> dict[str, Any]:
    """(b) the same road by the bare loop, one process per half."""
    with base.run() as run:
        run.make_topics(bare.IN, bare.OUT)
        asyncio.run(bare.make_tables(run.database_url))
        with run.processes(("bench.bare", "ingest"), ("bench.bare", "relay")) as pids:
            return asyncio.run(_burst(run, bare.IN, bare.OUT, records, pids))


def latency(base: Ground, records: int, per_second: int) -> dict[str, float]:
    """(c) from a record sent to its event readable in the feed."""
    with base.run() as run:
        run.prepare()
        with run.processes(*(("gateway", "run", "--role", role) for role in ROLES)):
            return asyncio.run(_latency(run, records, per_second))


async def _latency(run: Run, records: int, per_second: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    sent: dict[int, float] = {}
    took: list[float] = []

    def seen(value: bytes) -> None:
        number = int(orjson.loads(value)["data"]["job"]["external_id"].removeprefix("W-"))
        if number >= WARM:
            took.append(loop.time() - sent[number - WARM])

    watch = Watch(run, FEED, seen)
    await watch.start(PARTITIONS)
    bodies = [offer(number, BRAND) for number in range(WARM + records)]
    await send_burst(run, f"offers.{ACCOUNT}.v1", bodies[:WARM], PARTITIONS)
    await watch.until(WARM)
    sending = asyncio.create_task(send_steadily(run, f"offers.{ACCOUNT}.v1", bodies[WARM:], per_second, sent))
    await watch.until(WARM + records)
    await sending
    await watch.close()
    cuts = statistics.quantiles(took, n=100)
    return {"p50_ms": 1000 * cuts[49], "p95_ms": 1000 * cuts[94], "p99_ms": 1000 * cuts[98]}


def main() -> None:
    """Runs everything on servers of its own and leaves one JSON file per benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="alternating runs of the product and the bare loop")
    parser.add_argument("--records", type=int, default=20_000, help="records of one burst")
    parser.add_argument("--steady", type=int, default=3_000, help="records of the latency run, at 200 a second")
    asked = parser.parse_args()
    start_logging("warning")
    console = Console()
    with ground() as base:
        ours, floor = [], []
        for pair in range(asked.pairs):
            ours.append(product_burst(base, asked.records))
            floor.append(bare_burst(base, asked.records))
            console.print(
                f"pair {pair + 1}: product {ours[-1]['per_second']:,.0f}/s, bare {floor[-1]['per_second']:,.0f}/s; "
                f"CPU s per 1,000: {ours[-1]['cpu']} · {floor[-1]['cpu']}"
            )
        steady = latency(base, asked.steady, 200)
        counted = asyncio.run(count_statements(base))
        console.print(write_agent_out(base))
    _report(console, ours, floor, steady, counted)


def _report(
    console: Console,
    ours: list[dict[str, Any]],
    floor: list[dict[str, Any]],
    steady: dict[str, float],
    counted: dict[str, float],
) -> None:
    rate = statistics.median(one["per_second"] for one in ours)
    bare_rate = statistics.median(one["per_second"] for one in floor)
    ratio = statistics.median(one["per_second"] / other["per_second"] for one, other in zip(ours, floor, strict=True))
    cpu = statistics.median(sum(one["cpu"].values()) for one in ours)
    rows = [
        _row(
            "main_road", "records/s", rate, bare_rate, ratio, cpu_s_per_1000=round(cpu, 3), goal=3000, met=rate >= 3000
        ),
        _row("main_road_ratio", "ratio", ratio, None, ratio, goal=0.2, met=ratio >= 0.2),
        _row("main_road_cpu", "CPU s/1,000", cpu, None, None, cpu_s_per_1000=round(cpu, 3), goal=0.5, met=cpu <= 0.5),
        _row("latency_200", "ms", steady["p95_ms"], None, None, **steady, goal=60, met=steady["p95_ms"] <= 60),
        *(_row(name, "count", value, None, None) for name, value in counted.items()),
    ]
    folder = Path("var/bench")
    folder.mkdir(parents=True, exist_ok=True)
    table = Table("benchmark", "ours", "floor", "ratio", "goal", "met")
    for row in rows:
        (folder / f"{row['name']}.json").write_bytes(orjson.dumps(row, option=orjson.OPT_INDENT_2))
        table.add_row(*(_text(row[name]) for name in ("name", "ours", "floor", "ratio", "goal", "met")))
    console.print(table)
    console.print(
        f"latency at 200/s: p50 {steady['p50_ms']:.1f} · p95 {steady['p95_ms']:.1f} · p99 {steady['p99_ms']:.1f} ms"
    )


def _row(name: str, unit: str, ours: float, floor: float | None, ratio: float | None, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "cpu_s_per_1000", "goal", "met"))
    return {"name": name, "unit": unit, "ours": ours, "floor": floor, "ratio": ratio, **empty, **more}


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    main()
