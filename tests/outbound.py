"""What tests of the outbound half share: rows to append, a clock's worth of short names, a publisher that records."""

import asyncio
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import orjson
from sqlalchemy import select, text

from gateway.core.visibility import Audience
from gateway.mapping.render import Document
from gateway.outbound.outcome import Delivered
from gateway.store import tables
from gateway.store.bulk import Writes
from gateway.store.database import Database
from gateway.store.destinations import NewDestination, put_destinations
from gateway.store.outbox import NewDelivery, NewEvent, append
from tests.statements import statements_within

LEASE = timedelta(seconds=60)


@asynccontextmanager
async def opened(url):
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


def moves(visit, before, after):
    """The body of an event that moved one visit, as far as anything looks into it."""
    return orjson.dumps({"appointments": [{"id": visit, "previous_status": before, "status": after}]}).decode()


class Outbox:
    """A database with destinations, and events appended to them as a receiver would."""

    def __init__(self, database):
        self.database = database
        self.destinations = {}
        self.numbers = 0
        self.versions = defaultdict(int)
        self.sent = {}

    async def add_destination(self, name, *, kind="recording", strict=True, audience=Audience.ENTERPRISE, **settings):
        new = NewDestination(name=name, kind=kind, audience=audience, settings=settings, strict=strict)
        async with self.database.transaction() as connection:
            self.destinations = await put_destinations(connection, [new])
        return self.destinations[name]

    def event(self, job, *, kind="job.amended", recipients=1, note=None, body="{}"):
        self.numbers += 1
        self.versions[job] += 1
        now = datetime.now(UTC)
        return NewEvent(
            number=self.numbers,
            type=kind,
            job=job,
            source="acme",
            position=self.versions[job],
            jobversion=self.versions[job],
            brand="acme",
            profile_version=1,
            record=None,
            note=note.number if note else None,
            note_revision=note.revision if note else None,
            occurred_at=now,
            recorded_at=now,
            recipients=recipients,
            body=body,
        )

    def delivery(self, event, destination, *, state="pending", waits_kind=None, waits_text=None, rank=1):
        self.numbers += 1
        previous = self.sent.get((destination.number, event.job))
        self.sent[destination.number, event.job] = event.jobversion
        return NewDelivery(
            number=self.numbers,
            event=event.number,
            destination=destination.number,
            lane=event.job,
            position=event.position,
            previous=previous,
            state=state,
            waits_kind=waits_kind,
            waits_text=waits_text,
            rank=rank,
        )

    async def append(self, *jobs, to, connection=None, **about):
        """One event for each of `jobs`, owed to `to`; returns the deliveries. `about`: what differs from an ordinary one."""
        names = ("state", "waits_kind", "waits_text", "rank")
        of_delivery = {name: about.pop(name) for name in names if name in about}
        events = [self.event(job, **about) for job in jobs]
        deliveries = [self.delivery(event, to, **of_delivery) for event in events]
        now = datetime.now(UTC) - timedelta(seconds=1)
        if connection is not None:
            await append(Writes(connection), events, deliveries, now)
        else:
            async with self.database.transaction() as own:
                await append(Writes(own), events, deliveries, now)
        return deliveries

    async def rows(self, table, *order):
        async with self.database.transaction() as connection:
            return (await connection.execute(select(table).order_by(*order))).mappings().all()

    async def deliveries(self):
        """Rows of `delivery`, by number."""
        return {row["number"]: row for row in await self.rows(tables.delivery)}

    async def lanes(self):
        """Rows of `lane`, by (destination, key)."""
        return {(row["destination"], row["key"]): row for row in await self.rows(tables.lane)}

    async def end_leases(self):
        """As if time had passed until every claim's lease had ended and every retry was due."""
        past = datetime.now(UTC) - timedelta(seconds=1)
        async with self.database.transaction() as connection:
            due = tables.lane.update().where(tables.lane.c.due_at.is_not(None)).values(due_at=past)
            await connection.execute(due)


class RecordingPublisher:
    """Keeps what it was given. `answers` are functions from an `Outgoing` to an outcome, or None to ask the next."""

    kind = "recording"
    timeout = 10.0

    def __init__(self, *answers):
        self.arrived = []
        self.calls = 0
        self.answers = list(answers)
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()

    async def publish(self, batch):
        self.calls += 1
        lanes = [(one.delivery.destination, one.delivery.lane) for one in batch]
        assert len(set(lanes)) == len(lanes), "two of one lane in a batch"
        self.asked.set()
        await self.may_answer.wait()
        return [self._answer(one) for one in batch]

    def _answer(self, one):
        for answer in self.answers:
            outcome = answer(one)
            if outcome is not None:
                if outcome == Delivered():
                    self.arrived.append(one)
                return outcome
        self.arrived.append(one)
        return Delivered()

    async def close(self):
        pass

    def versions(self, lane):
        """The versions of one job that arrived, in order of arrival."""
        return [one.delivery.event.jobversion for one in self.arrived if one.delivery.lane == lane]


class SendingPublisher(RecordingPublisher):
    """The same, one by one. Destinations in `hanging`, by name, are answered when `may_end` is set."""

    def __init__(self, *answers):
        super().__init__(*answers)
        self.hanging = set()
        self.may_end = asyncio.Event()
        self.under_way = Counter()
        self.most = Counter()

    async def send(self, one):
        self.calls += 1
        name = one.destination.name
        self.under_way[name] += 1
        self.most[name] = max(self.most[name], self.under_way[name])
        try:
            self.asked.set()
            await self.may_answer.wait()
            if name in self.hanging:
                await self.may_end.wait()
            # As if over a network: others have their turn.
            await asyncio.sleep(0)
            return self._answer(one)
        finally:
            self.under_way[name] -= 1

    def arrived_at(self, name):
        return [one.delivery for one in self.arrived if one.destination.name == name]


def render_plainly(event, destination, previous, note_text):
    """The simplest document: what the tests look at."""
    body = f"{event.number}:{previous}:{note_text}".encode()
    return Document(key=f"job-{event.job}".encode(), body=body, content_type="text/plain", headers=())


async def statements_of(outbox, work):
    """How many statements `work` executes, BEGIN and COMMIT not counted."""
    async with statements_within(outbox.database) as said:
        await work()
    return len(said)


async def waits_for_a_lock(database):
    """Whether any connection to this PostgreSQL server waits for a lock."""
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with database.transaction() as connection:
        return (await connection.execute(query)).scalar_one() > 0
