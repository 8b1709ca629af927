"""The poll queue against the conformance suite of publishers: what a partner acknowledged has arrived, and is delivered."""

import asyncio
import base64

import orjson
import pytest
from sqlalchemy import select

from gateway.core.visibility import Audience
from gateway.outbound.outcome import Delivered, Fault, Rejected
from gateway.outbound.poll_queue import KIND, Acknowledged
from gateway.store.destinations import Destination
from gateway.store.tables import delivery
from tests.integration.publisher_conformance import PublisherConformance, destination_of, outgoing
from tests.outbound import Outbox, opened
from tests.polling import plain, put_of, queue_of

BROKEN = "broken"


class Partner:
    """Polls, and keeps what it has acknowledged, by destination."""

    def __init__(self, database):
        self.outbox = Outbox(database)
        self.queue = queue_of(database, find_profile=self.find_profile)
        self.arrived = {}

    def find_profile(self, event, destination):
        if destination.name == BROKEN or event.body["job"]["title"] == "":
            raise LookupError

    async def of(self, destination, _count):
        return self.arrived.get(destination.name, [])

    async def owe(self, connection, one):
        feed = self.outbox.destinations[one.destination.name]
        facts = orjson.loads(plain(one.delivery.lane))
        facts["job"]["title"] = base64.b64encode(one.document.body).decode()
        told = orjson.dumps(facts).decode()
        [owed] = await self.outbox.append(
            one.delivery.lane, to=feed, kind="job.completed", body=told, connection=connection
        )
        return owed.number

    async def take(self, feeds):
        for one in await self.queue.hand_out(feeds, 100):
            assert await self.queue.acknowledge(feeds, one.receipt, error=None) is Acknowledged.SETTLED
            title = put_of(one)["job"]["title"]
            self.arrived.setdefault(one.destination.name, []).append(base64.b64decode(title))

    async def states(self, numbers):
        async with self.outbox.database.transaction() as connection:
            rows = await connection.execute(select(delivery.c.number, delivery.c.state))
            found = {row.number: row.state for row in rows}
        return [found[number] for number in numbers]


class TestPollQueue(PublisherConformance):
    """A batch is what becomes owed; a partner takes all of it and says so."""

    @pytest.fixture
    async def reader(self, database_url):
        async with opened(database_url) as database:
            yield Partner(database)

    @pytest.fixture
    def publisher(self, reader):
        return reader

    def destination(self, _publisher, name, **about):
        return destination_of(KIND, name, **about)

    def unusable(self, _publisher):
        return Destination(number=9, name=BROKEN, kind=KIND, audience=Audience.ENTERPRISE)

    async def publish(self, publisher, batch):
        for name in {one.destination.name for one in batch} - publisher.outbox.destinations.keys():
            await publisher.outbox.add_destination(name, kind=KIND)
        async with publisher.outbox.database.transaction() as connection:
            owed = [await publisher.owe(connection, one) for one in batch]
        feeds = [publisher.outbox.destinations[one.destination.name] for one in batch]
        async with asyncio.timeout(30):
            while "pending" in (states := await publisher.states(owed)):
                await publisher.take(list({feed.number: feed for feed in feeds}.values()))
        return [Delivered() if state == "delivered" else Rejected(Fault.RENDERER_BUG) for state in states]

    async def test_one_bad_document_harms_no_neighbour(self, publisher, reader):
        """Facts are bounded where they come in: what is bad here is what cannot be made a message."""
        feed = self.destination(publisher, "feed.five")
        first, second, third = await self.publish(
            publisher, [outgoing(feed, 1), outgoing(feed, 2, b""), outgoing(feed, 3)]
        )
        assert (first, third) == (Delivered(), Delivered())
        assert isinstance(second, Rejected)
        assert sorted(await reader.of(feed, 2)) == [b"1", b"3"]
