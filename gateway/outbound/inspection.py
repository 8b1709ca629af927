"""Looks at a Kafka cluster without changing it: whether it answers, which topics there are, how they are set."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from gateway.core.values import dataclass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from gateway.outbound.topics import Cluster

UNREACHABLE = (OSError, TimeoutError, KafkaError)


@dataclass(frozen=True, slots=True)
class TopicFound:
    """A topic as it is; `settings` is empty where the broker does not tell."""

    partitions: int
    settings: Mapping[str, str]


def has_fast_client() -> bool:
    """Whether aiokafka has its C extensions: it works without, several times slower, and says nothing."""
    try:
        importlib.import_module("aiokafka.record._crecords.default_records")
    except ImportError:
        return False
    return True


async def reach(cluster: Cluster, *, within: float) -> None:
    """Returns once the cluster has answered; raises one of `UNREACHABLE` where it does not."""
    async with asyncio.timeout(within), _asked(cluster):
        pass


async def find_topics(cluster: Cluster, names: Iterable[str], *, within: float) -> dict[str, TopicFound]:
    """Those of `names` that there are. Raises one of `UNREACHABLE` where the cluster does not answer."""
    wanted = set(names)
    async with asyncio.timeout(within), _asked(cluster) as admin:
        # All topics: asking for one by name would make it where the broker makes topics by itself.
        listed = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
        there = sorted(wanted & listed.keys())
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
        answers = await admin.describe_configs(resources) if resources else []
    settings = {
        resource[3]: {entry[0]: str(entry[1]) for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
    return {name: TopicFound(listed[name], settings.get(name, {})) for name in there}


@asynccontextmanager
async def _asked(cluster: Cluster) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.servers, **dict(cluster.security))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
