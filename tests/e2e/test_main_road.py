"""Kafka → database → Kafka by real processes: an offer goes in, is accepted and completed, and the feed tells it."""

import asyncio
import os
import signal
import subprocess
import sys

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.eventually import eventually

# Five starts of Python: a machine that is shared may be several times slower than an idle one.
pytestmark = pytest.mark.timeout(300)

BRAND, ACCOUNT = "harborline", "evergreen-warranty"


@pytest.fixture
def environment(database_url, kafka, topic_prefix):
    """What the processes of one test run in."""
    return {
        **os.environ,
        "GATEWAY_DATABASE_URL": database_url,
        "GATEWAY_KAFKA_SERVERS": kafka.servers,
        "GATEWAY_TOPIC_PREFIX": topic_prefix,
        "GATEWAY_KAFKA_PARTITIONS": "2",
        "GATEWAY_RELAY_LEASE_SECONDS": "5",
        "GATEWAY_CONSUMER_SESSION_SECONDS": "3",
        "GATEWAY_CONSUMER_GROUP": f"{topic_prefix}gateway",
        "GATEWAY_HTTP_PORT": "0",
    }


def gateway(environment, *words):
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words], env=environment, check=True, capture_output=True, text=True
    ).stdout


def start(environment, *words):
    return subprocess.Popen([sys.executable, "-m", "gateway", *words], env=environment)


def cloud_event(kind, subject, message_id, source, **content):
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": message_id,
            "source": source,
            "type": f"{kind}.v1",
            "subject": subject,
            "data": content,
        }
    )


class Feed:
    """Reads one topic from its beginning."""

    def __init__(self, servers, topic):
        self.consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
        self.seen = []

    async def __aenter__(self):
        await self.consumer.start()
        return self

    async def __aexit__(self, *_):
        await self.consumer.stop()

    async def read(self):
        for records in (await self.consumer.getmany(timeout_ms=200)).values():
            self.seen += [orjson.loads(record.value) for record in records]
        return self.seen

    async def until(self, count):
        return await eventually(lambda: self._at_least(count), within=60)

    async def _at_least(self, count):
        first_arrivals = {event["id"]: event for event in reversed(await self.read())}
        told = sorted(first_arrivals.values(), key=self.seen.index)
        return told if len(told) >= count else None


async def test_an_offer_travels_from_kafka_to_its_brands_feed_across_a_kill(environment, kafka, topic_prefix):
    gateway(environment, "migrate")
    gateway(environment, "brands", "import", "--author", "test", "--reason", "test")
    gateway(environment, "migrate")
    process = start(environment, "run")
    producer = AIOKafkaProducer(bootstrap_servers=kafka.servers, acks="all")
    await producer.start()
    try:
        async with Feed(kafka.servers, f"{topic_prefix}feed.{BRAND}.v1") as feed:
            offer = cloud_event(
                "offer.submit",
                "A-1",
                "m-1",
                ACCOUNT,
                brand=BRAND,
                title="No heat",
                organization={"id": "P-1", "name": "Smith Heating"},
                customer={"name": "Bo Berg", "phones": [{"number": "+15550100"}]},
            )
            await producer.send_and_wait(f"{topic_prefix}offers.{ACCOUNT}.v1", offer, key=b"A-1")
            (offered,) = await feed.until(1)
            job, organization = offered["data"]["job"]["id"], offered["data"]["job"]["organization"]["id"]

            process.send_signal(signal.SIGKILL)
            process.wait()
            actions = f"{topic_prefix}actions.v1"
            accept = cloud_event("offer.accept", job, "a-1", organization)
            add = cloud_event("appointment.add", job, "a-2", organization, id="V-1", start="2027-01-05T15:00:00Z")
            finish = cloud_event("appointment.complete", job, "a-3", organization, appointment="V-1", reason="REP")
            for value in (accept, add, finish, accept):
                await producer.send_and_wait(actions, value, key=job.encode())
            process = start(environment, "run")
            told = await feed.until(4)

        assert [event["type"] for event in told] == [
            "job.offered.v1",
            "job.accepted.v1",
            "appointment.scheduled.v1",
            "appointment.completed.v1",
        ]
        assert [(event["jobversion"], event["jobprevious"]) for event in told] == [(1, 0), (2, 1), (3, 2), (4, 3)]
        assert told[-1]["data"]["status"] == "complete"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    finally:
        process.kill()
        await producer.stop()
