"""An enterprise's system: offers jobs of its brands, follows its feeds, and answers what it reads there."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.simulation.claims import claims
from gateway.simulation.polled import Reader, poll
from gateway.simulation.post import Hearing, Line
from gateway.simulation.roads import CONNECT, Road, opened
from gateway.simulation.stories import STORIES
from gateway.simulation.wire import Dialect, Message, Told, binary, structured
from gateway.simulation.world import Brand, Enterprise, World, load_words

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

PATIENCE_SECONDS = 60.0


class NotTold(Exception):
    """An event that a story waits for did not come."""


@dataclass(slots=True)
class Desk:
    """What all cases of one enterprise share. `pace` is the pause between two steps of a job, in seconds."""

    line: Line
    enterprise: Enterprise
    world: World
    brands: Path
    pace: float
    road: Road
    hearing: Hearing = field(default_factory=Hearing)
    ids: itertools.count[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = itertools.count(self.line.first_id)

    async def say(
        self, kind: str, subject: str, content: dict[str, Any], *, message_id: str | None = None, plainly: bool = False
    ) -> str:
        """Sends one message, in the enterprise's dialect or plainly; returns its id."""
        message_id = message_id or f"{self.enterprise.account}-{next(self.ids)}"
        message = Message(
            type=kind,
            id=message_id,
            source=self.enterprise.account,
            subject=subject,
            time=datetime.now(UTC),
            content=content,
        )
        await self.road.say(message, plainly=plainly)
        await asyncio.sleep(self.pace)
        return message_id


@dataclass(slots=True)
class Case:
    """One job as its enterprise sees it: what the stories are told with."""

    desk: Desk
    brand: Brand
    number: str
    title: str
    turn: int
    revision: int = 1

    @property
    def canceled_because(self) -> str:
        return load_words(self.desk.brands, self.brand.name).canceled

    def organization(self, handle: str) -> Any:
        """The provider, as this brand's offers name it; nothing where routing finds it."""
        match self.brand.names:
            case "handle":
                return {"handle": handle}
            case "number":
                return self.desk.world.providers[handle].number
            case _:
                return None if handle == self.brand.provider else {"handle": handle}

    def terms(self, **changed: Any) -> dict[str, Any]:
        """The whole content of the offer."""
        world = self.desk.world
        named = self.organization(self.brand.provider)
        return {
            "brand": self.brand.name,
            "title": self.title,
            "description": "Please call the customer before the visit.",
            "service_type": "appliance",
            "customer": world.customer(self.turn),
            "address": world.address(self.turn),
            **({"organization": named} if named is not None else {}),
            **changed,
        }

    async def say(self, kind: str, *, message_id: str | None = None, **content: Any) -> str:
        return await self.desk.say(kind, self.number, content, message_id=message_id)

    async def offer(self, **changed: Any) -> str:
        """Submits the offer, or its terms as changed."""
        return await self.say("offer.submit", revision=self.revision, **self.terms(**changed))

    async def offer_again(self, revision: int, *, message_id: str | None = None, **changed: Any) -> str:
        """Submits what is said, and no more, under `revision`."""
        return await self.say("offer.submit", message_id=message_id, revision=revision, **changed)

    async def offer_shortly(self, seconds: int) -> None:
        """An offer that stays open for `seconds` only."""
        await self.offer(accept_by=(datetime.now(UTC) + timedelta(seconds=seconds)).isoformat())

    async def assign(self, start: str | None = None) -> None:
        """A job without an offer, with a first visit or without."""
        visit: dict[str, Any] = {"appointment": {"start": start}} if start else {}
        await self.say("job.create", revision=self.revision, **self.terms(), **visit)

    async def withdraw(self) -> None:
        await self.say("offer.withdraw", reason=self.canceled_because)

    async def hears(self, kind: str) -> Told:
        """Waits for the next event of `kind` about this job in the brand's feed."""
        return await _patiently(self.desk.hearing.next(self.number, kind), f"{self.number}: no {kind} in its feed")


async def _patiently(waiting: Awaitable[Told], otherwise: str) -> Told:
    try:
        return await asyncio.wait_for(waiting, PATIENCE_SECONDS)
    except TimeoutError:
        raise NotTold(otherwise) from None


async def run_enterprise(
    line: Line, enterprise: Enterprise, world: World, brands: Path, *, pace: float, rounds: int
) -> None:
    """Plays `rounds` of all stories (0: without end), each job by itself; raises `NotTold` where one does not go on."""
    account = enterprise.account
    async with opened(line, account, enterprise.road, _dialect(enterprise), f"offers.{account}.v1") as road:
        desk = Desk(line, enterprise, world, brands, pace, road)
        listening = asyncio.create_task(_listen(desk))
        try:
            await _introduce_providers(desk)
            for turn in itertools.count(line.first_turn):
                await _play(desk, turn)
                if turn + 1 == line.first_turn + rounds:
                    return
        finally:
            listening.cancel()
            # What was handed to it is acknowledged first: else it would come again only when its lease has ended.
            await asyncio.wait([listening])


def _dialect(enterprise: Enterprise) -> Dialect:
    dialects: dict[str, Dialect] = {
        "structured": structured,
        "binary": binary,
        "claims": partial(claims, own_topic=enterprise.own_topic),
    }
    return dialects[enterprise.dialect]


async def _listen(desk: Desk) -> None:
    """Follows the feeds: by polling who speaks Connect, all others on their topics."""
    line, enterprise = desk.line, desk.enterprise
    if line.edge is not None and enterprise.road == CONNECT:
        reader = Reader(desk.world)
        await poll(line.edge, enterprise.account, reader, lambda told: desk.hearing.hear(told, _named, _nothing))
    await desk.hearing.listen(line, [f"feed.{brand}.v1" for brand in enterprise.brands], _named, _nothing)


def _named(told: Told) -> str:
    return told.external_id or told.job


def _nothing(_: Told) -> None:
    """An enterprise only waits for what its stories name."""


async def _introduce_providers(desk: Desk) -> None:
    """An enterprise with numbers of its own says which provider each of them is."""
    if not any(desk.world.brands[brand].names == "number" for brand in desk.enterprise.brands):
        return
    for provider in desk.world.providers.values():
        members = {"handle": provider.handle, "name": provider.name}
        await desk.say("organization.put", provider.number, members, plainly=True)


async def _play(desk: Desk, turn: int) -> None:
    async with asyncio.TaskGroup() as group:
        for brand in (desk.world.brands[name] for name in desk.enterprise.brands):
            for place, name in enumerate(brand.stories, 1):
                story = STORIES[name]
                number = f"{brand.prefix}{turn}{place:02}"
                case = Case(desk, brand, number, story.title, turn * 100 + place)
                group.create_task(story.offered(case))
                await asyncio.sleep(desk.pace)
