"""Reconciling and backfilling: which jobs are frozen into an operation, and which are not."""

import pytest
from sqlalchemy import select

from gateway.resending import WhyNot, backfill, reconcile
from gateway.store.columns import to_microseconds
from gateway.store.deliveries import Operator
from gateway.store.destinations import load_destinations
from gateway.store.operations import find_operation
from gateway.store.tables import destination
from gateway.store.tables_control import operation, operation_item, operator_action
from tests.edge import bearer
from tests.feeds import relay_feeds
from tests.inbound import EVERGREEN, LAKESIDE, ago, offer, opened, provider
from tests.keys import make_key
from tests.mapping_versions import harborline
from tests.profiles import and_destination, bring_in, confirm, with_destination

CURSOR = "feed.harborline.cursor"
OPERATOR = Operator(author="ops", reason="their disk burnt")


def confirming(*more):
    text = with_destination(harborline(2))
    return and_destination(text, "confirms: {by: feed, within: 60}", *more, name=CURSOR)


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        await bring_in(road, confirming())
        yield road


async def number_of(road, name):
    return (await road.job(name))["number"]


async def items(road, number):
    """What was frozen: the verb, the job, the destination's name."""
    query = (
        select(operation_item.c.verb, operation_item.c.subject, destination.c.name)
        .join(destination, destination.c.number == operation_item.c.destination)
        .where(operation_item.c.operation == number)
        .order_by(operation_item.c.ordinal)
    )
    async with road.database.transaction() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def compared(road, destination_name=None, brand="harborline"):
    return await reconcile(road.database, brand, destination_name, OPERATOR)


async def filled(road, name, since=None):
    return await backfill(road.database, name, since, OPERATOR)


async def test_exactly_the_jobs_of_which_the_brand_has_less_than_it_was_sent_are_frozen(road):
    await road.receive(*(offer(name) for name in ("A-1", "A-2", "A-3", "A-4")), offer("B-1", brand="maplegrove"))
    await road.receive(provider("offer.accept", "A-2"), provider("offer.accept", "A-3"))
    await relay_feeds(road)
    await confirm(road, "A-1", 1)
    await confirm(road, "A-2", 1)
    await confirm(road, "A-3", 2)
    preview = await compared(road)
    assert (preview.kind, preview.destinations, preview.jobs, preview.on_their_way) == ("reconcile", (CURSOR,), 2, 0)
    second, fourth = await number_of(road, "A-2"), await number_of(road, "A-4")
    assert await items(road, preview.operation) == [("snapshot", second, CURSOR), ("snapshot", fourth, CURSOR)]
    assert {(one.job, one.sent, one.applied) for one in preview.examples} == {(second, 2, 1), (fourth, 1, None)}
    assert preview.oldest == min(one.since for one in preview.examples)
    [row] = await road.rows(operation)
    assert (row["kind"], row["state"], row["author"], row["reason"], row["made"]) == (
        "reconcile",
        "previewed",
        "ops",
        "their disk burnt",
        0,
    )
    assert [one["verb"] for one in await road.rows(operator_action, operator_action.c.subject == "operation")] == [
        "preview reconcile"
    ]
    assert await road.is_balanced(), "freezing sends nothing and owes nothing"


async def test_what_is_told_whole_by_intent_does_not_go_back_in_time(road):
    await road.receive(offer("A-1"))
    await relay_feeds(road)
    preview = await compared(road)
    async with road.database.transaction() as connection:
        found = await find_operation(connection, preview.operation)
    assert (found.preview["verbs"], found.preview["back_in_time"]) == ({"snapshot": 1}, {"jobs": 0, "first": []})


async def test_what_is_on_its_way_is_left_out_and_counted(road):
    await road.receive(offer("A-1"), offer("A-2"))
    await relay_feeds(road)
    await road.receive(provider("offer.accept", "A-1"))
    await confirm(road, "A-1", 1)
    preview = await compared(road)
    assert (preview.jobs, preview.on_their_way) == (1, 1)
    assert [job for _, job, _ in await items(road, preview.operation)] == [await number_of(road, "A-2")]


async def test_what_was_never_sent_is_not_missed(road):
    await road.receive(offer("A-1"))
    number = await number_of(road, "A-1")
    await road.execute("UPDATE delivery SET state = 'skipped'")
    await road.execute("DELETE FROM lane")
    preview = await compared(road)
    assert (preview.operation, preview.jobs, preview.on_their_way) == (None, 0, 0)
    assert await road.rows(operation) == []
    # One that was skipped after the brand had confirmed another is.
    await road.execute("UPDATE event SET jobversion = 2 WHERE jobversion = 1")
    await confirm(road, "A-1", 1)
    assert [job for _, job, _ in await items(road, (await compared(road)).operation)] == [number]


async def test_what_a_destination_does_not_ask_for_it_does_not_lack(road):
    await bring_in(road, confirming("events: [job.offered]").replace("version: 2\n", "version: 3\n", 1))
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await relay_feeds(road)
    await confirm(road, "A-1", 1)
    assert (await compared(road)).operation is None


async def test_only_a_destination_of_the_brand_that_confirms_is_compared(road):
    assert await compared(road, "feed.nobody") is WhyNot.UNKNOWN_DESTINATION
    assert await compared(road, "feed.maplegrove") is WhyNot.NOT_THE_BRANDS
    assert await compared(road, "feed.harborline") is WhyNot.NOT_CONFIRMED_THERE
    assert await compared(road, brand="maplegrove") is WhyNot.NOT_CONFIRMED_THERE
    assert (await compared(road, CURSOR)).jobs == 0


async def test_a_new_destination_gets_each_job_of_its_brand_that_it_has_nothing_of(road):
    await road.receive(offer("A-1"), offer("A-2"), offer("B-1", brand="maplegrove"))
    new = "feed.harborline.board"
    text = and_destination(confirming(), name=new).replace("version: 2\n", "version: 3\n", 1)
    await bring_in(road, text)
    await road.receive(provider("offer.accept", "A-2"), offer("A-3"))
    preview = await filled(road, new)
    assert await items(road, preview.operation) == [("snapshot", await number_of(road, "A-1"), new)]
    assert (preview.kind, preview.jobs) == ("backfill", 1)
    assert (await filled(road, CURSOR)).operation is None


async def test_backfilling_may_begin_at_a_moment(road):
    await road.receive(offer("A-1"), offer("A-2"))
    old = ago(days=3)
    value = to_microseconds(old) if road.database.is_sqlite else old
    await road.execute("UPDATE job SET updated_at = :old WHERE external_id = 'A-1'", old=value)
    new = "feed.harborline.board"
    await bring_in(road, and_destination(confirming(), name=new).replace("version: 2\n", "version: 3\n", 1))
    assert (await filled(road, new, ago(days=4))).jobs == 2
    preview = await filled(road, new, ago(days=2))
    assert [job for _, job, _ in await items(road, preview.operation)] == [await number_of(road, "A-2")]


async def test_a_providers_new_road_gets_its_organizations_jobs(road):
    await road.receive(offer("A-1"), offer("A-2", organization={"handle": "northshore"}))
    await make_key(road.database, organization=LAKESIDE)
    preview = await filled(road, f"cursor.{LAKESIDE}")
    assert [job for _, job, _ in await items(road, preview.operation)] == [await number_of(road, "A-1")]


async def test_test_work_and_real_work_stay_apart(road, client):
    key = await make_key(road.database, account=EVERGREEN, sandbox=True)
    content = {"brand": "harborline", "organization": {"handle": LAKESIDE}, "customer": {"name": "Bo"}}
    answer = await client.post("/v1/offers", json={"job": "T-1", **content}, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    await road.receive(offer("A-1"))
    names = ("feed.harborline.board", "feed.harborline.trial")
    text = and_destination(and_destination(confirming(), name=names[0]), "sandbox: true", name=names[1])
    await bring_in(road, text.replace("version: 2\n", "version: 3\n", 1))
    for name, job in zip(names, ("A-1", "T-1"), strict=True):
        preview = await filled(road, name)
        assert [each for _, each, _ in await items(road, preview.operation)] == [await number_of(road, job)]


async def test_what_the_profile_names_no_more_gets_nothing_new(road):
    await road.receive(offer("A-1"))
    await relay_feeds(road)
    await bring_in(road, with_destination(harborline(3)))
    assert await compared(road) is WhyNot.NOT_CONFIRMED_THERE
    assert await compared(road, CURSOR) is WhyNot.NOT_CONFIRMED_THERE
    assert await filled(road, CURSOR) is WhyNot.NOT_NAMED_BY_PROFILE
    assert await road.rows(operation) == []


async def test_only_feeds_of_jobs_are_backfilled(road):
    assert await filled(road, "feed.nobody") is WhyNot.UNKNOWN_DESTINATION
    assert await filled(road, "notifications") is WhyNot.NO_FEED
    assert await filled(road, f"receipts.{EVERGREEN}") is WhyNot.NO_FEED
    await road.execute("UPDATE destination SET state = 'removed' WHERE name = 'feed.harborline'")
    assert await filled(road, "feed.harborline") is WhyNot.REMOVED
    async with road.database.transaction() as connection:
        assert (await load_destinations(connection))["feed.harborline"].state == "removed"
