"""The demo's partner behind a webhook: it goes down while work goes on, and comes back to what has waited for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.demo.watch import Seen
from gateway.simulation.brand import SimulatedBrand
from gateway.simulation.wire import read_told
from gateway.store import activity

if TYPE_CHECKING:
    from gateway.demo.stage import Stage
    from gateway.demo.watch import Watch
    from gateway.store.database import Database

# It goes down when it has heard a little, and comes back when this much waits, or after so long.
FEW, MANY, LONGEST_SECONDS, LOOK_SECONDS = 10, 15, 20.0, 0.25


@dataclass(slots=True)
class WebhookPartner:
    """`taken` is what it was told, in the order in which it took it; `waited` how much had to wait for it."""

    stage: Stage
    watch: Watch
    database: Database
    taken: list[Seen] = field(default_factory=list)
    waited: int = 0
    _brand: SimulatedBrand | None = None
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """Its destination's."""
        return self.stage.webhook.destination

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """It listens while the block runs, knowing the secret that an operator has handed to it."""
        said = await self.stage.ask("destinations", "secret", self.name, "--author", "demo", "--reason", "its first")
        brand = SimulatedBrand(
            secrets=(said["secret"],),
            confirms=True,
            certificates=self.stage.webhook.certificates,
            on_taken=self._keep,
        )
        await brand.start(port=self.stage.webhook.port)
        self._brand = brand
        try:
            yield
        finally:
            await brand.stop()

    async def go_down_and_come_back(self) -> None:
        """Down once it has heard a little, until something waits for it; told as part of the story."""
        brand = self._listening()
        await self._until_taken(FEW)
        await brand.stop()
        self.watch.say(f"the webhook of {self.stage.webhook.brand} is down: what it is owed waits, all else goes on")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
                while self.waited < MANY:
                    await asyncio.sleep(LOOK_SECONDS)
                    self.waited = await self._count_owed()
        await brand.start()
        before = len(self.taken)
        self.watch.say(f"the webhook of {self.stage.webhook.brand} is back: {self.waited} wait for the next try")
        await self._until_taken(before + self.waited)
        order = "in order" if brand.arrivals.is_well else "NOT as they should"
        self.watch.say(f"what waited for the webhook of {self.stage.webhook.brand} has arrived, {order}")

    def summary(self) -> dict[str, Any]:
        """What it counted, and how much had waited."""
        return {**self._listening().arrivals.summary(), "waited": self.waited}

    def show_again(self) -> None:
        """For whoever counts from the beginning: all that it has taken."""
        self.watch.seen.extend(self.taken)

    def _keep(self, body: bytes) -> None:
        self.taken.append(Seen(self.name, read_told(body, ()), body))
        self.watch.take(self.taken[-1])
        self._more.set()

    async def _until_taken(self, count: int) -> None:
        while len(self.taken) < count:
            self._more.clear()
            await self._more.wait()

    async def _count_owed(self) -> int:
        async with self.database.snapshot() as connection:
            return (await activity.count_by_destination(connection))[self.name]["pending"]

    def _listening(self) -> SimulatedBrand:
        assert self._brand is not None, "it listens"
        return self._brand
