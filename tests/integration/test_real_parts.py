"""The real parts that other tests stand on: both databases and the broker."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.brokers import create_topics


async def produce(servers: str, topic: str, value: bytes) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    await producer.start()
    try:
        return (await producer.send_and_wait(topic, value)).offset
    finally:
        await producer.stop()


async def consume(servers: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, group_id=f"{topic}.g", auto_offset_reset="earliest")
    await consumer.start()
    try:
        return [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_a_record_goes_through_the_broker(kafka, topic_prefix):
    topic = f"{topic_prefix}offers.v1"
    await create_topics(kafka.servers, [topic])

    await produce(kafka.servers, topic, b"one")

    assert await consume(kafka.servers, topic, 1) == [b"one"]


@pytest.mark.parametrize("way_down", ["stop", "kill"])
async def test_records_outlive_the_broker(breakable_kafka, topic_prefix, way_down):
    topic = f"{topic_prefix}offers.v1"
    await create_topics(breakable_kafka.servers, [topic])
    await produce(breakable_kafka.servers, topic, b"before")

    await asyncio.to_thread(getattr(breakable_kafka, way_down))
    await asyncio.to_thread(breakable_kafka.start)
    await produce(breakable_kafka.servers, topic, b"after")

    assert await consume(breakable_kafka.servers, topic, 2) == [b"before", b"after"]


@pytest.mark.needs_apache_kafka
async def test_topics_keep_the_time_of_appending(kafka, topic_prefix):
    topic = f"{topic_prefix}offers.v1"
    await create_topics(kafka.servers, [topic], message__timestamp__type="LogAppendTime")
    producer = AIOKafkaProducer(bootstrap_servers=kafka.servers, acks="all")
    await producer.start()
    try:
        stored = await producer.send_and_wait(topic, b"x", timestamp_ms=1)
    finally:
        await producer.stop()

    assert stored.timestamp_type == 1
    assert stored.timestamp > 1


async def test_a_blank_database_answers(blank_database_url):
    engine = create_async_engine(blank_database_url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


async def test_a_migrated_database_has_tables(database_url):
    count = (
        "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
        if database_url.startswith("sqlite")
        else "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    )
    engine = create_async_engine(database_url)
    async with engine.connect() as connection:
        assert (await connection.execute(text(count))).scalar_one() > 1
    await engine.dispose()


async def test_committed_rows_outlive_the_database_server(breakable_postgres, postgres_url):
    engine = create_async_engine(postgres_url)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE kept AS SELECT 42 AS answer"))
    await engine.dispose()

    await asyncio.to_thread(breakable_postgres.kill)
    await asyncio.to_thread(breakable_postgres.start)

    engine = create_async_engine(postgres_url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT answer FROM kept"))).scalar_one() == 42
    await engine.dispose()
