"""Publishes to Kafka topics: acknowledged by all replicas, in the partition of each document's key.

Order is the relay's: it sends the next document of a lane only after this one was acknowledged. So the producer needs
no idempotence, and what it sends twice is a duplicate that receivers know by its id.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerClosed,
    RecordListTooLargeError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from gateway.outbound.outcome import Delivered, Fault, Outcome, Rejected, Retryable
from gateway.outbound.topics import Cluster, ensure_topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiokafka.structs import RecordMetadata

    from gateway.outbound.publisher import Outgoing

LARGEST_RECORD = 8 * 1024 * 1024

_AWAY = Retryable(Fault.TRANSPORT_AWAY)


class KafkaPublisher:
    """Serves destinations of kind `kafka`, whose setting `topic` stands after `topic_prefix`.

    Everything it begins ends within `timeout` seconds.
    """

    kind = "kafka"

    def __init__(self, cluster: Cluster, *, topic_prefix: str, timeout: float = 10.0, linger_ms: int = 0) -> None:
        self.timeout = timeout
        self._cluster = cluster
        self._prefix = topic_prefix
        self._linger_ms = linger_ms
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._topics: set[str] = set()
        self._closing: set[asyncio.Task[None]] = set()

    async def publish(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """As the protocol says. Nothing acknowledged in time by any partition means that the broker is away."""
        try:
            # A little less than what was promised: closing and recording take time too.
            async with asyncio.timeout(self.timeout * 0.95):
                return await self._publish(batch)
        except (TimeoutError, KafkaError, OSError):
            self._replace_producer()
            return [_AWAY] * len(batch)

    async def close(self) -> None:
        """Closes the producer, and waits for those that were replaced."""
        self._replace_producer()
        if self._closing:
            await asyncio.wait(self._closing, timeout=self.timeout)

    async def _publish(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        topics = [self._topic(one) for one in batch]
        refused = await self._ensure(topics)
        producer = await self._running_producer()
        sent = [
            refused[topic] if topic in refused else await _send(producer, topic, one)
            for topic, one in zip(topics, batch, strict=True)
        ]
        # Futures of one producer end by its own time-out, half of ours: nothing is left undecided by it.
        answers = await asyncio.gather(
            *(one for one in sent if isinstance(one, asyncio.Future)), return_exceptions=True
        )
        return self._outcomes(topics, sent, answers)

    def _outcomes(
        self,
        topics: Sequence[str],
        sent: Sequence[Outcome | asyncio.Future[RecordMetadata]],
        answers: Iterable[RecordMetadata | BaseException],
    ) -> list[Outcome]:
        remaining = iter(answers)
        results = [_outcome(next(remaining)) if isinstance(one, asyncio.Future) else one for one in sent]
        failed = [one for one in results if one == _AWAY]
        if failed:
            self._replace_producer()
        if failed and any(isinstance(one, Delivered) for one in results):
            # The broker is there; these few have a trouble of their own, and count.
            results = [Retryable(Fault.TIMEOUT) if one == _AWAY else one for one in results]
        for topic, one in zip(topics, results, strict=True):
            if isinstance(one, Retryable) and one.reason is Fault.TOPIC_UNAVAILABLE:
                self._topics.discard(topic)
        return results

    def _topic(self, one: Outgoing) -> str:
        name = one.destination.settings.get("topic")
        return f"{self._prefix}{name}" if name else ""

    async def _ensure(self, topics: Iterable[str]) -> dict[str, Outcome]:
        """Makes topics met for the first time; by name, the outcome for those that cannot be."""
        refused: dict[str, Outcome] = {"": Rejected(Fault.MISCONFIGURED, "the destination names no topic")}
        new = set(topics) - self._topics - refused.keys()
        if new:
            errors = await ensure_topics(self._cluster, new, within=self.timeout / 2)
            self._topics |= new - errors.keys()
            refused |= {name: _refused_topic(error) for name, error in errors.items()}
        return refused

    async def _running_producer(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._cluster.servers,
                    acks="all",
                    linger_ms=self._linger_ms,
                    max_batch_size=256 * 1024,
                    max_request_size=LARGEST_RECORD,
                    compression_type="zstd",
                    request_timeout_ms=int(self.timeout * 1000 / 2),
                    **dict(self._cluster.security),
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    def _replace_producer(self) -> None:
        """A producer whose send timed out is closed: it might still flush what will be sent again by another."""
        producer, self._producer = self._producer, None
        if producer is not None:
            task = asyncio.create_task(self._stop(producer))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        try:
            async with asyncio.timeout(self.timeout / 2):
                await producer.stop()
        except (TimeoutError, KafkaError, OSError):
            # Connections that do not even close go with the process.
            await producer.client.close()


async def _send(producer: AIOKafkaProducer, topic: str, one: Outgoing) -> Outcome | asyncio.Future[RecordMetadata]:
    document = one.document
    try:
        sending: asyncio.Future[RecordMetadata] = await producer.send(
            topic, document.body, key=document.key, headers=list(document.headers)
        )
    except KafkaError as error:
        return _outcome(error)
    return sending


def _outcome(answer: RecordMetadata | BaseException) -> Outcome:
    match answer:
        case MessageSizeTooLargeError() | RecordListTooLargeError() | RecordTooLargeError():
            return Rejected(Fault.TOO_LARGE, type(answer).__name__)
        case InvalidTopicError():
            return Rejected(Fault.MISCONFIGURED, type(answer).__name__)
        case TopicAuthorizationFailedError():
            return Retryable(Fault.NOT_AUTHORIZED, type(answer).__name__)
        case UnknownTopicOrPartitionError():
            return Retryable(Fault.TOPIC_UNAVAILABLE, type(answer).__name__)
        case KafkaTimeoutError() | ProducerClosed():
            return _AWAY
        case KafkaError() if answer.retriable:
            return _AWAY
        case KafkaError():
            return Retryable(Fault.REFUSED, type(answer).__name__)
        case BaseException():
            raise answer
        case _:
            return Delivered()


def _refused_topic(error: type[KafkaError]) -> Outcome:
    if issubclass(error, InvalidTopicError):
        return Rejected(Fault.MISCONFIGURED, error.__name__)
    return Retryable(Fault.TOPIC_UNAVAILABLE, error.__name__)
