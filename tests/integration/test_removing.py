"""Destinations go out of service without anything owed being lost: dropped from the profile, drained, removed."""

from datetime import UTC, datetime

import pytest

from gateway.mapping.problems import Level
from gateway.removing import Verdict, remove
from gateway.store.checkup import find_stopped_destinations
from gateway.store.deliveries import Operator, skip
from gateway.store.delivery_queries import list_deliveries
from gateway.store.standings import pause, resume
from gateway.store.tables import delivery, destination
from gateway.store.tables_control import operator_action
from tests.feeds import read, relay_feeds
from tests.inbound import EVERGREEN, LAKESIDE, offer, provider
from tests.mapping_versions import harborline
from tests.operations import Partner
from tests.profiles import and_destination, bring_in, with_destination

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
BOARD = "feed.harborline.board"
OPERATOR = Operator(author="ops", reason="their board is gone")


async def name_board(road, version=2, *more):
    return await bring_in(road, and_destination(with_destination(harborline(version)), *more, name=BOARD))


async def drop_board(road, version=3):
    """What the import warns of; it came long ago."""
    found = await bring_in(road, with_destination(harborline(version)))
    await road.execute("UPDATE activation SET effective_at = :then", then=0 if road.database.is_sqlite else _LONG_AGO)
    return [(one.level, one.what) for one in found.problems]


async def removed(road, name=BOARD):
    found = await remove(road.database, name, OPERATOR)
    await road.gateway.keeper.refresh()
    return (found.verdict, dict(found.owed))


async def state_of(road, name=BOARD):
    [row] = await road.rows(destination, destination.c.name == name)
    return row["state"]


async def to_board(road):
    """State by job of what was ever owed to the board."""
    async with road.database.snapshot() as connection:
        listed = await list_deliveries(connection, destination_name=BOARD)
    return [(one.event_type, one.state) for one in listed]


async def test_a_destination_that_a_profile_names_no_more_gets_what_it_is_owed_and_nothing_new(road):
    await name_board(road)
    await road.receive(offer("A-1"))
    told = await drop_board(road)
    assert told == [
        (Level.WARNING, f"{BOARD} is not named any more: it gets the 1 that are owed to it, and nothing new")
    ]
    await road.receive(provider("offer.accept", "A-1"), offer("A-2"))
    assert await to_board(road) == [("job.offered", "pending")]
    assert await removed(road) == (Verdict.OWED, {"pending": 1})
    await relay_feeds(road)
    assert await to_board(road) == [("job.offered", "delivered")]
    assert await road.is_balanced()
    assert await removed(road) == (Verdict.DONE, {})
    assert await to_board(road) == [("job.offered", "delivered")], "its history can be read"
    assert await road.is_balanced()


async def test_a_drop_of_what_is_owed_nothing_is_no_warning(road):
    await name_board(road)
    assert await drop_board(road) == []


@pytest.mark.parametrize("state", ["pending", "held", "dead"])
async def test_whatever_is_owed_keeps_it_until_it_is_skipped(road, state):
    await name_board(road)
    await road.receive(offer("A-1"))
    await drop_board(road)
    await road.execute(f"UPDATE delivery SET state = '{state}' WHERE destination = {await number(road)}")
    assert await removed(road) == (Verdict.OWED, {state: 1})
    assert await state_of(road) == "active"
    owed = [row["number"] for row in await road.rows(delivery, delivery.c.destination == await number(road))]
    async with road.database.transaction() as connection:
        await skip(connection, owed, OPERATOR, await road.database.now(connection))
    assert await removed(road) == (Verdict.DONE, {})
    assert await road.is_balanced()


async def number(road):
    [row] = await road.rows(destination, destination.c.name == BOARD)
    return row["number"]


async def test_dead_ones_of_a_relaxed_destination_do_not_keep_it(road):
    await name_board(road, 2, "strict: false")
    await road.receive(offer("A-1"))
    await drop_board(road)
    await road.execute(f"UPDATE delivery SET state = 'dead' WHERE destination = {await number(road)}")
    await road.execute(f"DELETE FROM lane WHERE destination = {await number(road)}")
    assert await removed(road) == (Verdict.DONE, {})
    assert await road.is_balanced()


async def test_what_a_profile_names_or_named_a_moment_ago_stays(road):
    await name_board(road)
    assert await removed(road) == (Verdict.NAMED_BY_PROFILE, {})
    await bring_in(road, with_destination(harborline(3)))
    assert await removed(road) == (Verdict.DROPPED_JUST_NOW, {})
    await drop_board(road)
    assert await removed(road) == (Verdict.DONE, {})
    assert await removed(road) == (Verdict.ALREADY_REMOVED, {})
    [row] = await road.rows(operator_action, operator_action.c.verb == "remove")
    assert (row["author"], row["subject"], row["reason"]) == ("ops", "destination", OPERATOR.reason)


@pytest.mark.parametrize("name", ["notifications", f"receipts.{EVERGREEN}", f"cursor.{LAKESIDE}"])
async def test_what_is_no_brands_feed_is_not_removed(road, lakeside, name):
    assert await removed(road, name) == (Verdict.NOT_A_BRANDS_FEED, {})
    assert await state_of(road, name) == "active"


async def test_what_there_is_not_cannot_be_removed(road):
    assert await removed(road, "feed.nobody") == (Verdict.UNKNOWN_DESTINATION, {})


async def test_a_profile_whose_version_cannot_be_read_may_name_anything(road):
    await name_board(road)
    await drop_board(road)
    await road.execute("UPDATE profile SET document = 'nonsense' WHERE brand = 'harborline'")
    assert await removed(road) == (Verdict.NAMED_BY_PROFILE, {})


async def test_a_removed_feed_is_out_of_service_until_a_profile_names_it_again(road, client, evergreen):
    await name_board(road)
    await drop_board(road)
    await removed(road)
    assert (await read(client, evergreen)).status_code == 404
    assert BOARD not in {one.name for one in road.gateway.keeper.destinations}
    async with road.database.snapshot() as connection:
        stopped = {one.name for one in await find_stopped_destinations(connection)}
    assert BOARD not in stopped, "nothing waits there"

    await name_board(road, 4)
    assert await state_of(road) == "active"
    await road.receive(offer("A-1"))
    await relay_feeds(road)
    answer = await read(client, evergreen)
    assert [one["type"] for one in answer.json()["items"]] == ["job.offered.v1"]


async def test_what_a_removed_destination_had_is_not_sent_there_again(road):
    await name_board(road)
    await road.receive(offer("A-1"))
    await relay_feeds(road)
    await drop_board(road)
    assert await removed(road) == (Verdict.DONE, {})
    [row] = await road.rows(delivery, delivery.c.destination == await number(road))
    assert await Partner(road).redeliver(row["number"]) == ["removed_destination"]
    assert await to_board(road) == [("job.offered", "delivered")]


async def test_what_is_owed_to_a_removed_destination_after_all_is_kept_counted_and_told(road):
    """A process that has not heard of the removal appends to it."""
    await name_board(road)
    await drop_board(road)
    await removed(road)
    await road.execute("UPDATE destination SET state = 'active'")
    await name_board(road, 4)
    await road.receive(offer("A-1"))
    await road.execute(f"UPDATE destination SET state = 'removed' WHERE name = '{BOARD}'")
    await relay_feeds(road)
    assert await to_board(road) == [("job.offered", "pending")]
    assert await road.is_balanced()
    async with road.database.snapshot() as connection:
        stopped = {one.name: one.state for one in await find_stopped_destinations(connection)}
    assert stopped[BOARD] == "removed"
    await road.execute("UPDATE destination SET state = 'active'")
    await relay_feeds(road)
    assert await to_board(road) == [("job.offered", "delivered")]


async def test_a_removed_destination_is_neither_paused_nor_resumed(road):
    await name_board(road)
    await drop_board(road)
    assert await removed(road) == (Verdict.DONE, {})
    [row] = await road.rows(destination, destination.c.name == BOARD)
    async with road.database.transaction() as connection:
        now = await road.database.now(connection)
        assert not await pause(connection, row["number"], OPERATOR, now)
        assert not await resume(connection, row["number"], OPERATOR, now, None)
    assert await state_of(road) == "removed"
