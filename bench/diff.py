"""(g) `gateway brands diff` over 100,000 recorded events: a canonical feed and one in a brand's own JSON."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from bench.report import figure
from gateway.mapping.examples import examples
from gateway.mapping.profile import Profile, parse_profile
from gateway.store import codec
from gateway.store.bulk import Writes
from gateway.store.database import Database
from gateway.store.outbox import NewEvent, append
from tests.inbound import BRANDS

if TYPE_CHECKING:
    from rich.console import Console

    from bench.ground import Ground, Run
    from gateway.core.document import StoredEvent

EVENTS, AT_ONCE = 100_000, 5_000
GOAL = 120.0
# By brand: what the draft changes. Of the second every message differs.
DRAFTS = {"harborline": ("code: ON-SITE", "code: ARRIVED"), "ironpeak": ("statusCode:", "status:")}


def _row(number: int, stored: StoredEvent, brand: str, now: datetime) -> NewEvent:
    return NewEvent(
        number=number,
        type=stored.type,
        job=number,
        source=stored.source,
        position=1,
        jobversion=stored.jobversion,
        brand=brand,
        profile_version=1,
        record=None,
        occurred_at=stored.occurred_at,
        recorded_at=now,
        recipients=0,
        body=codec.nested(stored.body),
    )


async def _fill(url: str, profile: Profile) -> None:
    told = [one.stored for one in examples(profile) if one.stored.brand is not None and one.stored.note is None]
    database, now = Database(url), datetime.now(UTC)
    for first in range(1, EVENTS + 1, AT_ONCE):
        numbers = range(first, first + AT_ONCE)
        rows = [_row(number, told[number % len(told)], profile.brand, now) for number in numbers]
        async with database.transaction() as connection:
            await append(Writes(connection), rows, (), now)
    await database.close()


def _compare(run: Run, brand: str, text: str) -> tuple[float, dict[str, Any]]:
    """Seconds of the command, from its start to its end, and what it says."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.yaml"
        draft.write_text(text, encoding="utf-8")
        argv = [sys.executable, "-m", "gateway", "brands", "diff", brand, "--to", str(draft), "--json"]
        begun = time.perf_counter()
        done = subprocess.run(argv, env=run.environment, check=True, capture_output=True)
        return time.perf_counter() - begun, orjson.loads(done.stdout)


def figures(base: Ground, console: Console, _rounds: int, _records: int, _steady: int) -> list[dict[str, Any]]:
    """Seconds, by the form of the feed."""
    found = []
    for brand, (before, after) in DRAFTS.items():
        text = (BRANDS / brand / "profile.v1.yaml").read_text(encoding="utf-8")
        profile = parse_profile(text, file=brand)
        if not isinstance(profile, Profile):
            raise TypeError(f"{brand}: {profile}")
        with base.run(broker=False) as run:
            run.command("brands", "import", "--reason", "bench")
            asyncio.run(_fill(run.database_url, profile))
            took, said = _compare(run, brand, text.replace(before, after))
        name = f"diff_{profile.feed.format}"
        console.print(f"{name}: {said['events']:,} events, {said['differing']:,} differ, {took:.1f} s")
        found.append(figure(name, "s", took, goal=GOAL, met=took <= GOAL and said["events"] == EVENTS))
    return found
