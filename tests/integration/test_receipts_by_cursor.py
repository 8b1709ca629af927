"""`GET /v1/records`: every sender finds what became of its records, in the order of settling, and misses none."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text

from gateway.store import receipts, tables
from gateway.store.receipts import Sender
from tests.edge import bearer, envelope, post_in
from tests.feeds import read, read_all
from tests.inbound import EVERGREEN, LAKESIDE, START, joined, offer, opened, provider
from tests.keys import make_key

PATH = "/v1/records"


@pytest.fixture
async def pg_road(staffed_postgres_url):
    async with opened(staffed_postgres_url) as road:
        yield road


async def receipts_of(client, key, after=None, limit=None):
    return await read_all(client, key, after, limit, path=PATH)


def ends(items):
    return [(one["record"]["message_id"], one["outcome"]) for one in items]


def offer_as(message_id, job, **more):
    return offer(job, message_id=message_id, **more)


async def test_a_sender_finds_all_that_became_of_its_records(road, client, evergreen):
    one = offer_as("m1", "A-1")
    await road.receive(one)
    await road.receive(one, offer_as("m2", "A-2", brand="nobody"), offer_as("m3", "A-3"))
    items, _ = await receipts_of(client, evergreen, limit=2)
    assert ends(items) == [("m1", "applied"), ("m1", "ignored"), ("m2", "refused"), ("m3", "applied")]
    assert items[1]["first"] == items[0]["record"]["id"]
    for item in items:
        answer = await client.get(f"{PATH}/{item['record']['id']}", headers=bearer(evergreen))
        assert answer.json() | {"cursor": item["cursor"]} == item


async def test_a_sender_that_wants_no_receipts_by_topic_finds_them_all_the_same(road, client, evergreen):
    await road.execute("UPDATE account SET receipts = 'none'")
    await road.gateway.keeper.refresh()
    await road.receive(offer_as("m1", "A-1"))
    assert await road.receipts() == []
    assert ends((await receipts_of(client, evergreen))[0]) == [("m1", "applied")]


async def test_what_was_parked_comes_again_at_its_new_place_once_it_is_settled(road, client, evergreen, lakeside):
    await road.receive(provider("offer.accept", "A-1", message_id="accept"))
    _, before = await receipts_of(client, lakeside)
    items, _ = await receipts_of(client, lakeside)
    assert ends(items)[-1] == ("accept", "parked")
    await road.receive(provider("offer.decline", "B-1", message_id="decline"))
    await road.receive(offer("A-1"))
    told, end = await receipts_of(client, lakeside, before)
    assert ends(told) == [("decline", "parked"), ("accept", "applied")]
    # From the beginning it stands there once, where it was settled.
    again, _ = await receipts_of(client, lakeside)
    assert ends(again)[-2:] == ends(told)
    assert len(again) == len(items) + 1
    assert (await receipts_of(client, lakeside, end))[0] == []


async def test_what_is_parked_and_settled_between_two_reads_comes_once(road, client, lakeside):
    _, start = await receipts_of(client, lakeside)
    await road.receive(provider("offer.accept", "A-1", message_id="accept"))
    await road.receive(offer("A-1"))
    assert ends((await receipts_of(client, lakeside, start))[0]) == [("accept", "applied")]


async def test_the_order_is_that_of_settling_not_of_arrival(road, client, lakeside):
    _, start = await receipts_of(client, lakeside)
    await road.receive(provider("offer.accept", "A-1", message_id="waits"))
    await road.receive(provider("user.put", "new", message_id="put", name="New", role="technician"))
    await road.receive(offer("A-1"))
    assert ends((await receipts_of(client, lakeside, start))[0]) == [("put", "applied"), ("waits", "applied")]


async def test_every_cursor_is_good_to_go_on_from(road, client, evergreen):
    _, start = await receipts_of(client, evergreen)
    await road.receive(*(offer(f"A-{number}") for number in range(7)))
    items, end = await receipts_of(client, evergreen, start, 3)
    assert len(items) == 7
    for place, one in enumerate(items, 1):
        assert (await receipts_of(client, evergreen, one["cursor"]))[0] == items[place:]
    assert (await read(client, evergreen, end, path=PATH)).json() == {"items": [], "next": end}


async def test_a_record_whose_transaction_commits_late_is_not_passed(pg_road):
    sender = Sender("account", 1, EVERGREEN)
    await pg_road.receive(offer("A-1"), offer("A-2"))
    async with joined(pg_road) as other, AsyncExitStack() as ending:
        late = await ending.enter_async_context(other.database.transaction())
        # A record that is taken in first, and becomes visible last.
        await pg_road.receive(offer("A-3"))
        columns = ", ".join(f'"{column.name}"' for column in tables.inbound_record.columns if column.name != "number")
        copied = f"INSERT INTO inbound_record (number, {columns}) SELECT 7, {columns} FROM taken"
        await late.execute(text("CREATE TEMPORARY TABLE taken AS SELECT * FROM inbound_record WHERE state = 'applied'"))
        await late.execute(text("DELETE FROM taken WHERE number < (SELECT max(number) FROM taken)"))
        await late.execute(text("UPDATE taken SET message_id = 'late', \"offset\" = 1000"))
        await late.execute(text(copied))
        await pg_road.receive(offer("A-4"))
        seen = await positions(pg_road, sender, 0)
        assert len(seen) == 4
        assert await positions(pg_road, sender, max(seen)) == {}
        await ending.aclose()
    [last] = (await positions(pg_road, sender, max(seen))).values()
    assert last == 7


async def positions(road, sender, after):
    """Record numbers by position, as a reader gets them after one."""
    async with road.database.transaction() as connection:
        await receipts.give_positions(connection, sender)
        found = await receipts.list_receipts(connection, sender, after=after, limit=500, brand=None, by_user=None)
    return {position: one.number for position, one in found}


async def test_what_somebody_is_deciding_again_is_waited_for_by_nobody(pg_road):
    sender = Sender("organization", 1, LAKESIDE)
    await positions(pg_road, sender, 0)
    await pg_road.receive(provider("offer.accept", "A-1"), provider("offer.accept", "A-2"))
    async with joined(pg_road) as other, other.database.transaction() as deciding:
        locked = "SELECT number FROM inbound_record WHERE state = 'parked' ORDER BY number LIMIT 1 FOR UPDATE"
        first = (await deciding.execute(text(locked))).scalar_one()
        async with asyncio.timeout(10):
            seen = await positions(pg_road, sender, 0)
        assert first not in seen.values()
    assert list((await positions(pg_road, sender, max(seen))).values()) == [first]


async def test_whoever_reads_while_others_decide_misses_nothing(pg_road):
    sender = Sender("organization", 1, LAKESIDE)
    jobs = [f"J-{number}" for number in range(40)]
    done = asyncio.Event()

    async def answer(road):
        for job in jobs:
            await road.receive(provider("offer.accept", job, door=f"t.actions.{LAKESIDE}.v1"))

    async def ask(road):
        for job in jobs:
            await road.receive(offer(job), provider("appointment.add", job, id=f"V-{job}", start=START))
        done.set()

    last_seen = {}

    async def follow():
        after = max(await positions(pg_road, sender, 0), default=0)
        while True:
            over = done.is_set() and answering.done()
            async with pg_road.database.transaction() as connection:
                await receipts.give_positions(connection, sender)
                page = await receipts.list_receipts(connection, sender, after=after, limit=3, brand=None, by_user=None)
            for position, one in page:
                assert position > after
                after = position
                last_seen[one.number] = (one.state, one.reason)
            if over and not page:
                return

    async with joined(pg_road) as other, joined(pg_road) as third, asyncio.timeout(90):
        before = {row["number"] for row in await pg_road.records()}
        answering = asyncio.create_task(answer(other))
        await asyncio.gather(ask(third), follow(), answering)
    rows = await pg_road.records(tables.inbound_record.c.source == LAKESIDE)
    assert last_seen == {row["number"]: (row["state"], row["reason"]) for row in rows if row["number"] not in before}
    assert len(last_seen) == 80


async def test_a_key_of_one_brand_finds_nothing_of_another(road, client, evergreen):
    bound = await make_key(road.database, account=EVERGREEN, brand="maplegrove", transformation="board")
    await road.receive(
        offer_as("m1", "A-1"),
        offer_as("m2", "B-1", brand="maplegrove"),
        offer_as("m3", "C-1", brand="nobody"),
        offer_as("m4", "A-2"),
    )
    items, end = await receipts_of(client, bound, limit=1)
    assert ends(items) == [("m2", "applied"), ("m3", "refused")]
    everything, last = await receipts_of(client, evergreen)
    assert len(everything) == 4
    # What is not its own is not looked at again.
    assert end == last


async def test_nobody_finds_anothers_receipts_or_goes_on_from_anothers_cursor(road, client, evergreen, lakeside):
    await road.receive(offer_as("m1", "A-1"))
    items, end = await receipts_of(client, lakeside)
    assert "m1" not in {one["record"]["message_id"] for one in items}
    answer = await read(client, evergreen, end, path=PATH)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "bad_cursor", "after")


@pytest.mark.parametrize("cursor", ["", "nonsense", "x" * 5_000])
async def test_what_is_no_cursor_is_refused(client, evergreen, cursor):
    answer = await read(client, evergreen, cursor, path=PATH)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_a_cursor_beyond_what_was_ever_given_is_refused(road, client, evergreen):
    await road.receive(offer("A-1"))
    _, end = await receipts_of(client, evergreen)
    await road.execute("DELETE FROM last_position")
    answer = await read(client, evergreen, end, path=PATH)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_a_key_that_sends_no_records_has_no_receipts(road, client):
    operator = await make_key(road.database, operator="ops")
    answer = await read(client, operator, path=PATH)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_for_operators")
    assert (await client.get(PATH)).status_code == 401


async def test_a_long_history_is_numbered_step_by_step(road, client, evergreen, monkeypatch):
    monkeypatch.setattr("gateway.store.receipts.GIVEN_AT_MOST", 4)
    receipts._unplaced.cache_clear()
    try:
        await road.receive(*(offer(f"A-{number}") for number in range(10)))
        items, _ = await receipts_of(client, evergreen, limit=3)
    finally:
        monkeypatch.undo()
        receipts._unplaced.cache_clear()
    assert len({one["record"]["id"] for one in items}) == len(items) == 10


async def test_10_or_400_new_receipts_take_the_same_number_of_statements_and_none_takes_fewer(road):
    sender = Sender("account", 1, EVERGREEN)
    counts = {}
    for size in (10, 400, 0):
        await road.receive(*(offer(f"{size}-{number}") for number in range(size)))
        async with road.counted() as seen:
            await positions(road, sender, 0)
        counts[size] = len([one for one in seen if not one.startswith("BEGIN")])
    assert counts[10] == counts[400] <= 4
    assert counts[0] == 2


async def test_taking_in_writes_nothing_more_for_receipts(road):
    async with road.counted() as seen:
        await road.receive(offer("A-1"))
    assert not [one for one in seen if "last_position" in one or "receipt_position" in one]


async def test_what_a_key_of_one_brand_sent_is_found_by_it_and_by_no_other_brands(road, client):
    await road.receive(offer("A-1"))
    job = (await road.job("A-1"))["number"]
    mine, others = (
        await make_key(road.database, account=EVERGREEN, brand="maplegrove"),
        await make_key(road.database, account=EVERGREEN, brand="harborline", transformation="board"),
    )
    sent = (await post_in(client, mine, [1, envelope("job", id=job, status="canceled")])).json()["records"]
    assert [one["outcome"] for one in sent] == ["quarantined", "refused"]
    for one in sent:
        answers = [await client.get(f"{PATH}/{one['id']}", headers=bearer(key)) for key in (mine, others)]
        assert [answer.status_code for answer in answers] == [200, 404]
    found = [{one["record"]["id"] for one in (await receipts_of(client, key))[0]} for key in (mine, others)]
    assert found[0] == {one["id"] for one in sent}
    assert not found[0] & found[1]
