"""A gateway as a process, on a real broker, that is disturbed and started again; what it was sent and what it told."""

import asyncio
import signal
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy import func, select

from gateway.app import ROLES
from gateway.settings import Settings
from gateway.store.database import Database
from gateway.store.tables import delivery, event, inbound_record, intake, lane
from gateway.topics import prepare
from tests.eventually import eventually
from tests.faults.forked import Forked
from tests.inbound import START, offer, provider

JOBS_PER_STEP = 6


class Scene:
    """One gateway that is killed and started again, what was sent to it, and what its feed tells."""

    def __init__(self, database_url, kafka, prefix, folder, lease_seconds):
        self.prefix, self.folder, self.servers = prefix, folder, kafka.servers
        self.database = Database(database_url)
        self.environment = {
            "GATEWAY_DATABASE_URL": database_url,
            "GATEWAY_KAFKA_SERVERS": kafka.servers,
            "GATEWAY_TOPIC_PREFIX": prefix,
            "GATEWAY_KAFKA_PARTITIONS": "2",
            "GATEWAY_RELAY_LEASE_SECONDS": str(lease_seconds),
            "GATEWAY_CONSUMER_GROUP": f"{prefix}gateway",
            "GATEWAY_EXPIRY_MARGIN_SECONDS": "60",
            "GATEWAY_HTTP_PORT": "0",
        }
        self.producer = AIOKafkaProducer(bootstrap_servers=kafka.servers, acks="all")
        self.sent = self.jobs = 0

    def process(self, step="", **settings):
        armed = self.folder / (step.partition(" ")[0] or "never")
        return Forked(step, armed, ROLES, self.folder / "log", {**self.environment, **settings}), armed

    async def send(self, step):
        """A few jobs with their whole lives; the sending ends when the broker has acknowledged all of it."""
        sending = []
        for number in range(JOBS_PER_STEP):
            job = f"{step.partition(' ')[0]}-{number}"
            self.jobs += 1
            for message in (
                offer(job),
                provider("offer.accept", job),
                provider("appointment.add", job, id=f"V-{job}", start=START),
                provider("appointment.start", appointment=f"V-{job}"),
                provider("appointment.complete", appointment=f"V-{job}", reason="REP"),
            ):
                topic = self.prefix + message.door.removeprefix("t.")
                sending.append(await self.producer.send(topic, message.value, key=job.encode()))
                self.sent += 1
        await asyncio.gather(*sending)

    async def count(self, table, *conditions):
        async with self.database.snapshot() as connection:
            return (await connection.execute(select(func.count()).select_from(table).where(*conditions))).scalar_one()

    async def is_quiet(self):
        """All that was sent is settled, and nothing is owed."""
        settled = await self.count(
            inbound_record, inbound_record.c.state == "applied", inbound_record.c.offset.is_not(None)
        )
        return settled >= self.sent + 4 and await self.count(lane) == 0

    async def kill_at(self, step, **settings):
        child, armed = self.process(step, **settings)
        child.start()
        try:
            await eventually(self.is_quiet, within=60, every=0.1)
            armed.touch()
            await self.send(step)
            await eventually(lambda: not child.is_alive, within=30)
        finally:
            code = child.kill()
        assert code == -signal.SIGKILL, child.log_tail()

    async def end_leases(self):
        """As if the time had passed for which the dead one's claims were its own."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        async with self.database.transaction() as connection:
            await connection.execute(lane.update().where(lane.c.due_at.is_not(None)).values(due_at=past))

    async def finish(self):
        """Runs undisturbed until all is delivered, then ends as it is asked to."""
        child, _ = self.process()
        child.start()
        try:
            await self.send("end")
            await eventually(self.is_quiet, within=60, every=0.1)
        finally:
            assert child.stop(within=30) == 0, child.log_tail()

    async def feed(self):
        consumer = AIOKafkaConsumer(bootstrap_servers=self.servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            places = [TopicPartition(f"{self.prefix}feed.harborline.v1", number) for number in range(2)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            told = []
            for place in places:
                while await consumer.position(place) < ends[place]:
                    for records in (await consumer.getmany(timeout_ms=500)).values():
                        told += [orjson.loads(record.value) for record in records]
            return told
        finally:
            await consumer.stop()


@asynccontextmanager
async def opened_scene(database_url, kafka, prefix, folder, lease_seconds=3):
    """With every topic there. A send may take three tenths of a lease: what takes longer is sent twice."""
    await prepare(
        Settings(database_url=database_url, kafka_servers=kafka.servers, topic_prefix=prefix, kafka_partitions=2)
    )
    scene = Scene(database_url, kafka, prefix, folder, lease_seconds)
    await scene.producer.start()
    try:
        yield scene
    finally:
        await scene.producer.stop()
        await scene.database.close()


async def assert_conserved(scene):
    async with scene.database.snapshot() as connection:
        rows = (
            await connection.execute(select(inbound_record.c.state, func.count()).group_by(inbound_record.c.state))
        ).all()
        counted = (await connection.execute(select(func.sum(intake.c.count)))).scalar_one()
        owed = (await connection.execute(select(func.sum(event.c.recipients)))).scalar_one()
        states = (await connection.execute(select(delivery.c.state, func.count()).group_by(delivery.c.state))).all()
        runs = (await connection.execute(select(intake).where(intake.c.partition >= 0))).all()
    assert dict(map(tuple, rows)) == {"applied": scene.sent + 4}
    assert counted == scene.sent + 4
    assert dict(map(tuple, states)) == {"delivered": owed}
    places = defaultdict(set)
    for run in runs:
        offsets = set(range(run.first_offset, run.last_offset + 1))
        assert len(offsets) == run.count
        assert not offsets & places[run.door, run.partition], "no record was counted twice"
        places[run.door, run.partition] |= offsets


def assert_in_order(scene, told):
    """First arrivals of each job: versions from 1 on, each naming the one before. Returns the jobs told of twice."""
    seen, versions, repeated = set(), defaultdict(list), set()
    for one in told:
        job = one["data"]["job"]["external_id"]
        if one["id"] in seen:
            repeated.add(job)
            continue
        seen.add(one["id"])
        versions[job].append((one["jobversion"], one["jobprevious"]))
    assert len(versions) == scene.jobs
    assert set(map(tuple, versions.values())) == {((1, 0), (2, 1), (3, 2), (4, 3), (5, 4))}
    return repeated
