"""Lanes under two connections at once: nothing appended is lost, and who lost a claim changes nothing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.store import tables
from gateway.store.bulk import Writes
from gateway.store.claims import claim
from gateway.store.destinations import find_due_destinations
from gateway.store.outbox import append
from gateway.store.recording import LaneResult, Tried, record, release
from tests.eventually import eventually
from tests.outbound import LEASE, Outbox, opened, statements_of, waits_for_a_lock
from tests.statements import statements_within


@pytest.fixture
async def postgres_outbox(postgres_url):
    """Two transactions at a time are PostgreSQL's; SQLite has one writer."""
    async with opened(postgres_url) as database:
        yield Outbox(database)


async def claimed_by(outbox, connection=None, *, lanes=500):
    """A claim of whatever is due, committed unless `connection` is given."""
    if connection is None:
        async with outbox.database.transaction() as own:
            return await claimed_by(outbox, own, lanes=lanes)
    now = datetime.now(UTC)
    due = await find_due_destinations(connection, "recording", now)
    return await claim(connection, due, now=now, lease=LEASE, lanes=lanes)


def tried(delivery, state="delivered", **about):
    return Tried(delivery=delivery, state=state, outcome=state, begun_at=datetime.now(UTC), noted=False, **about)


def all_delivered(claim):
    return [LaneResult(lane, [tried(one) for one in lane.deliveries]) for lane in claim.lanes]


async def recorded(outbox, claim, results=None):
    async with outbox.database.transaction() as connection:
        return await record(connection, results or all_delivered(claim), datetime.now(UTC))


async def test_a_claim_covers_at_most_eight_deliveries_of_a_lane(outbox):
    feed = await outbox.add_destination("feed.acme")
    for _ in range(10):
        await outbox.append(1, to=feed)
    claim = await claimed_by(outbox)
    assert [one.event.jobversion for one in claim.lanes[0].deliveries] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [one.previous for one in claim.lanes[0].deliveries] == [None, 1, 2, 3, 4, 5, 6, 7]
    assert (await recorded(outbox, claim)).left_due
    [row] = (await outbox.lanes()).values()
    assert (row["owed"], row["token"]) == (2, None)


async def test_what_is_claimed_is_claimed_once(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 2, to=feed)
    assert len((await claimed_by(outbox)).lanes) == 2
    assert (await claimed_by(outbox)).lanes == ()


async def test_urgent_lanes_are_claimed_first(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed, rank=2)
    await outbox.append(2, to=feed, rank=1)
    await outbox.append(3, to=feed, rank=0)
    order = [[lane.key for lane in (await claimed_by(outbox, lanes=1)).lanes] for _ in range(3)]
    assert order == [[3], [2], [1]]


async def test_appending_something_urgent_makes_its_lane_urgent(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed, rank=2)
    await outbox.append(1, to=feed, rank=0)
    await outbox.append(1, to=feed, rank=1)
    [row] = (await outbox.lanes()).values()
    assert (row["rank"], row["owed"]) == (0, 3)


async def test_a_destination_that_is_not_active_is_not_claimed(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    async with outbox.database.transaction() as connection:
        await connection.execute(tables.destination.update().values(state="paused"))
    assert (await claimed_by(outbox)).lanes == ()


async def test_a_busy_destination_leaves_room_for_others_in_a_claim(outbox):
    busy, quiet = [await outbox.add_destination(name) for name in ("busy", "quiet")]
    await outbox.append(*range(1, 21), to=busy)
    await outbox.append(21, to=quiet)
    claim = await claimed_by(outbox, lanes=10)
    assert {lane.destination.name for lane in claim.lanes} == {"busy", "quiet"}


async def test_appending_to_a_claimed_lane_leaves_the_claim_alone(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    claim = await claimed_by(outbox)
    [before] = (await outbox.lanes()).values()
    await outbox.append(1, to=feed)
    [after] = (await outbox.lanes()).values()
    assert (after["token"], after["due_at"], after["owed"]) == (before["token"], before["due_at"], 2)
    await recorded(outbox, claim)
    again = await claimed_by(outbox)
    assert [one.event.jobversion for one in again.lanes[0].deliveries] == [2]


@pytest.mark.parametrize("first", ["append", "record"])
async def test_appending_while_recording_loses_no_delivery(postgres_outbox, first):
    """Whichever commits first, the lane lives, and what was appended is owed."""
    outbox = postgres_outbox
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    claim = await claimed_by(outbox)

    async def append(connection):
        await outbox.append(1, to=feed, connection=connection)

    async def complete(connection):
        await record(connection, all_delivered(claim), datetime.now(UTC))

    one, other = (append, complete) if first == "append" else (complete, append)
    await one_after_the_other(outbox, one, other)
    [row] = (await outbox.lanes()).values()
    assert (row["owed"], row["token"]) == (1, None)
    left = await claimed_by(outbox)
    assert [one.event.jobversion for one in left.lanes[0].deliveries] == [2]
    await recorded(outbox, left)
    assert await outbox.lanes() == {}


async def one_after_the_other(outbox, one, other):
    """`other` begins while the transaction of `one` is open, and waits for its lock; then both commit."""

    async def in_a_transaction():
        async with outbox.database.transaction() as second:
            await other(second)

    async with outbox.database.transaction() as first:
        await one(first)
        waiting = asyncio.create_task(in_a_transaction())
        await eventually(lambda: waits_for_a_lock(outbox.database))
    await waiting


async def test_a_lane_being_appended_to_is_passed_over_by_a_claim(postgres_outbox):
    outbox = postgres_outbox
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 2, to=feed)
    async with outbox.database.transaction() as open_one:
        await outbox.append(1, to=feed, connection=open_one)
        assert [lane.key for lane in (await claimed_by(outbox)).lanes] == [2]
    claim = await claimed_by(outbox)
    assert [one.event.jobversion for one in claim.lanes[0].deliveries] == [1, 2]


async def test_who_lost_a_claim_changes_nothing(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    late = await claimed_by(outbox)
    await outbox.end_leases()
    present = await claimed_by(outbox)
    before = await outbox.deliveries(), await outbox.lanes()
    assert (await recorded(outbox, late)).lost == {(feed.number, 1)}
    assert (await outbox.deliveries(), await outbox.lanes()) == before
    assert (await recorded(outbox, present)).lost == frozenset()
    assert (await recorded(outbox, present)).lost == {(feed.number, 1)}
    [row] = (await outbox.deliveries()).values()
    assert (row["state"], row["attempts"]) == ("delivered", 1)


async def test_what_is_given_back_is_due_at_once_and_untried(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 2, to=feed)
    claim = await claimed_by(outbox)
    async with outbox.database.transaction() as connection:
        await release(connection, claim, datetime.now(UTC))
    again = await claimed_by(outbox)
    assert [[one.attempts for one in lane.deliveries] for lane in again.lanes] == [[0, 0], [0]]


async def test_a_retry_is_due_when_its_time_comes_and_not_before(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, to=feed)
    claim = await claimed_by(outbox)
    head = claim.lanes[0].deliveries[0]
    later = datetime.now(UTC) + timedelta(hours=1)
    await recorded(outbox, claim, [LaneResult(claim.lanes[0], [tried(head, "pending", due_at=later, retried=True)])])
    assert (await claimed_by(outbox)).lanes == ()
    await outbox.append(1, to=feed)
    assert (await claimed_by(outbox)).lanes == ()
    await outbox.end_leases()
    [lane] = (await claimed_by(outbox)).lanes
    assert [(one.event.jobversion, one.retries) for one in lane.deliveries] == [(1, 1), (2, 0), (3, 0)]


async def test_a_held_head_rests_its_own_lane_only(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed, state="held", waits_text="No show")
    await outbox.append(1, to=feed)
    await outbox.append(2, to=feed)
    assert [lane.key for lane in (await claimed_by(outbox)).lanes] == [2]
    assert (await outbox.lanes())[feed.number, 1]["due_at"] is None


async def test_a_claim_stops_before_what_is_held_and_then_rests_the_lane(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    await outbox.append(1, to=feed, state="held", waits_text="No show")
    await outbox.append(1, to=feed)
    claim = await claimed_by(outbox)
    assert [one.event.jobversion for one in claim.lanes[0].deliveries] == [1]
    await recorded(outbox, claim)
    assert (await claimed_by(outbox)).lanes == ()
    [row] = (await outbox.lanes()).values()
    assert (row["due_at"], row["token"], row["owed"]) == (None, None, 2)


async def test_a_dead_head_rests_a_strict_lane_and_is_still_owed(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 2, to=feed)
    claim = await claimed_by(outbox)
    results = [LaneResult(lane, [tried(lane.deliveries[0], "dead")]) for lane in claim.lanes if lane.key == 1]
    await recorded(outbox, claim, results)
    row = (await outbox.lanes())[feed.number, 1]
    assert (row["due_at"], row["token"], row["owed"]) == (None, None, 2)
    await outbox.append(1, to=feed)
    assert (await outbox.lanes())[feed.number, 1]["due_at"] is None


async def test_a_dead_head_of_a_relaxed_lane_is_bridged(outbox):
    feed = await outbox.add_destination("feed.acme", strict=False)
    await outbox.append(1, 1, 1, to=feed)
    claim = await claimed_by(outbox)
    first, second, _ = claim.lanes[0].deliveries
    await recorded(outbox, claim, [LaneResult(claim.lanes[0], [tried(first), tried(second, "dead")])])
    [lane] = (await claimed_by(outbox)).lanes
    assert [(one.event.jobversion, one.previous) for one in lane.deliveries] == [(3, 1)]
    [row] = (await outbox.lanes()).values()
    assert row["owed"] == 1


async def test_what_follows_a_relaxed_lanes_last_dead_one_is_bridged_when_appended(outbox):
    feed = await outbox.add_destination("feed.acme", strict=False)
    await outbox.append(1, 1, to=feed)
    claim = await claimed_by(outbox)
    first, second = claim.lanes[0].deliveries
    await recorded(outbox, claim, [LaneResult(claim.lanes[0], [tried(first), tried(second, "dead")])])
    assert await outbox.lanes() == {}
    await outbox.append(1, to=feed)
    [lane] = (await claimed_by(outbox)).lanes
    assert [(one.event.jobversion, one.previous) for one in lane.deliveries] == [(3, 1)]


async def test_the_number_of_statements_depends_on_neither_batch_nor_backlog(outbox):
    feeds = [await outbox.add_destination(f"feed.{number}") for number in range(3)]

    async def measured(jobs, each):
        counts = {}
        events = [outbox.event(job) for job in jobs for _ in range(each)]
        deliveries = [outbox.delivery(one, feed) for one in events for feed in feeds]
        now = datetime.now(UTC)

        async def appends():
            async with outbox.database.transaction() as connection:
                await append(Writes(connection), events, deliveries, now)

        claims = []

        async def claims_():
            claims.append(await claimed_by(outbox))

        counts["append"] = await statements_of(outbox, appends)
        counts["claim"] = await statements_of(outbox, claims_)
        counts["record"] = await statements_of(outbox, lambda: recorded(outbox, claims[0]))
        return counts

    few = await measured([1], 1)
    many = await measured(range(2, 102), 3)
    together = {"append": 2, "claim": 3, "record": 2}
    assert few == many == ({"append": 3, "claim": 3, "record": 3} if outbox.database.is_sqlite else together)
    # With a backlog of other lanes, claimed and due, the same again.
    await outbox.append(*range(1000, 2000), to=feeds[0])
    await claimed_by(outbox)
    assert (await measured([5000], 2))["claim"] == 3


async def test_lanes_are_recorded_by_their_primary_key_even_while_the_planner_believes_there_are_none(postgres_outbox):
    feed = await postgres_outbox.add_destination("feed.acme")
    async with postgres_outbox.database.transaction() as connection:
        await postgres_outbox.append(1, 2, 3, to=feed, connection=connection)
    claim = await claimed_by(postgres_outbox)
    async with statements_within(postgres_outbox.database) as said:
        await recorded(postgres_outbox, claim)
    about_lanes = [(str(one), one.parameters) for one in said if " lane" in one]
    assert len(about_lanes) == 2
    async with postgres_outbox.database.transaction() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        for statement, given in about_lanes:
            plan = "\n".join(row[0] for row in await driver.fetch(f"EXPLAIN {statement}", *given))
            assert "Index Scan using pk_lane" in plan
            assert "(destination =" in plan.split("Index Cond:")[1].splitlines()[0]
            assert "(key =" in plan.split("Index Cond:")[1].splitlines()[0]
