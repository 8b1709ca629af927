"""Sends offers, and watches a topic until their events can be read there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.ground import Run

PATIENCE = 240.0


def offer(number: int, brand: str) -> bytes:
    """An offer of about 600 bytes."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"m-{number}",
            "source": "bench",
            "type": "offer.submit.v1",
            "subject": f"W-{number}",
            "data": {
                "brand": brand,
                "organization": {"id": f"P-{number % 50}", "name": f"Provider {number % 50}"},
                "title": "Dishwasher does not drain",
                "description": "The machine stops in the middle of a cycle and the water stays in the tub.",
                "service_type": "appliance",
                "customer": {"name": "Bo Berg", "phones": [{"number": "+15550100100"}]},
                "address": {"street_1": "1 Main Street", "city": "Springfield", "state": "IL", "postal_code": "62701"},
            },
        }
    )


class Watch:
    """Counts what arrives in a topic, from its beginning; `seen` is called with each value as it can be read."""

    def __init__(self, run: Run, topic: str, seen: Callable[[bytes], None] | None = None) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=run.kafka, fetch_max_wait_ms=10, auto_offset_reset="earliest"
        )
        self._topic = f"{run.prefix}{topic}"
        self._seen = seen
        self.count = 0

    async def start(self, partitions: int) -> None:
        await self._consumer.start()
        self._consumer.assign([TopicPartition(self._topic, number) for number in range(partitions)])

    async def until(self, count: int) -> float:
        """The moment at which `count` records had been read."""
        deadline = time.perf_counter() + PATIENCE
        while self.count < count:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{self.count} of {count} records in {self._topic}")
            batches = await self._consumer.getmany(timeout_ms=20)
            for records in batches.values():
                self.count += len(records)
                for record in records if self._seen else ():
                    self._seen(record.value)
        return time.perf_counter()

    async def close(self) -> None:
        await self._consumer.stop()


async def send_burst(run: Run, topic: str, bodies: list[bytes], partitions: int) -> None:
    """All of them as fast as the broker takes them, spread over the partitions."""
    producer = AIOKafkaProducer(bootstrap_servers=run.kafka, acks="all", linger_ms=5, max_batch_size=256 * 1024)
    await producer.start()
    sent = []
    for number, body in enumerate(bodies):
        key = f"W-{number}".encode()
        sent.append(await producer.send(f"{run.prefix}{topic}", body, key=key, partition=number % partitions))
    await asyncio.gather(*sent)
    await producer.stop()


async def send_steadily(run: Run, topic: str, bodies: list[bytes], per_second: int, at: dict[int, float]) -> None:
    """One after the other at a rate; `at` gets the moment at which each was handed to the producer."""
    producer = AIOKafkaProducer(bootstrap_servers=run.kafka, acks="all")
    await producer.start()
    begun = time.perf_counter()
    sent = []
    for number, body in enumerate(bodies):
        pause = begun + number / per_second - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        at[number] = time.perf_counter()
        sent.append(await producer.send(f"{run.prefix}{topic}", body, key=f"W-{number}".encode()))
    await asyncio.gather(*sent)
    await producer.stop()
