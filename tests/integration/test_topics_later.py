"""Topics that come to be while the gateway runs are read without a restart, on a real broker."""

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from gateway import app
from gateway.app import Gateway
from gateway.inbound import subscribers
from gateway.settings import Settings
from gateway.store.tables import caught_up, destination, inbound_record, job
from gateway.store.tables_control import applied_version
from gateway.topics import prepare
from tests.eventually import eventually
from tests.inbound import LAKESIDE, PREFIX, Road, import_brands, offer, opened, provider
from tests.mapping_versions import harborline
from tests.profiles import bring_in, with_destination

IRONPEAKS = "claims.ironpeak.v1"


@pytest.fixture
def settings(kafka, topic_prefix):
    return Settings(
        kafka_servers=kafka.servers,
        topic_prefix=topic_prefix,
        kafka_partitions=2,
        consumer_group=f"{topic_prefix}gateway",
    )


@asynccontextmanager
async def consuming(settings, monkeypatch):
    """A gateway that reads, looking for new topics more often than it would."""
    monkeypatch.setattr(app, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr("gateway.keeper.REFRESH_SECONDS", 0.2)
    gateway = Gateway(settings)
    running = asyncio.create_task(gateway.run(["consume"]))
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_servers, acks="all")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
        gateway.stop.set()
        await asyncio.wait_for(running, 60)


async def test_a_brand_imported_later_has_its_own_topic_read(settings, database_url, monkeypatch):
    settings = settings.model_copy(update={"database_url": database_url})
    watching = Gateway(settings)
    road = Road(watching)
    try:
        await import_brands(watching, "harborline")
        await prepare(settings)
        async with consuming(settings, monkeypatch) as producer:
            await eventually(lambda: is_read(road, "actions.v1"), within=60)

            await import_brands(watching, "ironpeak")
            await prepare(settings)
            value = {"action": "REMIND", "messageNumber": "1", "claim": {"number": "C-1"}}
            await producer.send_and_wait(settings.topic_prefix + IRONPEAKS, orjson.dumps(value))

            (record,) = await eventually(road.records, within=60)
        assert (record["door"], record["type"], record["state"]) == (
            settings.topic_prefix + IRONPEAKS,
            "reminder.send",
            "parked",
        )
    finally:
        await watching.database.close()


async def test_a_brand_that_confirms_by_topic_has_one_of_its_own_and_no_other_brand_has(
    settings, staffed_url, topic_prefix, monkeypatch
):
    settings = settings.model_copy(update={"database_url": staffed_url})
    own = f"{topic_prefix}applied.harborline.v1"
    async with opened(staffed_url) as road:
        assert own not in await prepare(settings)
        async with consuming(settings, monkeypatch) as producer:
            await producer.send_and_wait(topic_prefix + offer().door.removeprefix(PREFIX), offer("A-1").value)
            await producer.send_and_wait(
                topic_prefix + offer().door.removeprefix(PREFIX), offer("B-1", brand="maplegrove").value
            )
            await eventually(lambda: road.rows(job, job.c.external_id == "B-1"), within=60)

            await bring_in(road, with_destination(harborline(2), "confirms: {by: topic}"))
            assert [topic for topic in await prepare(settings) if "applied." in topic] == [own]
            await producer.send_and_wait(own, orjson.dumps({"job": "A-1", "version": 1}))
            for name, version in (("A-1", 2), ("B-1", 1)):
                await producer.send_and_wait(own, orjson.dumps({"job": name, "version": version}))
            await eventually(lambda: told_of(road, own, 3), within=60)
        (noted,) = await road.rows(applied_version)
        assert (noted["brand"], noted["version"], noted["confirmed_by"]) == ("harborline", 1, "topic")
        ends = [row["reason"] for row in await road.records(inbound_record.c.door == own)]
        assert sorted(ends, key=str) == [None, "not_your_job", "unknown_jobversion"]
        assert await road.is_balanced()


async def told_of(road, door, records):
    return len(await road.records(inbound_record.c.door == door)) == records


async def is_read(road, topic):
    return await road.rows(caught_up, caught_up.c.topic == road.gateway.settings.topic_prefix + topic)


async def test_an_organization_that_asked_for_topics_acts_on_one_of_its_own(
    settings, staffed_url, topic_prefix, monkeypatch
):
    """`migrate` makes it; what comes in there is the organization's, whoever it says it is from."""
    monkeypatch.setattr(subscribers, "METADATA_MS", 500)
    settings = settings.model_copy(update={"database_url": staffed_url})
    own = f"{topic_prefix}actions.{LAKESIDE}.v1"

    async def send(message, topic=None):
        await producer.send_and_wait(topic or topic_prefix + message.door.removeprefix(PREFIX), message.value)

    async with opened(staffed_url) as road:
        assert own not in await prepare(settings)
        async with consuming(settings, monkeypatch) as producer:
            await send(offer("A-1"))
            await send(provider("organization.put", work_topic=True))
            await eventually(lambda: road.rows(destination, destination.c.name == f"work.{LAKESIDE}"), within=60)

            assert own in await prepare(settings)
            await send(provider("offer.accept", "A-1", source="northshore"), own)

            (record,) = await eventually(lambda: road.records(inbound_record.c.door == own), within=60)
        assert (record["source"], record["state"]) == (LAKESIDE, "applied")
        assert await road.status() == "unscheduled"
