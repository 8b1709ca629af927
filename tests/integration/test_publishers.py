"""Every publisher against the one conformance suite, and what is Kafka's own."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from sqlalchemy import select

from gateway.children import free_port
from gateway.core.visibility import Audience
from gateway.outbound.feed import FeedPublisher
from gateway.outbound.kafka import KafkaPublisher
from gateway.outbound.outcome import Delivered, Fault, Rejected, Retryable
from gateway.outbound.topics import Cluster, ensure_topics
from gateway.store.destinations import Destination
from gateway.store.tables_control import feed_position
from tests.eventually import eventually
from tests.integration.publisher_conformance import (
    PublisherConformance,
    SendingConformance,
    Silent,
    destination_of,
    outgoing,
)
from tests.outbound import RecordingPublisher, SendingPublisher, opened

LARGEST = 8 * 1024 * 1024


class Recorded:
    def __init__(self, publisher):
        self.publisher = publisher

    async def of(self, destination, _count):
        return [one.document.body for one in self.publisher.arrived if one.destination == destination]


def refuse_too_large(one):
    return Rejected(Fault.TOO_LARGE) if len(one.document.body) > LARGEST else None


def refuse_unusable(one):
    return None if "topic" in one.destination.settings else Rejected(Fault.MISCONFIGURED)


class TestRecordingPublisher(PublisherConformance):
    """The double that other tests use keeps the same promises."""

    @pytest.fixture
    def publisher(self):
        return RecordingPublisher(refuse_too_large, refuse_unusable)

    @pytest.fixture
    def reader(self, publisher):
        return Recorded(publisher)


class TestSendingPublisher(SendingConformance):
    """And the one that sends one by one."""

    @pytest.fixture
    def publisher(self):
        return SendingPublisher(refuse_too_large, refuse_unusable)

    @pytest.fixture
    def reader(self, publisher):
        return Recorded(publisher)

    @pytest.fixture
    def silent(self, publisher):
        feed = destination_of(publisher.kind, "feed.silent", number=5)
        publisher.hanging.add(feed.name)
        return Silent(feed, publisher.asked.wait, lambda: eventually(lambda: not publisher.under_way[feed.name]))


class Topics:
    """Reads topics from their beginning."""

    def __init__(self, servers, prefix):
        self.servers = servers
        self.prefix = prefix

    async def records(self, destination, count):
        consumer = AIOKafkaConsumer(
            f"{self.prefix}{destination.settings['topic']}",
            bootstrap_servers=self.servers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            await consumer.start()
            async with asyncio.timeout(20):
                return [await consumer.getone() for _ in range(count)]
        finally:
            await consumer.stop()

    async def of(self, destination, count):
        return [record.value for record in await self.records(destination, count)]


class Positions:
    """Reads the positions of feeds, and what was published at each."""

    def __init__(self, database):
        self.database = database
        self.bodies = {}

    async def of(self, destination, _count):
        position = feed_position.c
        query = select(position.delivery).where(position.destination == destination.number).order_by(position.position)
        async with self.database.transaction() as connection:
            return [self.bodies[number] for number in (await connection.execute(query)).scalars()]


class TestFeedPublisher(PublisherConformance):
    """What it has delivered stands in the database, once it was recorded."""

    @pytest.fixture
    async def reader(self, database_url):
        async with opened(database_url) as database:
            self.reads = Positions(database)
            yield self.reads

    @pytest.fixture
    def publisher(self, reader):
        return FeedPublisher()

    def unusable(self, publisher):
        return Destination(number=9, name="broken", kind=publisher.kind, audience=Audience.CUSTOMER)

    async def publish(self, publisher, batch):
        self.reads.bodies |= {one.delivery.number: one.document.body for one in batch}
        outcomes = await publisher.publish(batch)
        async with self.reads.database.transaction() as transaction:
            delivered = [one.delivery for one, outcome in zip(batch, outcomes, strict=True) if outcome == Delivered()]
            await publisher.on_record(transaction, delivered)
        return outcomes


@pytest.fixture
async def kafka_publisher(kafka, topic_prefix):
    cluster = Cluster(servers=kafka.servers, partitions=3)
    publisher = KafkaPublisher(cluster, topic_prefix=topic_prefix, timeout=10.0)
    yield publisher
    await publisher.close()


@pytest.fixture
def topics(kafka, topic_prefix):
    return Topics(kafka.servers, topic_prefix)


class TestKafkaPublisher(PublisherConformance):
    """The real one, on a real broker."""

    @pytest.fixture
    def publisher(self, kafka_publisher):
        return kafka_publisher

    @pytest.fixture
    def reader(self, topics):
        return topics


async def test_records_carry_the_key_and_headers_of_their_document(kafka_publisher, topics):
    feed = destination_of("kafka", "feed.acme.v1")
    assert await kafka_publisher.publish([outgoing(feed, 7, b"{}")]) == [Delivered()]
    [record] = await topics.records(feed, 1)
    assert (record.key, record.value, record.headers) == (b"job-7", b"{}", (("content-type", b"text/plain"),))


async def test_all_records_of_a_key_are_in_one_partition(kafka_publisher, topics):
    feed = destination_of("kafka", "feed.acme.v1")
    for _ in range(3):
        await kafka_publisher.publish([outgoing(feed, lane) for lane in range(1, 21)])
    records = await topics.records(feed, 60)
    assert len({(record.key, record.partition) for record in records}) == 20
    assert len({record.partition for record in records}) == 3


async def test_topics_are_made_with_their_settings(kafka, kafka_publisher, topic_prefix):
    await kafka_publisher.publish([outgoing(destination_of("kafka", "feed.acme.v1"), 1)])
    name = f"{topic_prefix}feed.acme.v1"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.servers)
    await admin.start()
    try:
        [described] = await admin.describe_topics([name])
        wanted = ConfigResource(ConfigResourceType.TOPIC, name)
        [response] = await admin.describe_configs([wanted])
    finally:
        await admin.close()
    assert len(described["partitions"]) == 3
    configs = {entry[0]: entry[1] for resource in response.resources for entry in resource[4]}
    assert configs["message.timestamp.type"] == "LogAppendTime"
    assert configs["max.message.bytes"] == str(LARGEST)


async def test_a_topic_that_is_there_already_is_left_as_it_is(kafka, topic_prefix):
    name = f"{topic_prefix}mine"
    assert await ensure_topics(Cluster(servers=kafka.servers, partitions=2), [name], within=10) == {}
    assert await ensure_topics(Cluster(servers=kafka.servers, partitions=5), [name], within=10) == {}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.servers)
    await admin.start()
    try:
        [described] = await admin.describe_topics([name])
    finally:
        await admin.close()
    assert len(described["partitions"]) == 2


@pytest.mark.needs_apache_kafka
async def test_a_topic_name_that_kafka_refuses_is_rejected_and_harms_no_neighbour(kafka_publisher):
    bad, good = destination_of("kafka", "no spaces allowed"), destination_of("kafka", "feed.acme.v1", number=2)
    refused, delivered = await kafka_publisher.publish([outgoing(bad, 1), outgoing(good, 2)])
    assert refused == Rejected(Fault.MISCONFIGURED, "InvalidTopicError")
    assert delivered == Delivered()


async def test_without_a_broker_everything_is_transport_away_within_the_time_out():
    publisher = KafkaPublisher(Cluster(servers=f"127.0.0.1:{free_port()}"), topic_prefix="t.", timeout=2.0)
    begun = time.monotonic()
    feed = destination_of("kafka", "feed.acme.v1")
    assert await publisher.publish([outgoing(feed, 1), outgoing(feed, 2)]) == [Retryable(Fault.TRANSPORT_AWAY)] * 2
    assert time.monotonic() - begun < 2.0
    await publisher.close()


def has_stopped(pid):
    """Whether every thread of a process stands still."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return all((thread / "stat").read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


@pytest.mark.needs_apache_kafka
async def test_a_broker_that_hangs_costs_one_time_out_and_a_new_producer(breakable_kafka, topic_prefix):
    """Nothing is counted against the deliveries; the replaced producer's late records are duplicates."""
    topics = Topics(breakable_kafka.servers, topic_prefix)
    publisher = KafkaPublisher(Cluster(servers=breakable_kafka.servers), topic_prefix=topic_prefix, timeout=3.0)
    feed = destination_of("kafka", "feed.acme.v1")
    assert await publisher.publish([outgoing(feed, 1, b"before")]) == [Delivered()]
    os.kill(breakable_kafka._child.pid, signal.SIGSTOP)
    try:
        # The signal is sent, not yet obeyed: a thread that runs may still answer.
        await eventually(lambda: has_stopped(breakable_kafka._child.pid))
        begun = time.monotonic()
        assert await publisher.publish([outgoing(feed, 1, b"hangs")]) == [Retryable(Fault.TRANSPORT_AWAY)]
        assert time.monotonic() - begun < 3.0
    finally:
        os.kill(breakable_kafka._child.pid, signal.SIGCONT)

    async def delivered():
        return await publisher.publish([outgoing(feed, 1, b"after")]) == [Delivered()]

    await eventually(delivered, within=60)
    bodies = await topics.of(feed, 2)
    assert bodies[0] == b"before"
    await publisher.close()
