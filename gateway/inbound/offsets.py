"""Tells Kafka how far a consumer has settled, behind its batches: a batch does not wait for the one before it.

What Kafka was not told when the process ends is read again, and known at first sight.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiokafka import TopicPartition

from gateway.inbound.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiokafka import AIOKafkaConsumer, ConsumerRecord

log = logging.getLogger(__name__)

COMMIT_SECONDS = 10.0


class Offsets:
    """One commit is on its way at a time; the next one takes all that was settled meanwhile."""

    def __init__(self, consumer: Callable[[], AIOKafkaConsumer]) -> None:
        self._consumer = consumer
        self._due: dict[TopicPartition, int] = {}
        self._committing: asyncio.Task[None] | None = None

    def settled(self, records: Iterable[ConsumerRecord[bytes, bytes]]) -> None:
        """These records are in the database, their transaction committed."""
        self._due |= {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit())

    async def told(self) -> None:
        """Returns when Kafka knows of everything, or after `COMMIT_SECONDS`."""
        if self._committing is not None:
            await asyncio.wait([self._committing], timeout=COMMIT_SECONDS)

    async def give_up(self) -> None:
        """Tells what can be told in time and forgets the rest: the partitions are another consumer's from now on."""
        await self.told()
        self._due = {}
        if self._committing is not None:
            self._committing.cancel()

    async def _commit(self) -> None:
        backoff = Backoff()
        while self._due:
            assigned = self._consumer().assignment()
            due = {partition: offset for partition, offset in self._due.items() if partition in assigned}
            self._due = {}
            try:
                async with asyncio.timeout(COMMIT_SECONDS):
                    await self._consumer().commit(due) if due else None
            except Exception as error:  # noqa: BLE001 - the broker is away: it is told later, or reads again
                log.warning("offsets.late", extra={"error": type(error).__name__})
                self._due = due | self._due
                await backoff.wait()
