"""(h) Brand profiles: rendering, one with 500 reasons, and a gateway with 500 brands."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.ground import BRAND
from bench.report import figure
from gateway.brands import import_folder, import_profile
from gateway.children import free_port
from gateway.core.visibility import Audience
from gateway.keeper import Keeper
from gateway.mapping.check import check_profile
from gateway.mapping.examples import examples
from gateway.mapping.library import load_folder
from gateway.mapping.profile import FeedFormat, Profile, parse_profile
from gateway.mapping.render import render
from gateway.mapping.wanted import Wanted, wants
from gateway.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from bench.ground import Ground, Run
    from gateway.mapping.examples import Example

FOLDER = Path("contracts/brands")
BRANDS, REASONS = 500, 500
GOALS = {FeedFormat.CANONICAL: 60.0, FeedFormat.CUSTOM: 150.0}
READY_SECONDS, MOST_MIB = 10.0, 400.0
# Renderings of one round, however many examples there are.
RENDERED = 5_000


def figures(base: Ground, console: Console, rounds: int, *_: int) -> list[dict[str, Any]]:
    """Microseconds of a rendering, milliseconds of a large profile, and what a gateway with many brands needs."""
    made = [_rendering(form, goal, rounds) for form, goal in GOALS.items()]
    made += _large(rounds)
    with base.run(broker=False) as empty, base.run(broker=False) as full, tempfile.TemporaryDirectory() as folder:
        console.print(f"profiles: {BRANDS} brands come in {asyncio.run(_fill(full, Path(folder))):.1f} s")
        made += _starting(empty, full, rounds)
        made += asyncio.run(_refreshing(full, rounds))
    return made


def many_reasons(text: str, count: int = REASONS) -> str:
    """A profile's text with so many more reasons that pause."""
    lines = "".join(f"  - {{code: R{nth}, label: Reason number {nth}, outcome: pauses}}\n" for nth in range(count))
    return text.replace("complete_reasons:\n", f"complete_reasons:\n{lines}", 1)


def _rendering(form: FeedFormat, goal: float, rounds: int) -> dict[str, Any]:
    """Over every example that a shipped brand of this form would be sent."""
    shipped = load_folder(FOLDER)[0].active.values()
    sent = [(profile, one) for profile in shipped if profile.feed.format is form for one in _sent(profile)]
    again = range(RENDERED // len(sent) + 1)

    def work() -> None:
        for _ in again:
            for profile, one in sent:
                render(profile, one.stored, audience=Audience.ENTERPRISE, previous=None, note_text=one.note_text)

    took = 1e6 * _middle(rounds, work) / (len(sent) * len(again))
    return figure(f"render_{form}", "µs", took, goal=goal, met=took <= goal)


def _sent(profile: Profile) -> Iterator[Example]:
    for one in examples(profile):
        if any(isinstance(wants(profile, each, one.event), Wanted) for each in profile.destinations):
            yield one


def _large(rounds: int) -> list[dict[str, Any]]:
    text = many_reasons(_text())
    profile = _profile(text)
    parsing = 1e3 * _middle(rounds, lambda: _profile(text))
    checking = 1e3 * _middle(rounds, lambda: check_profile(profile, "bench"))
    return [figure("profile_500_parse", "ms", parsing), figure("profile_500_check", "ms", checking)]


def _middle(rounds: int, work: Callable[[], object]) -> float:
    """Seconds of the processor that `work` takes, the middle of the rounds; the first, which warms up, is left out."""
    took = []
    for _ in range(rounds + 1):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return statistics.median(took[1:])


def _text(brand: str = BRAND, version: int = 1) -> str:
    """A brand's profile whose feed is read by cursor: nothing of it needs a broker."""
    text = (FOLDER / BRAND / "profile.v1.yaml").read_text(encoding="utf-8")
    text = text.replace(f"brand: {BRAND}\n", f"brand: {brand}\n", 1).replace("version: 1\n", f"version: {version}\n", 1)
    return f"{text}\ndestinations:\n  - {{name: feed.{brand}, kind: feed}}\n"


def _profile(text: str) -> Profile:
    profile = parse_profile(text, file="bench")
    if not isinstance(profile, Profile):
        raise TypeError(f"the profile cannot be read: {profile}")
    return profile


async def _fill(run: Run, folder: Path) -> float:
    """Imports as many brands, one of them with many reasons; returns how many seconds that took."""
    for nth in range(BRANDS):
        (folder / f"brand-{nth}").mkdir()
        text = _text(f"brand-{nth}")
        (folder / f"brand-{nth}" / "profile.v1.yaml").write_text(many_reasons(text) if nth == 0 else text, "utf-8")
    async with _opened(run) as database:
        begun = time.perf_counter()
        imported = await import_folder(database, folder, author="bench", reason="bench")
        if len(imported.profiles) != BRANDS:
            raise RuntimeError(f"not every brand came in: {imported.problems[:3]}")
        return time.perf_counter() - begun


def _starting(empty: Run, full: Run, rounds: int) -> list[dict[str, Any]]:
    """With many brands and, as the floor, with none: seconds until a process is ready, and the memory it holds then."""
    starts = [(_start(empty), _start(full)) for _ in range(rounds)]
    (least, floor), (seconds, most) = (
        map(statistics.median, zip(*one, strict=True)) for one in zip(*starts, strict=True)
    )
    ready, held = {"floor": least, "ratio": seconds / least}, {"floor": floor, "ratio": most / floor}
    return [
        figure("start_500_brands", "s", seconds, **ready, goal=READY_SECONDS, met=seconds <= READY_SECONDS),
        figure("memory_500_brands", "MiB", most, **held, goal=MOST_MIB, met=most <= MOST_MIB),
    ]


def _start(run: Run) -> tuple[float, float]:
    port = free_port()
    roles = ("gateway", "run", "--role", "edge", "--role", "relay", "--role", "clock")
    begun = time.perf_counter()
    with run.processes(roles, GATEWAY_HTTP_PORT=str(port)) as pids:
        _wait_until_ready(port)
        return time.perf_counter() - begun, sum(map(_mib, pids.values()))


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            if answer.status == 200:
                return
        time.sleep(0.02)
    raise TimeoutError("the gateway did not become ready")


def _mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def _refreshing(run: Run, rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of a keeper's round when nothing changed, when one version came, and of that one's first use."""
    idle, coming, using = [], [], []
    async with _opened(run) as database:
        keeper = Keeper(database)
        await keeper.refresh()
        for version in range(2, rounds + 2):
            idle.append(await _timed(keeper))
            text = _text("brand-1", version)
            await import_profile(database, text, file="bench", author="bench", reason="bench", lead=timedelta(0))
            coming.append(await _timed(keeper))
            begun = time.perf_counter()
            keeper.profiles.find("brand-1")
            using.append(time.perf_counter() - begun)
    names = ("refresh_500_brands", "refresh_500_brands_one_came", "first_use_of_a_profile")
    return [
        figure(name, "ms", 1e3 * statistics.median(took))
        for name, took in zip(names, (idle, coming, using), strict=True)
    ]


async def _timed(keeper: Keeper) -> float:
    begun = time.perf_counter()
    await keeper.refresh()
    return time.perf_counter() - begun


@contextlib.asynccontextmanager
async def _opened(run: Run) -> Any:
    database = Database(run.database_url)
    try:
        yield database
    finally:
        await database.close()
