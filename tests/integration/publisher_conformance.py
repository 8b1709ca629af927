"""What every publisher must do, whatever it publishes to. A subclass provides `publisher` and `reader`.

`reader` reads back what a destination has: its method `of(topic)` returns the bodies that arrived, in the order of
each key.
"""

import asyncio
from datetime import UTC, datetime
from itertools import count

from gateway.core.document import StoredEvent
from gateway.core.visibility import Audience
from gateway.mapping.render import Document
from gateway.outbound.outcome import Delivered, Rejected
from gateway.outbound.publisher import Outgoing
from gateway.store.claims import ClaimedDelivery
from gateway.store.destinations import Destination

_numbers = count(1)


def destination_of(kind, topic, number=1, **settings):
    return Destination(
        number=number, name=topic, kind=kind, audience=Audience.ENTERPRISE, settings={"topic": topic, **settings}
    )


def outgoing(destination, lane, body=None):
    """A document of the job `lane` on its way to `destination`."""
    now, number = datetime.now(UTC), next(_numbers)
    stored = StoredEvent(
        number=number,
        type="job.amended",
        job=lane,
        source="acme",
        brand="acme",
        jobversion=1,
        profile_version=1,
        occurred_at=now,
        recorded_at=now,
        body={},
    )
    delivery = ClaimedDelivery(
        number=number,
        destination=destination.number,
        lane=lane,
        position=1,
        previous=None,
        claims=1,
        attempts=0,
        retries=0,
        event=stored,
    )
    body = f"{lane}".encode() if body is None else body
    headers = (("content-type", b"text/plain"),)
    return Outgoing(destination, delivery, Document(f"job-{lane}".encode(), body, "text/plain", headers))


class PublisherConformance:
    """The promises of `gateway.outbound.publisher.Publisher`, one test each."""

    def destination(self, publisher, name, **about):
        return destination_of(publisher.kind, name, **about)

    def unusable(self, publisher):
        """A destination that somebody has set up wrongly."""
        return Destination(number=9, name="broken", kind=publisher.kind, audience=Audience.ENTERPRISE)

    async def publish(self, publisher, batch):
        """What a relay does with a batch, as far as this publisher takes part."""
        return await publisher.publish(batch)

    async def test_what_it_calls_delivered_has_arrived(self, publisher, reader):
        feed = self.destination(publisher, "feed.one")
        batch = [outgoing(feed, lane) for lane in range(1, 201)]
        assert await self.publish(publisher, batch) == [Delivered()] * 200
        assert sorted(await reader.of(feed, 200)) == sorted(one.document.body for one in batch)

    async def test_what_one_call_after_another_sends_for_a_key_stays_in_order(self, publisher, reader):
        feed = self.destination(publisher, "feed.two")
        bodies = [f"{number:03}".encode() for number in range(50)]
        for body in bodies:
            assert (
                await self.publish(publisher, [outgoing(feed, 7, body), outgoing(feed, 8, b"other")])
                == [Delivered()] * 2
            )
        assert [body for body in await reader.of(feed, 100) if body != b"other"] == bodies

    async def test_a_batch_may_go_to_several_destinations(self, publisher, reader):
        first, second = (self.destination(publisher, f"feed.{number}", number=number) for number in (3, 4))
        batch = [outgoing(first, 1, b"a"), outgoing(second, 1, b"b"), outgoing(first, 2, b"c")]
        assert await self.publish(publisher, batch) == [Delivered()] * 3
        assert sorted(await reader.of(first, 2)) == [b"a", b"c"]
        assert await reader.of(second, 1) == [b"b"]

    async def test_one_bad_document_harms_no_neighbour(self, publisher, reader):
        feed = self.destination(publisher, "feed.five")
        too_large = b"x" * (9 * 1024 * 1024)
        batch = [outgoing(feed, 1), outgoing(feed, 2, too_large), outgoing(feed, 3)]
        first, second, third = await self.publish(publisher, batch)
        assert (first, third) == (Delivered(), Delivered())
        assert isinstance(second, Rejected)
        assert sorted(await reader.of(feed, 2)) == [b"1", b"3"]

    async def test_a_large_document_arrives_whole(self, publisher, reader):
        feed = self.destination(publisher, "feed.six")
        large = bytes(range(256)) * (4 * 1024 * 4)
        assert await self.publish(publisher, [outgoing(feed, 1, large), outgoing(feed, 2)]) == [Delivered()] * 2
        assert large in await reader.of(feed, 2)

    async def test_several_calls_may_run_at_once(self, publisher, reader):
        feed = self.destination(publisher, "feed.seven")
        batches = [[outgoing(feed, lane) for lane in range(start, start + 20)] for start in (1, 101, 201)]
        results = await asyncio.gather(*(self.publish(publisher, batch) for batch in batches))
        assert results == [[Delivered()] * 20] * 3
        assert len(await reader.of(feed, 60)) == 60

    async def test_a_destination_it_cannot_use_is_an_outcome(self, publisher, reader):
        broken = self.unusable(publisher)
        feed = self.destination(publisher, "feed.eight")
        bad, good = await self.publish(publisher, [outgoing(broken, 1), outgoing(feed, 2)])
        assert isinstance(bad, Rejected)
        assert good == Delivered()

    async def test_nothing_to_send_is_nothing_sent(self, publisher):
        assert await self.publish(publisher, []) == []
