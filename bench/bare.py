"""The bare loop: aiokafka → asyncpg → aiokafka with one inbox, one event and one delivery row per record.

No validation, no domain, no order, no retries: the floor of what this road costs here.
`python -m bench.bare ingest|relay`.
"""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

IN, OUT = "bare.in", "bare.out"
BATCH = 500

TABLES = """
CREATE TABLE bare_inbox (
    topic text, partition int, "offset" bigint, raw bytea, PRIMARY KEY (topic, partition, "offset")
);
CREATE TABLE bare_event (id bigserial PRIMARY KEY, key bytea, body bytea);
CREATE TABLE bare_delivery (id bigint PRIMARY KEY, done boolean NOT NULL DEFAULT false);
CREATE INDEX ON bare_delivery (id) WHERE NOT done;
"""

TAKE_IN = """
WITH taken AS (
    INSERT INTO bare_inbox SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $5::bytea[])
    ON CONFLICT DO NOTHING
), told AS (
    INSERT INTO bare_event (key, body) SELECT * FROM unnest($4::bytea[], $5::bytea[]) RETURNING id
)
INSERT INTO bare_delivery (id) SELECT id FROM told
"""

CLAIM = """
SELECT e.id, e.key, e.body FROM bare_event e
WHERE e.id = ANY(ARRAY(SELECT id FROM bare_delivery WHERE NOT done ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED))
ORDER BY e.id
"""


async def ingest(url: str, prefix: str, servers: str) -> None:
    """Batches of 500 into three tables, one transaction each, then the offset."""
    database = await _connect(url)
    consumer = AIOKafkaConsumer(
        f"{prefix}{IN}",
        bootstrap_servers=servers,
        group_id=f"{prefix}bare",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    while True:
        batches = await consumer.getmany(timeout_ms=10, max_records=BATCH)
        records = [record for batch in batches.values() for record in batch]
        if not records:
            continue
        async with database.transaction():
            await database.execute(
                TAKE_IN,
                [record.topic for record in records],
                [record.partition for record in records],
                [record.offset for record in records],
                [record.key for record in records],
                [record.value for record in records],
            )
        await consumer.commit()


async def relay(url: str, prefix: str, servers: str) -> None:
    """Claims 500, sends them, marks them, in one transaction; polls every 5 ms when there is nothing."""
    database = await _connect(url)
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", linger_ms=5, max_batch_size=256 * 1024, compression_type="zstd"
    )
    await producer.start()
    while True:
        async with database.transaction():
            rows = await database.fetch(CLAIM)
            sent = [await producer.send(f"{prefix}{OUT}", row["body"], key=row["key"]) for row in rows]
            await asyncio.gather(*sent)
            await database.execute(
                "UPDATE bare_delivery SET done = true WHERE id = ANY($1::bigint[])", [row["id"] for row in rows]
            )
        if not rows:
            await asyncio.sleep(0.005)


async def make_tables(url: str) -> None:
    """The three tables, in an empty database."""
    database = await _connect(url)
    await database.execute(TABLES)
    await database.close()


async def _connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(url.replace("+asyncpg", ""))


if __name__ == "__main__":
    role = {"ingest": ingest, "relay": relay}[sys.argv[1]]
    names = ("GATEWAY_DATABASE_URL", "GATEWAY_TOPIC_PREFIX", "GATEWAY_KAFKA_SERVERS")
    uvloop.run(role(*(os.environ[name] for name in names)))
