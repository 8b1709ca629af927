"""A partner's end of Kafka: what it sends, and what it has read so far, awaitable by job."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from gateway.simulation.wire import Told, Wire, read_told

if TYPE_CHECKING:
    from gateway.simulation.edge import Edge

POLL_MS = 100
# How soon a topic that is made later is found.
METADATA_MS = 5_000


IDS_PER_TURN = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """The broker, and what stands before every topic's name; the HTTP edge, where there is one.

    `first_turn` sets runs on one broker apart: numbers begin with it, and a later run does not read what was before.
    """

    servers: str
    prefix: str
    first_turn: int = 1
    edge: Edge | None = None

    @property
    def first_id(self) -> int:
        return self.first_turn * IDS_PER_TURN


class Post:
    """Sends records, one after the other acknowledged; use it in an `async with` block."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.sent = 0
        self._producer = AIOKafkaProducer(bootstrap_servers=line.servers, acks="all")

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except BaseException:
            await self._producer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()
        print(f"sent {self.sent} records", flush=True)  # noqa: T201 - whoever started this partner counts them

    async def send(self, wire: Wire) -> None:
        await self._producer.send_and_wait(
            f"{self._line.prefix}{wire.topic}", wire.value, key=wire.key, headers=list(wire.headers)
        )
        self.sent += 1


@asynccontextmanager
async def reading(line: Line, topics: Iterable[str]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of `topics` that commits nothing."""
    names = [f"{line.prefix}{topic}" for topic in topics]
    consumer = AIOKafkaConsumer(
        *names,
        bootstrap_servers=line.servers,
        auto_offset_reset="earliest" if line.first_turn == 1 else "latest",
        fetch_max_wait_ms=POLL_MS,
        metadata_max_age_ms=METADATA_MS,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


class Hearing:
    """What the feeds have told. Events told twice, as at-least-once allows, are heard once."""

    def __init__(self) -> None:
        self._heard: defaultdict[tuple[str, str], asyncio.Queue[Told]] = defaultdict(asyncio.Queue)
        self._ids: set[str] = set()

    async def next(self, job: str, kind: str) -> Told:
        """The next event of `kind` about `job` (by whatever name it is listened for), now or when it comes."""
        return await self._heard[job, kind].get()

    async def listen(
        self, line: Line, topics: Iterable[str], name: Callable[[Told], str], on_told: Callable[[Told], None]
    ) -> None:
        """Reads `topics` without end; `on_told` is called for each event, `name` says under which name it is kept."""
        async with reading(line, topics) as consumer:
            while True:
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        self.hear(read_told(record.value, record.headers), name, on_told)

    def hear(self, told: Told, name: Callable[[Told], str], on_told: Callable[[Told], None]) -> None:
        """Keeps what was told once, under the name that `name` gives it, and passes it on."""
        if told.id in self._ids:
            return
        self._ids.add(told.id)
        self._heard[name(told), told.type].put_nowait(told)
        on_told(told)
