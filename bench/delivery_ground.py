"""What the delivery benchmarks stand on: profiles with webhooks, the gateway's processes, and the partner."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from bench.ground import ACCOUNT, BRAND, cpu_seconds
from bench.judging import Arrival
from bench.posting import brand_of, plan, post_all
from gateway.children import Child, free_port, port_answers
from gateway.store.database import Database
from tests.keys import SEALING_KEY, make_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.ground import Ground, Run

READY_SECONDS = 60.0
PATIENCE = 120.0
WARM = 400
_LOG = Path("var/bench/processes.log")
# Edge and relay as processes of their own, and both in one.
APART, TOGETHER = (("edge",), ("relay",)), (("edge", "relay"),)


@dataclass(frozen=True, slots=True)
class PartnerSeen:
    """The partner's process, as the benchmark asks it."""

    port: int
    pid: int

    async def until(self, count: int, within: float = PATIENCE) -> None:
        """Returns once `count` different webhooks have arrived, or the time is over: what is lost is judged later."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ask(f"/until/{count}"), within)

    async def arrivals(self) -> list[Arrival]:
        return [Arrival(*one) for one in orjson.loads(await self._ask("/arrivals"))]

    async def forget(self) -> None:
        await self._ask("/forget")

    async def _ask(self, path: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 30)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            return await reader.readexactly(int(head.rpartition(b":")[2]))
        finally:
            writer.close()


class Crew:
    """The gateway's processes: each plays some roles, and may be killed and started again."""

    def __init__(self, run: Run, port: int, roles: tuple[tuple[str, ...], ...]) -> None:
        environment = {**run.environment, "GATEWAY_HTTP_PORT": str(port)}
        self._port = port
        self.children = {
            "+".join(played): Child(
                "+".join(played),
                [sys.executable, "-m", "gateway", "run", *(word for role in played for word in ("--role", role))],
                _LOG,
                env=environment,
            )
            for played in roles
        }

    @property
    def pids(self) -> dict[str, int]:
        return {name: child.pid for name, child in self.children.items() if child.is_alive}

    def start(self, *names: str) -> None:
        """Those named, all by default. Returns once the edge, if it is among them, listens."""
        for name in names or self.children:
            self.children[name].start()
            if "edge" in name:
                self.children[name].wait_until(lambda: port_answers(self._port), READY_SECONDS)

    def kill(self) -> None:
        """All of them, by SIGKILL."""
        for child in self.children.values():
            os.kill(child.pid, 9)
        for child in self.children.values():
            child.kill()

    def stop(self, *names: str) -> None:
        """Those named, all by default, by SIGTERM."""
        for name in names or self.children:
            self.children[name].stop()


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway with a partner behind it; `paths` say where there each brand's webhook goes."""

    run: Run
    port: int
    crew: Crew
    partner: PartnerSeen
    paths: Mapping[str, str]
    token: str

    @property
    def brands(self) -> tuple[str, ...]:
        return tuple(self.paths)

    def cpu(self) -> tuple[float, float]:
        """CPU seconds so far of the gateway with PostgreSQL, and of the partner."""
        used = cpu_seconds({**self.crew.pids, "partner": self.partner.pid})
        used.pop("kafka")
        partner = used.pop("partner")
        return sum(used.values()), partner

    async def warm(self) -> None:
        """The first posts meet cold processes, empty tables and unknown providers: they are not counted."""
        marks = range(10**9, 10**9 + WARM)
        await post_all(self.port, plan(marks, self.brands, self.token, name="warm"))
        await self.partner.until(self.arriving(WARM))
        await self.partner.forget()

    def arriving(self, posts: int) -> int:
        """How many of so many posts of one plan go to where they can arrive."""
        return sum(self.paths[brand_of(nth, self.brands)].startswith("/ok") for nth in range(posts))


@contextlib.contextmanager
def staged(
    base: Ground, paths: Mapping[str, str], roles: tuple[tuple[str, ...], ...] = APART, **settings: str
) -> Iterator[Stage]:
    """A stage whose processes are not started yet; `paths` say where at the partner each brand's webhook goes."""
    port, at_partner = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for brand, path in paths.items():
            _write_profile(folder, brand, f"http://127.0.0.1:{at_partner}{path}")
        partner = Child("partner", [sys.executable, "-m", "bench.partner", str(at_partner)], _LOG)
        stack.enter_context(partner)
        partner.wait_until(lambda: port_answers(at_partner), READY_SECONDS)
        settings = {
            "GATEWAY_BRANDS": str(folder),
            "GATEWAY_SECRET_KEYS": SEALING_KEY,
            "GATEWAY_WEBHOOK_PLAIN": "true",
            "GATEWAY_WEBHOOK_NETWORKS": "127.0.0.0/8",
            **settings,
        }
        run = stack.enter_context(base.run(broker=False, **settings))
        run.prepare()
        for brand in paths:
            run.command("destinations", "secret", hook_of(brand))
        crew = Crew(run, port, roles)
        stack.callback(crew.stop)
        token = asyncio.run(_token(run.database_url))
        yield Stage(run, port, crew, PartnerSeen(at_partner, partner.pid), paths, token)


def hook_of(brand: str) -> str:
    """The destination of a brand."""
    return f"feed.{brand}"


def _write_profile(folder: Path, brand: str, url: str) -> None:
    text = Path(f"contracts/brands/{BRAND}/profile.v1.yaml").read_text(encoding="utf-8")
    text = text.replace(f"brand: {BRAND}\n", f"brand: {brand}\n", 1)
    hook = f"destinations:\n  - {{name: {hook_of(brand)}, kind: webhook, webhook: {{url: {url!r}}}}}\n"
    (folder / brand).mkdir()
    (folder / brand / "profile.v1.yaml").write_text(f"{text}\n{hook}", encoding="utf-8")


async def _token(database_url: str) -> str:
    database = Database(database_url)
    try:
        return (await make_key(database, account=ACCOUNT))["token"]
    finally:
        await database.close()
