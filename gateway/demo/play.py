"""One demo, from the first record to the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.children import port_answers
from gateway.demo.checks import Findings, Verdict, check_all, check_counts, count_expected, unfinished
from gateway.demo.partner import WebhookPartner
from gateway.demo.stage import MARGIN_SECONDS, Stage, StageFailed
from gateway.demo.watch import Watch
from gateway.simulation.roads import KAFKA, LABELS
from gateway.simulation.stories import SHORT_SECONDS
from gateway.store import activity
from gateway.store.destinations import load_destinations
from gateway.store.ledger import count_by_door

if TYPE_CHECKING:
    from rich.console import Console

    from gateway.store.database import Database

PACE, CALM_PACE = 0.12, 1.0
LOOK_SECONDS = 0.25
READY_SECONDS = 30.0
CLOSING_SECONDS = SHORT_SECONDS + 3 * MARGIN_SECONDS
STORIES_SECONDS = 75.0
REST_SECONDS = 30.0
# How long what follows an unmapped reason may pile up behind it, so that there is something to be released.
WAITING_SECONDS = 1.5
_OPEN_RECORDS = frozenset({"parked", "unmapped", "requeued"})
_OPEN_DELIVERIES = frozenset({"pending", "held"})


class Play:
    """Runs the stories on a stage and finds out what became of them."""

    def __init__(self, stage: Stage, console: Console, database: Database, begun: float) -> None:
        self._stage = stage
        self._console = console
        self._database = database
        self._released = ""
        self.watch = Watch(stage, console, (), begun=begun)
        self.partner = WebhookPartner(stage, self.watch, database)

    async def run(self) -> tuple[Findings, list[Verdict]]:
        """Every story once; returns what was found when all had come to rest."""
        self.watch.topics = tuple((await self._topics()).values())
        self.watch.pollers = tuple(self._stage.world.pollers)
        self._tell_roads()
        await self._until(self._edge_answers, READY_SECONDS, "the edge does not answer")
        async with _beside(self.watch.run()):
            for provider in self._stage.world.providers:
                self._stage.start_partner("provider", provider, pace=PACE)
            await self._until(self._providers_are_known, READY_SECONDS, "no provider has introduced itself")
            self.watch.say("the providers are known; the enterprises begin")
            enterprises = [
                self._stage.start_partner("enterprise", account, pace=PACE) for account in self._stage.world.enterprises
            ]
            self._stage.start_partner("customer", pace=PACE)
            async with _beside(self._map_what_is_unmapped()), _beside(self.partner.go_down_and_come_back()):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STORIES_SECONDS):
                        while any(child.is_alive for child in enterprises):
                            await self._look_again()
                self._stage.start_pollers(name for name in self.watch.pollers if name in self._stage.world.enterprises)
                await self._come_to_rest()
            self._stage.stop_partners()
            found = await self._find()
        return found, check_all(found, self._stage.world)

    async def go_on(self, stop: asyncio.Event, first: int = 2) -> list[Verdict]:
        """Traffic until `stop` is set; then everything is counted once more."""
        # Read again from the beginning, since all of it is counted again.
        self.watch.seen.clear()
        self.partner.show_again()
        async with _beside(self.watch.run()):
            for provider in self._stage.world.providers:
                self._stage.start_partner("provider", provider, pace=CALM_PACE, first=first, rounds=0)
            self._stage.start_partner("customer", pace=CALM_PACE, first=first, rounds=0)
            await asyncio.sleep(2)
            for account in self._stage.world.enterprises:
                self._stage.start_partner("enterprise", account, pace=CALM_PACE, first=first, rounds=0)
            while not stop.is_set():
                await self._look_again()
            self._stage.stop_partners()
            self._stage.start_pollers(self.watch.pollers)
            # The last of the short offers close by themselves, and that is told too.
            await asyncio.sleep(CLOSING_SECONDS)
            with contextlib.suppress(StageFailed):
                await self._until(self._all_is_out, REST_SECONDS, "not at rest")
            self._stage.stop_partners()
            found = await self._find()
        return check_counts(found, alone=False)

    async def _look_again(self) -> None:
        self._stage.check_alive()
        await asyncio.sleep(LOOK_SECONDS)

    async def _until(self, is_so: Callable[[], Awaitable[bool]], within: float, otherwise: str) -> None:
        deadline = time.monotonic() + within
        while not await is_so():
            if time.monotonic() > deadline:
                raise StageFailed(otherwise)
            await self._look_again()

    async def _topics(self) -> dict[str, str]:
        """The topic of every destination that has one, those that the providers are going to ask for too."""
        async with self._database.snapshot() as connection:
            there = await load_destinations(connection)
        topics = {name: str(one.settings["topic"]) for name, one in there.items() if "topic" in one.settings}
        asked_for = [f"{feed}.{handle}" for handle in self._on_kafka() for feed in ("work", "receipts")]
        return topics | {name: f"{name}.v1" for name in asked_for}

    async def _polled(self) -> dict[str, str]:
        """Who polls each destination that is polled."""
        pollers = self._stage.world.pollers
        party_of = {name: name for name in pollers} | {brand: name for name in pollers for brand in pollers[name]}
        async with self._database.snapshot() as connection:
            there = await load_destinations(connection)
        return {name: party_of.get(one.owner, one.owner) for name, one in there.items() if one.kind == "poll"}

    async def _read(self) -> dict[str, str]:
        """Where the demo reads what each destination was given; nobody here reads feeds by cursor."""
        return await self._topics() | await self._polled() | {self.partner.name: self.partner.name}

    async def _providers_are_known(self) -> bool:
        async with self._database.snapshot() as connection:
            there = await load_destinations(connection)
        return all(f"work.{handle}" in there for handle in self._on_kafka())

    def _on_kafka(self) -> list[str]:
        return [handle for handle, one in self._stage.world.providers.items() if one.road == KAFKA]

    async def _edge_answers(self) -> bool:
        return await asyncio.to_thread(port_answers, self._stage.settings.http_port)

    def _tell_roads(self) -> None:
        named: dict[str, list[str]] = {}
        for name, road in self._stage.world.roads.items():
            named.setdefault(LABELS[road], []).append(name)
        for label, names in named.items():
            self.watch.say(f"by {label}: {', '.join(names)}")

    async def _map_what_is_unmapped(self) -> None:
        """What an operator does: sees what waits and what it resembles, and has the brand's profile map it."""
        waiting: dict[str, str] = {}
        while not waiting:
            await asyncio.sleep(LOOK_SECONDS)
            async with self._database.snapshot() as connection:
                waiting = await activity.find_unmapped(connection)
        await asyncio.sleep(WAITING_SECONDS)
        for held in await self._stage.ask("brands", "held"):
            brand, text, [meant, *_] = held["brand"], held["value"], held["suggestions"]
            self.watch.say(f"{brand} knows no reason {text!r}: it waits, and what follows in its job")
            self.watch.say(
                f"it resembles {meant['code']} {meant['label']!r}, {meant['why']}: an operator has it mapped"
            )
            words = ("--reason", text, "--as", meant["code"], "--because", "the brand says so", "--author", "demo")
            code, output = await self._stage.command("brands", "map", brand, *words, "--yes")
            for line in filter(None, output.splitlines()):
                self.watch.say(f"  {line}")
            self._released = output if code == 0 else ""

    async def _come_to_rest(self) -> None:
        """Waits until nothing is left to happen; what is left after that is for the checks to name."""
        with contextlib.suppress(StageFailed):
            await self._until(self._is_at_rest, REST_SECONDS, "not at rest")
        self._stage.check_alive()

    async def _is_at_rest(self) -> bool:
        async with self._database.snapshot() as connection:
            jobs = await activity.list_jobs(connection)
            outcomes = await activity.count_outcomes(connection)
            destinations = await activity.count_by_destination(connection)
            happened = await activity.count_happenings(connection)
        if not self._released or len(jobs) < count_expected(self._stage.world) or unfinished(jobs):
            return False
        if any(state in _OPEN_RECORDS for state, _ in outcomes):
            return False
        if any(states[state] for states in destinations.values() for state in _OPEN_DELIVERIES):
            return False
        if happened["survey.answered"] < happened["customer.survey_requested"]:
            return False
        return await self._was_read_back(destinations)

    async def _was_read_back(self, destinations: Mapping[str, Counter[str]]) -> bool:
        read = await self._read()
        delivered = sum(states["delivered"] for name, states in destinations.items() if name in read)
        return len({(one.topic, one.told.event) for one in self.watch.seen}) >= delivered

    async def _all_is_out(self) -> bool:
        async with self._database.snapshot() as connection:
            destinations = await activity.count_by_destination(connection)
        return await self._all_was_taken_in() and await self._was_read_back(destinations)

    async def _find(self) -> Findings:
        await self._until(self._all_was_taken_in, REST_SECONDS, "not everything that was sent was taken in")
        ledger = await self._stage.ask("ledger", "--by", "brand")
        topic_of = await self._read()
        async with self._database.snapshot() as connection:
            return Findings(
                jobs=await activity.list_jobs(connection),
                activity=await activity.read_activity(connection),
                outcomes=await activity.count_outcomes(connection),
                doors=await count_by_door(connection),
                by_destination=await activity.count_by_destination(connection),
                topic_of=topic_of,
                ledger=ledger,
                seen=tuple(self.watch.seen),
                sent=self._stage.sent_before,
                released=self._released,
                pollers=self.watch.pollers,
                webhooks={self.partner.name: self.partner.summary()},
            )

    async def _all_was_taken_in(self) -> bool:
        async with self._database.snapshot() as connection:
            doors = await count_by_door(connection)
            destinations = await activity.count_by_destination(connection)
        counted = sum(flow.total for door, flow in doors.items() if door != "internal")
        at_work = any(states["pending"] for states in destinations.values())
        return counted >= self._stage.sent_before and not at_work


@asynccontextmanager
async def _beside(work: Awaitable[None]) -> AsyncIterator[None]:
    """`work` runs while the block does; what fails in it fails the block."""
    task = asyncio.ensure_future(work)
    try:
        yield
        if task.done():
            await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
