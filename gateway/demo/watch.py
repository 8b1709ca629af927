"""Reads everything that leaves the gateway: tells it line by line as it happens, and keeps it to be counted.

What is on topics it reads there; what pollers were handed, in the files that they keep; webhooks are told to it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
import yaml
from rich.console import Console
from rich.text import Text

from gateway.core.job import Closure, JobStatus
from gateway.demo.stage import Stage
from gateway.simulation.polled import Reader, kept_file
from gateway.simulation.post import POLL_MS, Line, reading
from gateway.simulation.roads import LABELS
from gateway.simulation.stories import STORIES
from gateway.simulation.wire import Told, read_told

# How the statuses' colours are called on a terminal.
TERMINAL_COLOURS = {"orange": "dark_orange", "gray": "grey62", "none": "default"}
FOLLOW_SECONDS = 0.2
_LIFE = ("job.", "appointment.", "note.", "reminder.", "survey.")


def coloured(status: JobStatus, closure: str | None = None) -> Text:
    """A status as every screen shows it, with how the job ended."""
    colour = TERMINAL_COLOURS.get(status.colour, status.colour)
    text = Text(status.label, style=f"bold {colour}")
    return text.append(f", {closure}", style="dim") if closure not in {None, "completed", "declined"} else text


@dataclass(frozen=True, slots=True)
class Seen:
    """One record of an outbound topic, or one message that a poller was handed: its `topic` is then the poller.

    Of a webhook it is the destination.
    """

    topic: str
    told: Told
    raw: bytes


@dataclass(slots=True)
class Watch:
    """`seen` is every record, in the order read, duplicates too; `names` is by what each job is known."""

    stage: Stage
    console: Console
    topics: tuple[str, ...]
    pollers: tuple[str, ...] = ()
    seen: list[Seen] = field(default_factory=list)
    names: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)
    _codes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        """Reads until cancelled."""
        async with asyncio.TaskGroup() as reading_all:
            reading_all.create_task(self._read_topics())
            for poller in self.pollers:
                reading_all.create_task(self._read_kept(poller))

    async def _read_kept(self, poller: str) -> None:
        """Follows what a poller keeps, from its first message on."""
        reader, file, place = Reader(self.stage.world), kept_file(self.stage.folder, poller), 0
        while True:
            lines = file.read_bytes()[place:].splitlines(keepends=True) if file.exists() else []
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                place += len(line)
                self.take(Seen(poller, reader.read(orjson.loads(line)), line))
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _read_topics(self) -> None:
        prefix = self.stage.settings.topic_prefix
        line = Line(str(self.stage.settings.kafka_servers), prefix)
        async with reading(line, self.topics) as consumer:
            while True:
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        told = read_told(record.value, record.headers)
                        self.take(Seen(record.topic.removeprefix(prefix), told, record.value))

    def take(self, one: Seen) -> None:
        """What somebody else has read."""
        self.seen.append(one)
        self._tell(one)

    def say(self, what: str) -> None:
        """A line of the demo's own."""
        line = Text(f"{time.monotonic() - self.begun:5.1f}s ", style="dim")
        self.console.print(line.append(Text(what, style="bold")), highlight=False)

    def _tell(self, one: Seen) -> None:
        told = one.told
        job = told.details.get("job")
        if isinstance(job, Mapping) and "title" in job:
            self.names[told.job] = (job.get("brand") or "no brand", job.get("external_id") or "", job["title"] or "")
        if told.event in self._ids or (
            one.topic in self.pollers and self.stage.world.find_brand(told.external_id or "")
        ):
            # A brand's jobs are told by its feed, in canonical words.
            return
        self._ids.add(told.event)
        if told.type == "record.settled":
            self._tell_receipt(told)
        elif told.type.startswith(_LIFE):
            self._tell_life(one)

    def _tell_life(self, one: Seen) -> None:
        told = one.told
        brand, number = self._brand_of(one), told.external_id or ""
        brand, number, title = self.names.get(told.job, (brand, number, self._find_title(brand, number)))
        line = Text.assemble(
            (f"{time.monotonic() - self.begun:5.1f}s ", "dim"),
            f"{brand:<11} {number:<9} {title[:29]:<30}",
            (f"{self._road(brand, told):<8}", "magenta"),
            (f"{told.type:<23}", "cyan"),
        )
        self.console.print(line.append_text(self._status(one.topic, told)), highlight=False)

    def _brand_of(self, one: Seen) -> str:
        """Whose feed it stood in, or whose job its number says it is."""
        if one.topic not in self.pollers:
            return one.topic.split(".")[1]
        return self.stage.world.find_brand(one.told.external_id or "") or "no brand"

    def _road(self, brand: str, told: Told) -> str:
        """By which road it was said, where the event tells who said it."""
        by = told.details.get("by") or {}
        world = self.stage.world
        match by.get("role"):
            case "enterprise":
                enterprise = world.find_enterprise(brand)
                return LABELS[enterprise.road] if enterprise else ""
            case "provider":
                return next((LABELS[one.road] for one in world.providers.values() if one.name == by.get("name")), "")
            case "booking_page":
                return LABELS["kafka"]
            case _:
                return ""

    def _tell_receipt(self, told: Told) -> None:
        details = told.details
        line = Text(f"{time.monotonic() - self.begun:5.1f}s ", style="dim")
        said = f"receipt: {details['record'].get('type') or 'a record'} was {details['outcome']}"
        self.console.print(line.append(f"{said}: {details.get('reason')}", style="magenta"), highlight=False)

    def _status(self, topic: str, told: Told) -> Text:
        status = told.details.get("status") if told.details else None
        if status is None and not told.details and topic not in self.pollers:
            status = self._by_code(topic.split(".")[1], str(told.body.get("statusCode")))
        if status == Closure.CANCELED:
            # As most brands have it on the wire.
            return coloured(JobStatus.COMPLETE, status)
        return coloured(JobStatus(status), told.details.get("closure")) if status else Text()

    def _find_title(self, brand: str, number: str) -> str:
        """What a job of this number is about, where its feed does not say it."""
        one = self.stage.world.brands.get(brand)
        place = number[-2:]
        if one is None or not number.startswith(one.prefix) or not place.isdecimal():
            return ""
        return STORIES[one.stories[int(place) - 1]].title

    def _by_code(self, brand: str, code: str) -> str:
        """What a brand's own status code means, by its profile."""
        if brand not in self._codes:
            text = (self.stage.brands / brand / "profile.v1.yaml").read_text(encoding="utf-8")
            rows = yaml.safe_load(text)["status_codes"]
            self._codes[brand] = {str(row.get("code")): row["status"] for row in rows}
        return self._codes[brand].get(code, "")
