"""Delivered is not applied: what a brand that confirms has not confirmed in time is shown until it does."""

from datetime import timedelta

import pytest

from gateway.doctor import examine
from gateway.finding import Level
from gateway.outbound.outcome import Delivered
from gateway.outbound.relay import Relay
from gateway.settings import Settings
from gateway.store.columns import to_microseconds
from gateway.store.destinations import load_destinations
from gateway.store.tables_control import applied_version
from gateway.store.unconfirmed import count_unconfirmed, list_unconfirmed
from tests.feeds import relay_feeds
from tests.inbound import ago, enterprise, now, offer, opened, provider
from tests.mapping_versions import harborline
from tests.outbound import RecordingPublisher
from tests.profiles import and_destination, bring_in, confirm, with_destination


@pytest.fixture
async def road(staffed_url):
    """Harborline has a topic, of which it confirms nothing, and a cursor, of which it confirms within a minute."""
    text = and_destination(
        with_destination(harborline(2)), "confirms: {by: feed, within: 60}", name="feed.harborline.cursor"
    )
    async with opened(staffed_url) as road:
        await bring_in(road, text)
        yield road


async def age(road, **spans):
    """As if everything had been delivered so long ago."""
    moment = ago(**spans)
    value = to_microseconds(moment) if road.database.is_sqlite else moment
    await road.execute("UPDATE delivery SET settled_at = :moment WHERE settled_at IS NOT NULL", moment=value)


async def unconfirmed(road, **filters):
    async with road.database.snapshot() as connection:
        found = await list_unconfirmed(connection, now(), **filters)
    return [(one.destination, one.jobversion, one.applied) for one in found]


async def counted(road, **late):
    async with road.database.snapshot() as connection:
        found = await count_unconfirmed(connection, now() + timedelta(**late))
    return [(one.destination, one.deliveries, one.jobs) for one in found]


async def test_what_was_delivered_counts_as_confirmed_by_the_version_and_all_before_it(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"), offer("A-2"), offer("B-1", brand="maplegrove"))
    await relay_feeds(road)
    assert await unconfirmed(road) == [], "a minute has not passed"
    await age(road, seconds=59)
    assert await unconfirmed(road) == []
    await age(road, seconds=62)
    cursor = "feed.harborline.cursor"
    assert await unconfirmed(road) == [(cursor, 1, None), (cursor, 2, None), (cursor, 1, None)]
    assert await counted(road) == [(cursor, 3, 2)]

    await confirm(road, "A-1", 1)
    assert await unconfirmed(road) == [(cursor, 2, 1), (cursor, 1, None)]
    await confirm(road, "A-1", 2)
    await confirm(road, "A-2", 1)
    assert await unconfirmed(road) == []
    assert await counted(road) == []


async def test_only_what_arrived_is_waited_for(road):
    await road.receive(offer("A-1"))
    assert await counted(road, days=2) == [], "nothing has been sent"
    await relay_feeds(road)
    await road.receive(provider("offer.accept", "A-1"))
    assert await counted(road, days=2) == [("feed.harborline.cursor", 1, 1)]
    # What was given up has come to its end too, but nowhere else.
    await road.execute("UPDATE delivery SET settled_at = created_at, state = 'skipped' WHERE state = 'pending'")
    assert await counted(road, days=2) == [("feed.harborline.cursor", 1, 1)]


async def test_a_list_goes_on_after_what_was_seen_and_is_of_one_brand(road):
    await road.receive(*(offer(f"A-{number}") for number in range(5)))
    await relay_feeds(road)
    await age(road, hours=1)
    async with road.database.snapshot() as connection:
        first = await list_unconfirmed(connection, now(), limit=3)
        rest = await list_unconfirmed(connection, now(), after=first[-1].number, limit=3)
        assert await list_unconfirmed(connection, now(), brand="maplegrove") == []
        assert len(await list_unconfirmed(connection, now(), brand="harborline")) == 5
    assert (len(first), len(rest)) == (3, 2)
    assert not {one.number for one in first} & {one.number for one in rest}


async def test_the_doctor_tells_of_it(road):
    settings = Settings(database_url=road.gateway.settings.database_url, kafka_servers="off", topic_prefix="t.")

    async def finding():
        (one,) = [one for one in await examine(settings) if one.subject == "confirmations"]
        return one

    await road.receive(offer("A-1"))
    await relay_feeds(road)
    assert (await finding()).level is Level.OK
    await age(road, hours=1)
    told = await finding()
    assert told.level is Level.WARNING
    assert "feed.harborline.cursor (1 deliveries of 1 jobs since" in told.found


async def test_an_answer_that_confirms_is_noted_with_its_delivery(road):
    """The topic's publisher stands in for one that has answers to read."""
    publisher = RecordingPublisher(_says_so)
    publisher.kind = "kafka"
    relay = Relay(road.database, publisher, road.gateway.render, ready=road.gateway.know_profiles)
    await road.receive(
        offer("A-1"), provider("offer.accept", "A-1"), offer("A-2"), enterprise("note.add", "A-2", text="x")
    )
    while await relay.relay_once():
        pass
    job = (await road.job("A-1"))["number"]
    assert [
        (row["brand"], row["job"], row["version"], row["confirmed_by"]) for row in await road.rows(applied_version)
    ] == [("harborline", job, 2, "answer")]
    async with road.database.snapshot() as connection:
        assert "feed.harborline.cursor" in await load_destinations(connection)


def _says_so(one):
    """Harborline confirms A-1, and claims more of A-2 than there is."""
    if one.destination.name != "feed.harborline":
        return None
    version = one.delivery.event.jobversion
    return Delivered(applied=version if version == 2 or b'"A-1"' in one.document.body else 99)
