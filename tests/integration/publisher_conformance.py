"""What every publisher must do, whatever it publishes to. A subclass provides `publisher` and `reader`.

`reader` reads back what a destination has: its method `of(topic)` returns the bodies that arrived, in the order of
each key. Of a publisher that sends one by one `SendingConformance` asks more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import pytest

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


class Silent(NamedTuple):
    """A destination that never answers; `asked` returns once it was sent something, `left` once nobody waits for it."""

    destination: Destination
    asked: Callable[[], Awaitable[Any]]
    left: Callable[[], Awaitable[Any]]


class SendingConformance(PublisherConformance):
    """The promises of `gateway.outbound.publisher.Sending` besides. A subclass provides `silent` too."""

    async def test_one_by_one_comes_to_the_same_as_in_a_batch(self, publisher, reader):
        feed = self.destination(publisher, "feed.nine")
        too_large = b"x" * (9 * 1024 * 1024)
        batch = [outgoing(feed, 1), outgoing(feed, 2, too_large), outgoing(self.unusable(publisher), 3)]
        outcomes = [await publisher.send(one) for one in batch]
        assert outcomes == await publisher.publish(batch)
        assert [type(outcome) for outcome in outcomes] == [Delivered, Rejected, Rejected]
        assert await reader.of(feed, 2) == [b"1", b"1"]

    async def test_several_are_sent_at_once(self, publisher, reader):
        feed = self.destination(publisher, "feed.ten")
        batch = [outgoing(feed, lane) for lane in range(1, 51)]
        assert await asyncio.gather(*map(publisher.send, batch)) == [Delivered()] * 50
        assert sorted(await reader.of(feed, 50)) == sorted(one.document.body for one in batch)

    async def test_what_one_send_after_another_has_for_a_key_stays_in_order(self, publisher, reader):
        feed = self.destination(publisher, "feed.eleven")
        bodies = [f"{number:02}".encode() for number in range(20)]
        for body in bodies:
            assert await publisher.send(outgoing(feed, 7, body)) == Delivered()
        assert await reader.of(feed, 20) == bodies

    async def test_one_that_is_waited_for_keeps_no_other_and_stops_when_it_is_cancelled(
        self, publisher, reader, silent
    ):
        feed = self.destination(publisher, "feed.twelve")
        waiting = asyncio.create_task(publisher.send(outgoing(silent.destination, 1)))
        async with asyncio.timeout(10):
            await silent.asked()
            assert await publisher.send(outgoing(feed, 1)) == Delivered()
            assert not waiting.done()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await silent.left()
        assert await publisher.send(outgoing(feed, 2)) == Delivered()
        assert await reader.of(feed, 2) == [b"1", b"2"]
