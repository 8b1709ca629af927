"""Feeds by cursor on real databases: positions have no gaps and no repeats, and whoever reads on misses nothing."""

import asyncio
from collections import defaultdict

import orjson
import pytest
from sqlalchemy import delete

from gateway.mapping.render import STRUCTURED, Document
from gateway.outbound.feed import FeedPublisher, FeedReader, Unreadable
from gateway.outbound.relay import Relay
from gateway.store import feeds
from gateway.store.tables_control import feed_position
from tests.eventually import eventually
from tests.outbound import Outbox, opened, statements_of, waits_for_a_lock
from tests.statements import statements_within

KIND = "feed"


def render(event, destination, previous, note_text):
    body = orjson.dumps({"job": event.job, "version": event.jobversion, "previous": previous})
    return Document(b"", body, STRUCTURED, ())


def relay_of(database, publisher=None):
    return Relay(database, publisher or FeedPublisher(), render, jitter=lambda: 0.0)


@pytest.fixture
async def outbox(database_url):
    async with opened(database_url) as database:
        yield Outbox(database)


@pytest.fixture
async def pg_outbox(postgres_url):
    async with opened(postgres_url) as database:
        yield Outbox(database)


async def drain(database):
    while await relay_of(database).relay_once():
        pass


async def read(outbox, *destinations, after=None, limit=500):
    page = await FeedReader(outbox.database, render).read(destinations, after or {}, limit)
    return page if isinstance(page, Unreadable) else ([orjson.loads(one.event) for one in page.items], page.place)


async def positions(outbox):
    """The positions of each destination, as they stand in the table."""
    found = defaultdict(list)
    for row in await outbox.rows(feed_position, feed_position.c.destination, feed_position.c.position):
        found[row["destination"]].append(row["position"])
    return dict(found)


def in_order_per_job(told):
    versions = defaultdict(list)
    for one in told:
        versions[one["job"]].append(one["version"])
    return all(each == sorted(set(each)) for each in versions.values())


async def test_what_was_delivered_has_a_position_each_in_the_order_of_its_job(outbox):
    feed = await outbox.add_destination("feed.acme", kind=KIND)
    for _ in range(5):
        await outbox.append(*range(1, 11), to=feed)
    await drain(outbox.database)
    assert await positions(outbox) == {feed.number: list(range(1, 51))}
    told, place = await read(outbox, feed)
    assert in_order_per_job(told)
    assert place == {feed.number: 50}
    assert {row["state"] for row in (await outbox.deliveries()).values()} == {"delivered"}


async def test_recording_10_or_300_takes_the_same_number_of_statements(outbox):
    feed = await outbox.add_destination("feed.acme", kind=KIND)
    other = await outbox.add_destination("feed.other", kind=KIND)
    counts = set()
    for size in (10, 300):
        await outbox.append(*range(1, size), to=feed)
        await outbox.append(*range(1, size), to=other)
        relay = relay_of(outbox.database)
        work = await relay.claim()
        counts.add(await statements_of(outbox, lambda relay=relay, work=work: relay.deliver(work)))
    assert len(counts) == 1
    assert max(counts) <= 6


async def test_reading_a_page_takes_the_same_statements_however_much_there_is(outbox):
    feed = await outbox.add_destination("feed.acme", kind=KIND)
    reader = FeedReader(outbox.database, render)
    counts = set()
    for size in (20, 2_000):
        await outbox.append(*range(1, size), to=feed)
        await drain(outbox.database)
        for limit in (1, 500):
            counts.add(await statements_of(outbox, lambda limit=limit: reader.read([feed], {feed.number: 5}, limit)))
    assert counts == {2}


async def test_a_page_is_read_by_the_primary_keys_and_no_more_of_it_than_was_asked_for(pg_outbox):
    feed = await pg_outbox.add_destination("feed.acme", kind=KIND)
    for _ in range(4):
        await pg_outbox.append(*range(1, 1_001), to=feed)
        await drain(pg_outbox.database)
    reader, scans = FeedReader(pg_outbox.database, render), []
    async with statements_within(pg_outbox.database) as executed:
        await reader.read([feed], {feed.number: 3_000}, 50)
    async with pg_outbox.database.transaction() as connection:
        for statement in executed:
            explained = await connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", statement.parameters
            )
            [plan] = explained.scalar_one()
            scans += [one for one in nodes(plan["Plan"]) if "Relation Name" in one]
    assert {one["Relation Name"] for one in scans} == {"feed_position", "last_position", "delivery", "event"}
    for scan in scans:
        assert scan.get("Index Name") == f"pk_{scan['Relation Name']}", scan
        assert scan["Actual Rows"] * scan["Actual Loops"] <= 50, scan


def nodes(plan):
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def test_several_relays_at_once_give_no_position_twice_and_leave_none_out(pg_outbox):
    first = await pg_outbox.add_destination("feed.first", kind=KIND)
    second = await pg_outbox.add_destination("feed.second", kind=KIND)
    for _ in range(6):
        await pg_outbox.append(*range(1, 101), to=first)
        await pg_outbox.append(*range(1, 51), to=second)
    async with opened(pg_outbox.database.url) as other:
        await asyncio.gather(*(drain(database) for database in (pg_outbox.database, other) * 2))
    assert await positions(pg_outbox) == {first.number: list(range(1, 601)), second.number: list(range(1, 301))}
    for feed, count in ((first, 600), (second, 300)):
        told, place = await read(pg_outbox, feed)
        rest, _ = await read(pg_outbox, feed, after=place)
        assert len(told + rest) == count
        assert in_order_per_job(told + rest)


async def test_no_position_is_seen_before_a_lower_one(pg_outbox):
    feed = await pg_outbox.add_destination("feed.acme", kind=KIND)
    await pg_outbox.append(1, 2, to=feed)
    relay = relay_of(pg_outbox.database)
    relay.terms = type(relay.terms)(lease=relay.terms.lease, lanes=1)
    [one] = (await relay.claim()).claim.lanes
    late = await relay.claim()
    async with opened(pg_outbox.database.url) as other:
        async with other.transaction() as early:
            await feeds.give_positions(early, one.deliveries)
            recording = asyncio.create_task(relay.deliver(late))
            await eventually(lambda: waits_for_a_lock(pg_outbox.database))
            assert await read(pg_outbox, feed) == ([], {feed.number: 0})
        await recording
    told, _ = await read(pg_outbox, feed)
    assert [one["job"] for one in told] == [1, 2]


async def test_whoever_reads_while_others_write_misses_nothing_and_sees_nothing_twice(pg_outbox):
    database = pg_outbox.database
    destinations = [await pg_outbox.add_destination(f"feed.{name}", kind=KIND) for name in ("one", "two")]
    jobs = {feed.number: range(feed.number * 100, feed.number * 100 + 8) for feed in destinations}
    expected = {(job, version) for of_feed in jobs.values() for job in of_feed for version in range(1, 26)}
    wrote = asyncio.Event()

    async def write():
        for _ in range(25):
            for feed in destinations:
                await pg_outbox.append(*jobs[feed.number], to=feed)
        wrote.set()

    async def relay(own):
        while not wrote.is_set() or await relay_of(own).relay_once():
            await relay_of(own).relay_once()

    seen, after = [], {}

    async def follow(reader):
        nonlocal after
        while len(seen) < len(expected):
            page = await reader.read(destinations, after, 7)
            seen.extend(orjson.loads(item.event) for item in page.items)
            after = page.place

    async with opened(database.url) as second, opened(database.url) as third, asyncio.timeout(60):
        await asyncio.gather(write(), relay(second), relay(third), follow(FeedReader(database, render)))
    assert len(seen) == len(expected)
    assert {(one["job"], one["version"]) for one in seen} == expected
    assert in_order_per_job(seen)


async def test_a_relay_whose_claim_has_ended_gives_no_positions(outbox):
    feed = await outbox.add_destination("feed.acme", kind=KIND)
    await outbox.append(1, 2, to=feed)
    slow, quick = relay_of(outbox.database), relay_of(outbox.database)
    work = await slow.claim()
    await outbox.end_leases()
    await quick.relay_once()
    await slow.deliver(work)
    assert await positions(outbox) == {feed.number: [1, 2]}


async def test_what_was_given_back_untried_has_no_position(outbox):
    feed = await outbox.add_destination("feed.acme", kind=KIND)
    await outbox.append(1, to=feed)
    relay = relay_of(outbox.database)
    relay.stop()
    await relay.deliver(await relay.claim())
    assert await positions(outbox) == {}


async def test_a_recording_that_is_rolled_back_leaves_no_gap(outbox):
    feed = await outbox.add_destination("feed.acme", kind=KIND)
    await outbox.append(1, 2, to=feed)
    relay = relay_of(outbox.database)
    work = await relay.claim()

    async def fail():
        async with outbox.database.transaction() as connection:
            await feeds.give_positions(connection, [one for lane in work.claim.lanes for one in lane.deliveries])
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await relay.deliver(work)
    assert await positions(outbox) == {feed.number: [1, 2]}


async def test_the_feeds_of_one_caller_take_turns(outbox):
    first = await outbox.add_destination("feed.first", kind=KIND)
    second = await outbox.add_destination("feed.second", kind=KIND)
    await outbox.append(*range(1, 6), to=first)
    await outbox.append(101, 102, to=second)
    await drain(outbox.database)
    told, place = await read(outbox, first, second, limit=3)
    assert [one["job"] for one in told] == [1, 101, 2]
    told, place = await read(outbox, first, second, after=place, limit=3)
    assert [one["job"] for one in told] == [3, 102, 4]
    told, place = await read(outbox, first, second, after=place)
    assert [one["job"] for one in told] == [5]
    assert await read(outbox, first, second, after=place) == ([], {first.number: 5, second.number: 2})


async def test_a_feed_that_came_later_is_read_from_its_beginning(outbox):
    first = await outbox.add_destination("feed.first", kind=KIND)
    await outbox.append(1, to=first)
    await drain(outbox.database)
    _, place = await read(outbox, first)
    second = await outbox.add_destination("feed.second", kind=KIND)
    await outbox.append(101, to=second)
    await drain(outbox.database)
    told, _ = await read(outbox, first, second, after=place)
    assert [one["job"] for one in told] == [101]


async def test_a_page_of_large_events_ends_early_and_is_never_empty(outbox, monkeypatch):
    monkeypatch.setattr("gateway.outbound.feed.PAGE_BYTES", 25)
    feed = await outbox.add_destination("feed.acme", kind=KIND)
    await outbox.append(1, 2, 3, 4, 5, to=feed, body='{"ten": 10}')
    await outbox.append(6, 7, to=feed, body=orjson.dumps({"much": "x" * 100}).decode())
    await drain(outbox.database)
    pages, place = [], {}
    while (page := await read(outbox, feed, after=place))[0]:
        told, place = page
        pages.append([one["job"] for one in told])
    assert pages == [[1, 2, 3], [4, 5, 6], [7]]


async def test_what_is_not_kept_any_more_is_told_apart_from_what_never_was(outbox):
    feed = await outbox.add_destination("feed.acme", kind=KIND)
    await outbox.append(*range(1, 11), to=feed)
    await drain(outbox.database)
    async with outbox.database.transaction() as connection:
        await connection.execute(delete(feed_position).where(feed_position.c.position <= 4))
    assert await read(outbox, feed, after={feed.number: 3}) is Unreadable.NOT_KEPT
    assert [one["job"] for one in (await read(outbox, feed, after={feed.number: 4}))[0]] == [5, 6, 7, 8, 9, 10]
    assert [one["job"] for one in (await read(outbox, feed, limit=2))[0]] == [5, 6]
    assert await read(outbox, feed, after={feed.number: 11}) is Unreadable.NEVER_GIVEN
    async with outbox.database.transaction() as connection:
        await connection.execute(delete(feed_position))
    assert await read(outbox, feed, after={feed.number: 9}) is Unreadable.NOT_KEPT
    assert await read(outbox, feed) == await read(outbox, feed, after={feed.number: 10}) == ([], {feed.number: 10})
