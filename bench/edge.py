"""The figures of the HTTP edge: requests of one record and of a hundred, until what they carry is durable."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import statistics
from typing import TYPE_CHECKING, Any

import orjson

from bench.ground import ACCOUNT, BRAND, cpu_seconds
from bench.http_load import request, send_at_a_rate, send_at_full_speed
from bench.report import figure
from bench.traffic import offer
from gateway.children import free_port
from gateway.store.database import Database
from tests.eventually import eventually
from tests.keys import SEALING_KEY, make_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from bench.ground import Ground

CONNECTIONS = 32
PER_SECOND = 200
BATCH = 100
WARM = 320
GOALS = {"per_second": 1500, "cpu": 1.0, "p95_ms": 7.0, "batched": 3000}


def figures(base: Ground, console: Console, rounds: int, records: int, steady: int) -> list[dict[str, Any]]:
    """For `/v1/offers` and `/agent/in`: rate and CPU at 32 connections, latency at 200 a second; batches of 100."""
    runs = []
    for nth in range(rounds):
        runs.append(_run(base, records, steady))
        console.print(f"round {nth + 1}:", {name: f"{one['per_second']:,.0f}/s" for name, one in runs[-1].items()})
    made = []
    for name in runs[0]:
        told = {key: statistics.median(one[name][key] for one in runs) for key in runs[0][name]}
        rate, latencies = told["per_second"], {key: told[key] for key in ("p50_ms", "p95_ms", "p99_ms")}
        if name.endswith("_200"):
            goal = GOALS["p95_ms"]
            made.append(figure(name, "ms", told["p95_ms"], **latencies, goal=goal, met=told["p95_ms"] <= goal))
            continue
        goal = GOALS["batched" if name.endswith("_100") else "per_second"]
        cpu = round(told["cpu"], 3)
        made.append(
            figure(name, "records/s", rate, **latencies, cpu_s_per_1000=cpu, goal=goal, met=rate >= goal),
        )
        if not name.endswith("_100"):
            made.append(
                figure(
                    f"{name}_cpu", "CPU s/1,000", cpu, cpu_s_per_1000=cpu, goal=GOALS["cpu"], met=cpu <= GOALS["cpu"]
                )
            )
    return made


def _run(base: Ground, records: int, steady: int) -> dict[str, dict[str, float]]:
    port = free_port()
    with base.run() as run:
        run.prepare()
        settings = {"GATEWAY_HTTP_PORT": str(port), "GATEWAY_SECRET_KEYS": SEALING_KEY}
        with run.processes(("gateway", "run", "--role", "edge"), **settings) as pids:
            return asyncio.run(_measure(run.database_url, port, pids, records, steady))


async def _measure(
    database_url: str, port: int, pids: dict[str, int], records: int, steady: int
) -> dict[str, dict[str, float]]:
    key = await _key(database_url)
    await eventually(lambda: _answers(port))
    numbers = iter(range(10**9))
    singles: dict[str, Callable[[int], Iterator[bytes]]] = {
        "v1_offers": lambda count: (_v1(next(numbers), key) for _ in range(count)),
        "agent_in": lambda count: (_connect([next(numbers)], key) for _ in range(count)),
    }
    told = {}
    for name, some in singles.items():
        await send_at_full_speed(port, list(some(WARM)), CONNECTIONS)
        told[name] = await _at_full_speed(port, list(some(records)), 1, pids)
        took = await send_at_a_rate(port, list(some(steady)), PER_SECOND, CONNECTIONS)
        told[f"{name}_200"] = {"per_second": PER_SECOND, "cpu": 0.0, **_cuts(took)}
    batches = [_connect([next(numbers) for _ in range(BATCH)], key) for _ in range(records // BATCH)]
    told["agent_in_100"] = await _at_full_speed(port, batches, BATCH, pids)
    return told


async def _at_full_speed(port: int, requests: list[bytes], each: int, pids: dict[str, int]) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    before, begun = sum(cpu_seconds(pids).values()), loop.time()
    took = await send_at_full_speed(port, requests, CONNECTIONS)
    seconds = loop.time() - begun
    used = sum(cpu_seconds(pids).values()) - before
    records = each * len(requests)
    return {"per_second": records / seconds, "cpu": 1000 * used / records, **_cuts(took)}


def _cuts(took: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(took, n=100)
    return {"p50_ms": 1000 * cuts[49], "p95_ms": 1000 * cuts[94], "p99_ms": 1000 * cuts[98]}


async def _key(database_url: str) -> dict[str, str]:
    database = Database(database_url)
    try:
        return await make_key(database, account=ACCOUNT)
    finally:
        await database.close()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _v1(number: int, key: dict[str, str]) -> bytes:
    message = orjson.loads(offer(number, BRAND))
    body = orjson.dumps({**message["data"], "job": message["subject"]})
    return request("/v1/offers", {"Authorization": f"Bearer {key['token']}", "Idempotency-Key": message["id"]}, body)


def _connect(numbers: list[int], key: dict[str, str]) -> bytes:
    body = gzip.compress(orjson.dumps([_envelope(number) for number in numbers]), 6)
    signature = hmac.new(bytes.fromhex(key["secret"]), body, hashlib.sha256).hexdigest()
    named = {"X-Dispatch-Key": key["key"], "X-Dispatch-Signature": signature, "MessageId": f"r-{numbers[0]}"}
    return request("/agent/in", named, body)


def _envelope(number: int) -> dict[str, Any]:
    said = orjson.loads(offer(number, BRAND))["data"]
    return {
        "header": {"record_type": "job", "version": "v3"},
        "record": {
            "external_id": f"C-{number}",
            "status": "offered",
            "organization": {"external_id": said["organization"]["id"], "name": said["organization"]["name"]},
            "title": said["title"],
            "description": said["description"],
            "service_type": said["service_type"],
            "customer": {
                "first_name": "Bo",
                "last_name": "Berg",
                "phone_numbers": [{"number": "+15550100100", "primary": True}],
            },
            "address": said["address"],
        },
    }
