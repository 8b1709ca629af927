"""Makes topics, with their settings, before anything is sent to them; a broker's own creation is never relied on."""

from __future__ import annotations

import asyncio
from dataclasses import field
from typing import TYPE_CHECKING, Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NodeNotReadyError, NoError, TopicAlreadyExistsError, for_code
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from gateway.core.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Append time, so that an arrival is when the broker took a record and not when its sender says so.
TOPIC_CONFIG = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(8 * 1024 * 1024)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Kafka cluster and how topics are made there. `security`: as aiokafka's clients name those arguments."""

    servers: str
    partitions: int = 6
    replication: int = 1
    security: Mapping[str, Any] = field(default_factory=dict)


async def ensure_topics(cluster: Cluster, names: Iterable[str], *, within: float) -> dict[str, type[KafkaError]]:
    """Makes the topics that are not there yet; those there are left as they are.

    Returns the broker's refusals by name. Raises KafkaError, OSError or TimeoutError where the broker cannot be reached
    within `within` seconds.
    """
    topics = [
        NewTopic(name, cluster.partitions, cluster.replication, topic_configs=TOPIC_CONFIG)
        for name in sorted(set(names))
    ]
    if not topics:
        return {}
    admin = AIOKafkaAdminClient(
        bootstrap_servers=cluster.servers, request_timeout_ms=int(within * 1000), **dict(cluster.security)
    )
    # A cluster that has just started names no controller for a moment.
    patience = AsyncRetrying(
        retry=retry_if_exception_type(NodeNotReadyError),
        stop=stop_after_delay(within / 2),
        wait=wait_fixed(0.1),
        reraise=True,
    )
    try:
        async with asyncio.timeout(within):
            await admin.start()
            answers: dict[str, type[KafkaError]] = await patience(_create, admin, topics)
    finally:
        await admin.close()
    return {name: error for name, error in answers.items() if error not in {NoError, TopicAlreadyExistsError}}


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> dict[str, type[KafkaError]]:
    try:
        response = await admin.create_topics(topics)
    except AttributeError as error:
        # How aiokafka 0.14 says that it knows no controller.
        raise NodeNotReadyError from error
    return {answer[0]: for_code(answer[1]) for answer in response.topic_errors}
