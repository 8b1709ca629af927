"""What FastStream and Kafka would lose, were it not for the shape of the subscriber; each on a real broker.

An upgrade that changes one of these answers is caught here.
"""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from gateway.inbound.receive import TooManyBugs
from gateway.inbound.subscribers import ConsumerStuck, Subscription, kafka_broker
from gateway.outbound.topics import Cluster, ensure_topics
from gateway.store.tables import caught_up
from tests.eventually import eventually
from tests.inbound import Message, offer, opened

pytestmark = pytest.mark.needs_apache_kafka

PARTITIONS = 2
NOT_UTF8, NULL = (("trace", b"\xff\xfe"),), (("trace", None),)


class Kafka:
    """The topics of one test, and what its consumer group has committed."""

    def __init__(self, servers, prefix):
        self.cluster = Cluster(servers=servers, partitions=PARTITIONS)
        self.prefix, self.group = prefix, f"{prefix}gateway"
        self.topic = f"{prefix}offers.evergreen-warranty.v1"
        self.places = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]

    async def send(self, *messages: Message):
        """Each to the partition that its turn says."""
        producer = AIOKafkaProducer(bootstrap_servers=self.cluster.servers, acks="all", max_request_size=8_000_000)
        await producer.start()
        try:
            for index, message in enumerate(messages):
                partition = index % PARTITIONS
                await producer.send(
                    self.topic, message.value, key=b"k", headers=list(message.headers), partition=partition
                )
        finally:
            await producer.stop()

    async def committed(self):
        """By partition, what the group has committed and where the partition ends."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.cluster.servers, group_id=self.group)
        await consumer.start()
        try:
            consumer.assign(self.places)
            ends = await consumer.end_offsets(self.places)
            return [(await consumer.committed(place) or 0, ends[place]) for place in self.places]
        finally:
            await consumer.stop()

    async def all_is_committed(self):
        return all(done == end for done, end in await self.committed())

    @asynccontextmanager
    async def member(self, road, receive=None, *, graceful_seconds=20.0, **settings):
        """One process of the role that consumes."""
        broker = kafka_broker(self.cluster)
        broker.config.broker_config.graceful_timeout = graceful_seconds
        take_in = receive or road.receiver.receive
        options = {"group": self.group, "batch_records": 50, "batch_wait_ms": 10, "session_timeout_ms": 3000}
        subscription = Subscription(broker, road.gateway.doors, take_in, **options | settings)
        await broker.start()
        try:
            yield subscription
        finally:
            await subscription.finish()
            await broker.stop()


@pytest.fixture
async def topics(kafka, topic_prefix):
    topics = Kafka(kafka.servers, topic_prefix)
    assert await ensure_topics(topics.cluster, [topics.topic], within=20) == {}
    return topics


@pytest.fixture
async def road(staffed_postgres_url, topic_prefix):
    async with opened(staffed_postgres_url, prefix=topic_prefix) as road:
        yield road


async def taken_in(road, topics):
    rows = [row for row in await road.records() if row["door"] == topics.topic]
    return sorted((row["partition"], row["offset"]) for row in rows)


def everywhere(count):
    return sorted((number % PARTITIONS, number // PARTITIONS) for number in range(count))


POISON = {
    "bodies": [Message("", b"{no"), Message("", b""), Message("", None), Message("", b"\xff" * 20), Message("", b"x" * 3_000_000)],
    "headers": [Message("", offer("P").value, NOT_UTF8), Message("", offer("Q").value, NULL)],
}  # fmt: skip


@pytest.mark.parametrize("what", POISON)
async def test_poison_is_kept_alone_and_loses_no_neighbour(road, topics, what):
    poison = POISON[what]
    messages = [
        message for number, bad in enumerate(poison) for message in (offer(f"A-{number}"), bad, offer(f"B-{number}"))
    ]
    await topics.send(*messages)
    batches = []

    async def receive(records):
        batches.append(len(records))
        return await road.receiver.receive(records)

    async with topics.member(road, receive):
        await eventually(topics.all_is_committed, within=30)

    assert await taken_in(road, topics) == everywhere(len(messages))
    assert len(await road.jobs()) == 2 * len(poison)
    assert sum(batches) == len(messages), "each was read once: no hot loop"
    assert len(await road.receipts()) == len(poison)


async def test_a_database_that_goes_away_loses_nothing_and_is_not_asked_in_a_hot_loop(road, topics, breakable_postgres):
    attempts = []

    async def receive(records):
        attempts.append(len(records))
        return await road.receiver.receive(records)

    async with topics.member(road, receive, batch_records=5):
        await topics.send(*(offer(f"A-{number}") for number in range(10)))
        await eventually(topics.all_is_committed, within=30)
        await asyncio.to_thread(breakable_postgres.kill)
        before = len(attempts)
        await topics.send(*(offer(f"B-{number}") for number in range(10)))
        loop = asyncio.get_running_loop()
        gone_at = loop.time()
        await eventually(lambda: len(attempts) >= before + 3, within=30)
        took = loop.time() - gone_at
        await asyncio.to_thread(breakable_postgres.start)
        await eventually(topics.all_is_committed, within=60)

    assert took > 0.3, "it waits longer each time"
    assert await taken_in(road, topics) == everywhere(20)
    assert await road.is_balanced()


async def test_a_rebalance_in_the_middle_of_a_batch_hands_nothing_to_two(road, topics):
    """Without the lock the new member is given what the old one is still deciding."""
    await topics.send(*(offer(f"A-{number}") for number in range(20)))
    begun, go, given = asyncio.Event(), asyncio.Event(), []

    async def slow(records):
        begun.set()
        await go.wait()
        return await quick(records)

    async def quick(records):
        given.extend((record.partition, record.offset) for record in records)
        return await road.receiver.receive(records)

    async with topics.member(road, slow, batch_records=20) as first:
        await begun.wait()
        async with topics_joining(topics, road, quick) as joining:
            await eventually(lambda: first.drain.lock._waiters, within=30)
            assert not joining.done(), "it waits for what was begun"
            go.set()
            await asyncio.wait_for(joining, 30)
            await topics.send(*(offer(f"B-{number}") for number in range(20)))
            await eventually(topics.all_is_committed, within=30)

    assert sorted(given) == everywhere(40), "nothing was handed out twice"
    assert await taken_in(road, topics) == everywhere(40)
    assert await road.is_balanced()


@asynccontextmanager
async def topics_joining(topics, road, receive):
    """A second member that is on its way into the group."""
    broker = kafka_broker(topics.cluster)
    options = {"group": topics.group, "batch_records": 20, "batch_wait_ms": 10, "session_timeout_ms": 3000}
    Subscription(broker, road.gateway.doors, receive, **options)
    joining = asyncio.create_task(broker.start())
    try:
        yield joining
    finally:
        await joining
        await broker.stop()


async def test_what_was_committed_in_the_database_only_is_read_again_and_known(road, topics):
    """The crash between the two commits, as the consumer meets it: its offsets were never committed."""
    await topics.send(*(offer(f"A-{number}") for number in range(10)))
    committed = asyncio.Event()

    async def receive(records):
        await road.receiver.receive(records)
        committed.set()
        await asyncio.Event().wait()

    async with topics.member(road, receive, graceful_seconds=0.1):
        await asyncio.wait_for(committed.wait(), 20)
    assert [done for done, _ in await topics.committed()] == [0, 0]
    before = await road.ledger()

    results = []

    async def again(records):
        results.append(await road.receiver.receive(records))
        return results[-1]

    async with topics.member(road, again):
        await eventually(topics.all_is_committed, within=30)

    assert [entry for batch in results for entry in batch] == []
    assert await road.ledger() == before
    assert await taken_in(road, topics) == everywhere(10)


async def test_an_offset_that_could_not_be_committed_is_read_again_and_known(road, topics):
    calls = []

    async def receive(records):
        calls.append(len(records))
        entries = await road.receiver.receive(records)
        if len(calls) == 1:
            raise ConnectionError("after the commit")
        return entries

    await topics.send(*(offer(f"A-{number}") for number in range(10)))
    async with topics.member(road, receive):
        await eventually(topics.all_is_committed, within=30)
    assert await taken_in(road, topics) == everywhere(10)
    assert (await road.told()).count("job.offered") == 10
    assert await road.is_balanced()


async def test_a_consumer_that_fails_on_bugs_all_the_time_stops(road, topics):
    async def receive(_records):
        raise TooManyBugs("500 of 500")

    await topics.send(offer("A-1"))
    async with topics.member(road, receive) as subscription:
        with pytest.raises(ConsumerStuck):
            await eventually(subscription.check, within=20)
    assert (await topics.committed())[0][0] == 0


async def test_what_is_still_being_decided_does_not_count_as_read(road, topics):
    """Its answers are not in the database yet: an offer must not expire over them."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(records):
        begun.set()
        await go.wait()
        return await road.receiver.receive(records)

    async with topics.member(road, slow) as subscription:
        await eventually(subscription.consumer.assignment)
        idle = await eventually(lambda: subscription.idle_partitions(datetime.now(UTC)), within=20)
        assert {one.partition for one in idle} <= {0, 1}
        await topics.send(offer("A-1"))
        await begun.wait()
        assert 0 not in {one.partition for one in await subscription.idle_partitions(datetime.now(UTC))}
        go.set()
        await eventually(topics.all_is_committed, within=20)

        async def both_are_idle():
            return {one.partition for one in await subscription.idle_partitions(datetime.now(UTC))} == {0, 1}

        await eventually(both_are_idle, within=20)
    (row,) = await road.rows(caught_up, caught_up.c.topic == topics.topic)
    assert row["next_offset"] == 1
