"""Makes topics, with their settings, before anything is sent to them; a broker's own creation is never relied on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

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
    `within` seconds.
    """
    topics = [
        NewTopic(name, cluster.partitions, cluster.replication, topic_configs=TOPIC_CONFIG)
        for name in sorted(set(names))
    ]
    if not topics:
        return {}
    milliseconds = int(within * 1000)
    admin = AIOKafkaAdminClient(
        bootstrap_servers=cluster.servers, request_timeout_ms=milliseconds, **dict(cluster.security)
    )
    try:
        async with asyncio.timeout(within):
            await admin.start()
            response = await admin.create_topics(topics, timeout_ms=milliseconds)
    finally:
        await admin.close()
    answers = {answer[0]: for_code(answer[1]) for answer in response.topic_errors}
    return {name: error for name, error in answers.items() if error not in {NoError, TopicAlreadyExistsError}}
