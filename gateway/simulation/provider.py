"""A provider's system: it learns of jobs from its work feed, and says what its dispatchers and technicians do."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.simulation.polled import Reader, poll
from gateway.simulation.post import Hearing, Line
from gateway.simulation.roads import KAFKA, Road, opened
from gateway.simulation.stories import STORIES, Story, find_story
from gateway.simulation.wire import Message, Told, structured
from gateway.simulation.world import Provider, Words, World, load_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DISPATCHER = "D-1"
TECHNICIAN = "T-1"
_BEGINS = frozenset({"job.offered", "job.created"})


@dataclass(slots=True)
class Office:
    """What all jobs of one provider share. `pace` is the pause between two steps of a job, in seconds."""

    line: Line
    provider: Provider
    world: World
    brands: Path
    pace: float
    road: Road
    reader: Reader
    hearing: Hearing = field(default_factory=Hearing)
    ids: itertools.count[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = itertools.count(self.line.first_id)

    async def say(
        self,
        kind: str,
        subject: str | None,
        content: dict[str, Any],
        *,
        at: datetime | None = None,
        lane: str | None = None,
    ) -> None:
        message = Message(
            type=kind,
            id=f"{self.provider.handle}-{next(self.ids)}",
            source=self.provider.handle,
            subject=subject,
            time=at or datetime.now(UTC),
            content=content,
            lane=lane,
        )
        await self.road.say(message)
        if kind == "offer.accept" and subject is not None:
            self.reader.take(subject)
        await asyncio.sleep(self.pace)

    @property
    def is_polling(self) -> bool:
        """Whether its work is fetched, and not on a topic."""
        return self.line.edge is not None and self.provider.road != KAFKA


@dataclass(slots=True)
class Work:
    """One job as its provider sees it: what the stories are told with. `job` is how the provider calls it."""

    office: Office
    job: str
    title: str
    told: Told | None = None
    terms: dict[str, Any] = field(default_factory=dict)
    technicians: dict[str, str] = field(default_factory=dict)

    @property
    def words(self) -> Words:
        brand = self.told.details["job"]["brand"] if self.told else None
        return load_words(self.office.brands, brand)

    @property
    def first_terms(self) -> dict[str, Any]:
        return _terms_of(self.told) if self.told else {}

    async def first_visit(self) -> str:
        """The visit that came with the job, or after it in a message of its own."""
        told = self.told if self.told and "appointments" in self.told.details else await self.hears("appointment")
        visit: str = told.details["appointments"][0]["id"]
        return visit

    def day(self, days: int) -> str:
        """Ten o'clock, in so many days."""
        return (
            (datetime.now(UTC) + timedelta(days=days)).replace(hour=15, minute=0, second=0, microsecond=0).isoformat()
        )

    async def says(self, kind: str, *, at: datetime | None = None, **content: Any) -> None:
        await self.office.say(kind, self.job, {"user": DISPATCHER, **content}, at=at)

    async def says_of_user(self, kind: str, user: str) -> None:
        """After what was said of this job."""
        await self.office.say(kind, user, {"user": DISPATCHER}, lane=self.job)

    async def accepts(self, **terms: Any) -> None:
        await self.says("offer.accept", **terms)

    async def accepts_with_a_visit(self, days: int, technician: str = TECHNICIAN) -> str:
        visit = self._new_visit(technician)
        asked = {"id": visit, "start": self.day(days), "technician": technician}
        await self.says("offer.accept", appointment=asked)
        return visit

    async def adds(self, days: int, technician: str = TECHNICIAN) -> str:
        visit = self._new_visit(technician)
        await self.says("appointment.add", id=visit, start=self.day(days), technician=technician)
        return visit

    async def gives(self, visit: str, technician: str) -> None:
        """Assigns the visit to somebody else."""
        self.technicians[visit] = technician
        await self.says("appointment.change", appointment=visit, technician=technician)

    async def makes(self, start: str | None = None) -> str:
        """Makes this job for a customer of the provider's own; returns the visit that comes with it, if one does."""
        turn = next(self.office.ids)
        world, visit = self.office.world, self._new_visit(TECHNICIAN)
        asked: dict[str, Any] = (
            {"appointment": {"id": visit, "start": start, "technician": TECHNICIAN}} if start else {}
        )
        await self.says(
            "job.create", title=self.title, customer=world.customer(turn), address=world.address(turn), **asked
        )
        return visit

    async def on_my_way(self, visit: str, *, minutes: int | None = None, minutes_ago: int = 0) -> None:
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        estimate: dict[str, Any] = {} if minutes is None else {"minutes": minutes}
        await self._progress("on_my_way", visit, at=at, **estimate)

    async def starts(self, visit: str) -> None:
        await self._progress("start", visit)

    async def pauses(self, visit: str, reason: str | None = None) -> None:
        given: dict[str, Any] = {"reason": reason} if reason else {}
        await self._progress("pause", visit, **given)

    async def completes(self, visit: str, reason: str) -> None:
        await self._progress("complete", visit, reason=reason)

    async def writes(self, text: str, **content: Any) -> str:
        note = f"N-{self.job}-{next(self.office.ids)}"
        await self.says("note.add", id=note, text=text, **content)
        return note

    async def hears(self, kind: str) -> Told:
        """Waits for the next event of `kind` about this job in the work feed."""
        told = await self.office.hearing.next(self.job, kind)
        self.terms = _terms_of(told) or self.terms
        return told

    async def _progress(self, kind: str, visit: str, *, at: datetime | None = None, **content: Any) -> None:
        """Said by whoever has the visit."""
        user = self.technicians.get(visit, DISPATCHER)
        await self.says(f"appointment.{kind}", at=at, appointment=visit, user=user, **content)

    def _new_visit(self, technician: str) -> str:
        visit = f"V-{next(self.office.ids)}"
        self.technicians[visit] = technician
        return visit


def _terms_of(told: Told) -> dict[str, Any]:
    """The revision of an offer, as its sender names it."""
    return {name: told.details[name] for name in ("revision", "updated_at") if name in told.details}


async def run_provider(line: Line, provider: Provider, world: World, brands: Path, *, pace: float, rounds: int) -> None:
    """Introduces itself, then does what its work feed brings, without end; its own jobs in `rounds` (0: no end)."""
    async with (
        opened(line, provider.handle, provider.road, structured, provider.topic) as road,
        asyncio.TaskGroup() as working,
    ):
        office = Office(line, provider, world, brands, pace, road, Reader(world))
        await _introduce(office)

        def begin(told: Told) -> None:
            story = find_story(told.details["job"]["title"] or "") if told.type in _BEGINS else None
            if story is not None:
                work = Work(office, told.job, story.title, told, _terms_of(told))
                working.create_task(story.worked(work))

        working.create_task(_listen(office, begin))
        for _ in itertools.repeat(None) if rounds == 0 else range(rounds):
            for story in (STORIES[name] for name in provider.stories):
                await _begin_own(office, story)
            await asyncio.sleep(pace * 20)


async def _listen(office: Office, begin: Callable[[Told], None]) -> None:
    line, handle = office.line, office.provider.handle
    if line.edge is not None and office.is_polling:
        await poll(line.edge, handle, office.reader, lambda told: office.hearing.hear(told, _job_of, begin))
    await office.hearing.listen(line, [f"work.{handle}.v1"], _job_of, begin)


def _job_of(told: Told) -> str:
    return told.job


async def _begin_own(office: Office, story: Story) -> None:
    work = Work(office, f"{office.provider.handle[:2].upper()}-{next(office.ids)}", story.title)
    await story.worked(work)


async def _introduce(office: Office) -> None:
    """The company with its people; its work feed is to go to a topic, where it does not fetch it."""
    provider = office.provider
    members = {"handle": provider.handle, "name": provider.name, "phone": "(218) 555-0100"}
    topic = {} if office.is_polling else {"work_topic": True}
    await office.say("organization.put", None, members | topic)
    for user in office.world.users:
        await office.say("user.put", user["id"], {"name": user["name"], "role": user["role"]})
    place = {"latitude": 46.786, "longitude": -92.1}
    await office.say("user.position", TECHNICIAN, place)
