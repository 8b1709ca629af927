"""The channel adapter: one batch subscriber for every inbound topic, shaped so that nothing is lost.

FastStream's own policies commit past a record that fails to parse or is not settled. So: manual acknowledgement, a
parser and decoder that cannot fail, a handler that raises for broken infrastructure only, and a lock that the
rebalance waits for. The database commits first, the offset after (`offsets`); what is read twice is recognised at first
sight.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiokafka import ConsumerRebalanceListener, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from gateway.inbound.backoff import Backoff
from gateway.inbound.moments import LATEST
from gateway.inbound.offsets import Offsets
from gateway.inbound.receive import TooManyBugs
from gateway.inbound.record import RawRecord
from gateway.store.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, ConsumerRecord

    from gateway.inbound.doors import Doors

log = logging.getLogger(__name__)

REBALANCE_TIMEOUT_MS = 60_000
HEARTBEAT_MS = 2_000
# How soon topics of new sources are found.
METADATA_MS = 30_000
GRACEFUL_SECONDS = 20.0
MOST_TASKS = 5
MAX_RECORD_BYTES = 8 * 1024 * 1024
# A fetch that was answered this long ago may have missed what was appended since.
IDLE_MARGIN = timedelta(seconds=2)

LOG_APPEND_TIME = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ConsumerStuck(RuntimeError):
    """The consumer has stopped by itself: the process ends, and whatever watches it starts it again."""


def kafka_broker(cluster: Any) -> KafkaBroker:
    """A broker of `cluster`, without FastStream's own logging, type coercion or creation of topics."""
    return KafkaBroker(
        cluster.servers,
        logger=logging.getLogger("faststream"),
        apply_types=False,
        allow_auto_create_topics=False,
        metadata_max_age_ms=METADATA_MS,
        acks="all",
        graceful_timeout=GRACEFUL_SECONDS,
        security=_security(cluster.security),
    )


def _security(named: Mapping[str, Any]) -> BaseSecurity | None:
    """FastStream's form of what aiokafka's clients take as separate arguments."""
    protocol, context = named.get("security_protocol", "PLAINTEXT"), named.get("ssl_context")
    if protocol == "PLAINTEXT":
        return None
    if not protocol.startswith("SASL"):
        return BaseSecurity(context, use_ssl=True)
    mechanism = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    kind = mechanism[named["sasl_mechanism"]]
    return kind(named["sasl_plain_username"], named["sasl_plain_password"], context, use_ssl=protocol == "SASL_SSL")


class Drain(ConsumerRebalanceListener):  # type: ignore[misc]
    """Lets a rebalance take partitions away only between batches: what was begun is settled and committed first."""

    def __init__(self, offsets: Offsets) -> None:
        self.lock = asyncio.Lock()
        self._offsets = offsets

    async def on_partitions_revoked(self, revoked: object) -> None:
        async with self.lock:
            await self._offsets.give_up()
            log.info("partitions.revoked", extra={"partitions": str(revoked)})

    async def on_partitions_assigned(self, assigned: object) -> None:
        log.info("partitions.assigned", extra={"partitions": str(assigned)})


class Subscription:
    """The running subscriber: hands each batch to `receive`, and its offsets on to be committed after that returns."""

    def __init__(
        self,
        broker: KafkaBroker,
        doors: Doors,
        receive: Callable[[Sequence[RawRecord]], Awaitable[object]],
        *,
        group: str,
        batch_records: int,
        batch_wait_ms: int,
        session_timeout_ms: int,
    ) -> None:
        self._doors = doors
        self._receive = receive
        self._backoff = Backoff()
        self._gave_up: TooManyBugs | None = None
        self._finishing = False
        self.offsets = Offsets(lambda: self.consumer)
        self.drain = Drain(self.offsets)
        self._pattern = doors.pattern()
        self._subscriber = broker.subscriber(
            pattern=self._pattern,
            batch=True,
            max_records=batch_records,
            batch_timeout_ms=batch_wait_ms,
            group_id=group,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            listener=self.drain,
            session_timeout_ms=session_timeout_ms,
            heartbeat_interval_ms=min(HEARTBEAT_MS, session_timeout_ms // 3),
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            max_partition_fetch_bytes=MAX_RECORD_BYTES,
            fetch_max_wait_ms=20,
            parser=self._parse,
            decoder=self._decode,
        )
        self._subscriber(self._settle_batch)

    async def _parse(self, batch: tuple[ConsumerRecord[bytes, bytes], ...]) -> KafkaAckableMessage:
        """Looks at nothing that a sender wrote: a header that is not UTF-8 would lose the whole batch here."""
        first, last = batch[0], batch[-1]
        return KafkaAckableMessage(
            raw_message=batch,
            body=b"",
            headers={},
            batch_headers=[{} for _ in batch],
            message_id=f"{first.topic}-{first.partition}-{first.offset}-{last.offset}",
            consumer=self.consumer,
        )

    async def _decode(self, message: KafkaAckableMessage) -> KafkaAckableMessage:
        """Nothing: the handler is given the message itself, with the raw records."""
        return message

    async def _settle_batch(self, message: KafkaAckableMessage) -> None:
        failure: Exception | None = None
        async with self.drain.lock:
            try:
                await self._receive([self._raw(record) for record in message.raw_message])
            except Exception as error:  # noqa: BLE001 - whatever is broken, the batch is read again
                failure = error
                self._rewind(message.raw_message)
            else:
                self.offsets.settled(message.raw_message)
                if self._finishing:
                    await self.offsets.told()
        if failure is None:
            self._backoff.succeeded()
            return
        if isinstance(failure, TooManyBugs):
            self._gave_up = failure
        log.warning("batch.failed", exc_info=failure)
        # Outside the lock, or a rebalance would wait for it too; well under the poll interval.
        await self._backoff.wait()

    def _rewind(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Back to the first record of each partition. One that was taken away meanwhile is its new owner's to read;
        FastStream's `nack` would stop there, and the rest of the batch would be skipped.
        """
        first: dict[TopicPartition, int] = {}
        for record in records:
            first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
        for partition in first.keys() & self.consumer.assignment():
            self.consumer.seek(partition, first[partition])

    def _raw(self, record: Any) -> RawRecord:
        door = self._doors.door(record.topic)
        appended = _moment(record.timestamp)
        is_append_time = record.timestamp_type == LOG_APPEND_TIME
        return RawRecord(
            door=record.topic,
            partition=record.partition,
            offset=record.offset,
            append_time=appended,
            arrived_at=appended if is_append_time else datetime.now(UTC),
            key=record.key,
            headers=tuple(record.headers),
            value=record.value,
            bound_source=door.bound_source,
            side=door.side,
            brand=door.confirms,
        )

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The one consumer, once the broker has started."""
        consumer = self._subscriber.consumer
        if consumer is None:
            raise LookupError("the subscriber has not started")
        return consumer

    def check(self) -> None:
        """Raises `ConsumerStuck` where the consume loop has ended by itself, or must not go on."""
        if self._gave_up is not None:
            raise ConsumerStuck(str(self._gave_up)) from self._gave_up
        tasks = self._subscriber.tasks
        if tasks and (len(tasks) > MOST_TASKS or all(task.done() for task in tasks)):
            raise ConsumerStuck("the consume loop has ended")

    async def finish(self) -> None:
        """Before the broker is stopped: from now on every batch waits until Kafka knows of it."""
        self._finishing = True
        await self.offsets.told()

    def follow(self) -> None:
        """Subscribes to the topics that brands have got of their own since; a rebalance then assigns them."""
        pattern = self._doors.pattern()
        if pattern != self._pattern:
            self._pattern = pattern
            self.consumer.subscribe(pattern=pattern, listener=self.drain)
            log.info("topics.subscribed", extra={"pattern": pattern})

    async def idle_partitions(self, now: datetime) -> list[Intake]:
        """How far partitions without new records have been read and settled: to their end, as of the last fetch."""
        consumer = self.consumer
        idle = []
        for partition in consumer.assignment():
            found = await _caught_up_to(consumer, partition, now)
            if found is not None:
                offset, moment = found
                idle.append(Intake(partition.topic, partition.partition, 0, None, offset - 1, moment))
        return idle


async def _caught_up_to(
    consumer: AIOKafkaConsumer, partition: TopicPartition, now: datetime
) -> tuple[int, datetime] | None:
    """What was fetched may still be on its way into the database: only what is committed was settled."""
    if partition not in consumer.assignment():
        return None
    end, polled = consumer.highwater(partition), consumer.last_poll_timestamp(partition)
    if end is None or polled is None:
        return None
    settled = await consumer.committed(partition)
    if settled is None:
        settled = (await consumer.beginning_offsets([partition]))[partition]
    if settled < end:
        return None
    return end, min(_moment(polled), now) - IDLE_MARGIN


def _moment(milliseconds: int) -> datetime:
    """A broker's time; where its records carry their senders' times, that may be any number."""
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return LATEST if milliseconds > 0 else _EPOCH
