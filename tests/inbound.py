"""What inbound tests stand on: a gateway's receiver on a real database, and words for what senders send.

Evergreen offers under the brands harborline and maplegrove; Lakeside does the work. Each message is one record of
a topic, with a place of its own unless a test sends one again.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import orjson
from sqlalchemy import select, text

from gateway.app import Gateway
from gateway.core.ids import Kind, canonical_id
from gateway.inbound.clock import Clock
from gateway.inbound.entry import Entry
from gateway.inbound.record import RawRecord
from gateway.settings import Settings
from gateway.store import codec, tables
from gateway.store.ledger import Ledger, read_ledger
from tests.importing import import_profile
from tests.keys import SEALING_KEY
from tests.statements import Said, statements_within

PREFIX = "t."
EVERGREEN, LAKESIDE = "evergreen-warranty", "lakeside-appliance"
BRANDS = Path(__file__).parent.parent / "contracts" / "brands"
OFFERS, ACTIONS, BOOKINGS = f"{PREFIX}offers.{EVERGREEN}.v1", f"{PREFIX}actions.v1", f"{PREFIX}bookings.v1"
SHARED_OFFERS = f"{PREFIX}offers.v1"
LAKESIDES_PEOPLE = {"dee": "dispatcher", "tom": "technician", "tia": "technician"}
START = "2027-01-05T15:00:00Z"

_ids = count(1)


@dataclass(frozen=True)
class Message:
    """One record before it has a place. `value` is what is on the topic, byte for byte."""

    door: str
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def cloud_event(
    door: str, kind: str, subject: str | None, source: str | None, *, message_id: str | None = "", time=None, **data
) -> Message:
    """A structured CloudEvent; it has an id of its own unless `message_id` is None."""
    told = {
        "specversion": "1.0",
        "id": f"m-{next(_ids)}" if message_id == "" else message_id,
        "source": source,
        "type": kind if ".v" in kind else f"{kind}.v1",
        "subject": subject,
        "time": time and stamp(time),
    }
    return Message(
        door, orjson.dumps({name: value for name, value in told.items() if value is not None} | {"data": data})
    )


def enterprise(kind: str, subject: str | None, *, source: str = EVERGREEN, door: str | None = None, **data) -> Message:
    return cloud_event(door or f"{PREFIX}offers.{source}.v1", kind, subject, source, **data)


def offer(subject: str = "A-1", **data) -> Message:
    """Harborline's offer to Lakeside."""
    content = {
        "brand": "harborline",
        "title": "No heat",
        "organization": {"handle": LAKESIDE},
        "customer": {"name": "Bo Berg", "phones": [{"number": "+15550100"}]},
    }
    return enterprise("offer.submit", subject, **{**content, **data})


def provider(
    kind: str, subject: str | dict | None = None, *, source: str = LAKESIDE, door: str = ACTIONS, **data
) -> Message:
    """A provider's action; a plain `subject` such as A-1 is Evergreen's id of the job."""
    if (
        isinstance(subject, str)
        and not subject.startswith(("job-", "usr-"))
        and not kind.startswith(("user.", "organ"))
    ):
        data["job"] = {"id": subject, "source": EVERGREEN}
        subject = None
    return cloud_event(door, kind, subject, source, **data)


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def now() -> datetime:
    """The present, in the milliseconds of a broker."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def ago(**spans: float) -> datetime:
    return now() - timedelta(**spans)


def end_of(entry: Entry) -> str:
    """`applied`, or the state with its reason: `refused offer_closed`."""
    row_reason = getattr(entry.outcome, "why", None)
    return entry.state if row_reason is None else f"{entry.state} {row_reason.value}"


class Road:
    """One receiver. `receive` places messages on their topics and takes them in as one batch."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.database = gateway.database
        self.receiver = gateway.make_receiver()
        self.clock = Clock(gateway.database, self.receiver)
        self.offsets: Counter[tuple[str, int]] = Counter()

    def place(self, message: Message, *, partition: int = 0, at: datetime | None = None) -> RawRecord:
        """`message` as the next record of its partition."""
        door = self.gateway.doors.door(message.door)
        offset = self.offsets[message.door, partition]
        self.offsets[message.door, partition] += 1
        moment = at or now()
        return RawRecord(
            door=message.door,
            partition=partition,
            offset=offset,
            append_time=moment,
            arrived_at=moment,
            headers=message.headers,
            value=message.value,
            bound_source=door.bound_source,
            side=door.side,
            brand=door.confirms,
        )

    async def receive(self, *messages: Message, at: datetime | None = None) -> list[str]:
        """What became of each, in order; of parked records that were woken too."""
        return [end_of(entry) for entry in await self.entries(*messages, at=at)]

    async def entries(self, *messages: Message, at: datetime | None = None) -> list[Entry]:
        return await self.receiver.receive([self.place(message, at=at) for message in messages])

    async def settle_requeued(self) -> int:
        """What the clock's next rounds do."""
        done = 0
        while more := await self.clock.requeued():
            done += more
        return done

    async def open_lakeside(self) -> None:
        """Lakeside with a dispatcher `dee` and the technicians `tom` and `tia`."""
        ends = await self.receive(
            provider("organization.put", None, handle=LAKESIDE, name="Lakeside Appliance"),
            *(provider("user.put", name, name=name.title(), role=role) for name, role in LAKESIDES_PEOPLE.items()),
        )
        assert set(ends) == {"applied"}

    async def rows(self, table, *conditions) -> list[dict]:
        async with self.database.transaction() as connection:
            key = next(iter(table.primary_key.columns))
            found = await connection.execute(select(table).where(*conditions).order_by(key))
            return [dict(row) for row in found.mappings()]

    async def records(self, *conditions) -> list[dict]:
        return await self.rows(tables.inbound_record, *conditions)

    async def ends(self) -> list[str]:
        """Every record's state and reason, in the order of their numbers."""
        return [
            row["state"] if row["reason"] is None else f"{row['state']} {row['reason']}" for row in await self.records()
        ]

    async def events(self, job: int | None = None) -> list[dict]:
        """The events of jobs with their bodies, in the order in which they happened to each."""
        rows = await self.rows(tables.event, tables.event.c.job.is_not(None))
        rows = [row | {"body": codec.decode(row["body"])} for row in rows if job is None or row["job"] == job]
        return sorted(rows, key=lambda row: (row["job"], row["position"]))

    async def told(self) -> list[str]:
        """The types of all events but the customers' texts."""
        return [row["type"] for row in await self.events() if not row["type"].startswith("customer.")]

    async def receipts(self) -> list[dict]:
        rows = await self.rows(tables.event, tables.event.c.type == "record.settled")
        return [codec.decode(row["body"]) for row in rows]

    async def jobs(self) -> dict[str, list[dict]]:
        """Jobs by their external id, oldest first."""
        found: dict[str, list[dict]] = {}
        for row in await self.rows(tables.job):
            found.setdefault(row["external_id"], []).append(row)
        return found

    async def job(self, external_id: str = "A-1") -> dict:
        return (await self.jobs())[external_id][-1]

    async def status(self, external_id: str = "A-1") -> str:
        row = await self.job(external_id)
        return row["status"] if row["closure"] is None else f"{row['status']} {row['closure']}"

    async def job_id(self, external_id: str = "A-1") -> str:
        return canonical_id(Kind.JOB, (await self.job(external_id))["number"])

    async def execute(self, statement: str, **values: object) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(text(statement), values)

    async def ledger(self) -> Ledger:
        """What conservation compares: counts of the doors with rows, recipients of events with deliveries."""
        async with self.database.snapshot() as connection:
            return await read_ledger(connection)

    async def is_balanced(self) -> bool:
        return (await self.ledger()).difference == 0

    def counted(self) -> AbstractAsyncContextManager[list[Said]]:
        """The statements that are executed within."""
        return statements_within(self.database)

    def again(self, raw: RawRecord, **changed) -> RawRecord:
        return replace(raw, **changed)


async def import_brands(gateway: Gateway, *brands: str) -> None:
    for brand in brands:
        file = max((BRANDS / brand).glob("profile.v*.yaml"))
        found = await import_profile(gateway.database, file.read_text(), file=file.name, author="test", reason="test")
        assert found.profiles, found.problems


def make_gateway(database_url: str, prefix: str = PREFIX) -> Gateway:
    settings = {"database_url": database_url, "topic_prefix": prefix, "kafka_servers": "off"}
    return patient(Gateway(Settings(**settings, secret_keys=SEALING_KEY)))


def patient(gateway: Gateway) -> Gateway:
    """A gateway that reads profiles again when a test says so, and not because the test takes its time."""
    gateway.keeper.good_for = float("inf")
    return gateway


def staff(url: str) -> None:
    """Puts into a migrated database the brands that tests offer under, and Lakeside with its people."""

    async def run() -> None:
        gateway = make_gateway(url)
        try:
            await import_brands(gateway, "harborline", "maplegrove", "ironpeak")
            await gateway.keeper.refresh()
            await Road(gateway).open_lakeside()
        finally:
            await gateway.database.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


@asynccontextmanager
async def opened(staffed_url: str, *brands: str, prefix: str = PREFIX) -> AsyncIterator[Road]:
    """A road on such a database, with the profiles of more `brands` in force."""
    gateway = make_gateway(staffed_url, prefix)
    try:
        await import_brands(gateway, *brands)
        await gateway.keeper.refresh()
        road = Road(gateway)
        # What was taken in there stands before.
        road.offsets[ACTIONS, 0] = len(LAKESIDES_PEOPLE) + 1
        yield road
    finally:
        await gateway.database.close()


@asynccontextmanager
async def joined(road: Road) -> AsyncIterator[Road]:
    """Another process on the same database."""
    gateway = patient(Gateway(road.gateway.settings))
    try:
        await gateway.keeper.refresh()
        other = Road(gateway)
        other.offsets = road.offsets
        yield other
    finally:
        await gateway.database.close()
