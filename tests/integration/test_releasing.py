"""What waited is let go at once: whatever it waited for, by a constant number of statements, and in nobody's way."""

import asyncio
from datetime import UTC, datetime

import orjson
import pytest
from sqlalchemy import text

from gateway.core.reasons import Reason, ReasonLists
from gateway.core.values import replace
from gateway.core.waits import Telling
from gateway.outbound.relay import Relay
from gateway.store import tables_control
from gateway.store.deliveries import Operator, skip
from gateway.store.releasing import Beyond, InForce, find_mapped, release_mapped, release_page
from tests.eventually import eventually
from tests.outbound import Outbox, RecordingPublisher, opened, render_plainly, waits_for_a_lock
from tests.statements import statements_within

KIM = Operator(author="kim", reason="asked by the brand")


@pytest.fixture
async def postgres_outbox(postgres_url):
    async with opened(postgres_url) as database:
        yield Outbox(database)


def knowing(*texts, brand="acme", version=2):
    """A version that has a decline reason for each of `texts`, and a code for every standing."""
    reasons = tuple(Reason(f"D-{one}", one) for one in texts)
    return InForce(brand, ReasonLists((), decline=reasons), version, lambda *_: Telling.TOLD)


async def hold(outbox, feed, job, words, *, brand="acme"):
    reason = {"kind": "decline", "text": words, "code": None, "label": None, "outcome": None}
    body = orjson.dumps({"reason": reason, "status": "declined", "job": job}).decode()
    [one] = await outbox.append(job, to=feed, body=body, state="held", waits_kind="decline", waits_text=words)
    async with outbox.database.transaction() as connection:
        await connection.execute(text("UPDATE event SET brand = :b WHERE number = :n"), {"b": brand, "n": one.event})
    return one.number


async def release(outbox, *known, **terms):
    versions = {one.brand: one for one in known}
    async with outbox.database.transaction() as connection:
        mapped = await find_mapped(connection, versions.get)
        return await release_page(connection, versions.get, mapped, KIM, datetime.now(UTC), **terms)


async def skipped(outbox, *numbers):
    async with outbox.database.transaction() as connection:
        return await skip(connection, numbers, KIM, datetime.now(UTC))


@pytest.mark.parametrize("brands", [("acme", "acme"), ("acme", "birch")], ids=["values", "brands"])
async def test_who_releases_and_who_skips_lock_lanes_in_one_order(postgres_outbox, brands):
    """The first value, or brand, has the later lane."""
    outbox = postgres_outbox
    first, second = [await outbox.add_destination(name) for name in ("feed.one", "feed.two")]
    later = await hold(outbox, second, 1, "a", brand=brands[0])
    earlier = await hold(outbox, first, 1, "b", brand=brands[1])
    async with outbox.database.transaction() as connection:
        lane = {"one": second.number}
        await connection.execute(text("SELECT 1 FROM lane WHERE destination = :one FOR UPDATE"), lane)
        releasing = asyncio.create_task(release(outbox, *(knowing("a", "b", brand=one) for one in set(brands))))
        await eventually(lambda: waits_for_a_lock(outbox.database))
        skipping = asyncio.create_task(skipped(outbox, later, earlier))
        await eventually(lambda: two_wait(outbox.database))
    released, verdicts = await asyncio.wait_for(asyncio.gather(releasing, skipping), 30)
    assert sorted(released.deliveries) == [later, earlier]
    assert set(verdicts.values()) == {"done"}


async def two_wait(database):
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with database.transaction() as connection:
        return (await connection.execute(query)).scalar_one() == 2


async def test_the_number_of_statements_does_not_grow_with_what_was_waited_for(outbox):
    feed = await outbox.add_destination("feed.acme")
    counts = []
    for many in (1, 5, 50):
        held = [await hold(outbox, feed, number, f"{many}.{number}") for number in range(1, many + 1)]
        known = knowing(*(f"{many}.{number}" for number in range(1, many + 1)))
        async with statements_within(outbox.database) as said, outbox.database.transaction() as connection:
            released = await release_mapped(connection, known, KIM, datetime.now(UTC))
        assert sorted(released.deliveries) == held
        counts.append(len(said))
    assert counts[0] == counts[1] == counts[2], counts


async def test_a_page_is_as_much_as_one_transaction_does_and_the_next_begins_behind_it(outbox):
    feed = await outbox.add_destination("feed.acme")
    held = [await hold(outbox, feed, job, words) for job, words in enumerate("abcab", start=1)]
    first = await release(outbox, knowing("a", "b"), limit=2)
    assert first.deliveries == tuple(held[:2])
    second = await release(outbox, knowing("a", "b"), limit=2, beyond=first.beyond)
    assert second.deliveries == (held[3], held[4])
    last = await release(outbox, knowing("a", "b"), limit=2, beyond=second.beyond)
    assert (last.deliveries, last.beyond) == ((), None)
    assert [number for number, row in (await outbox.deliveries()).items() if row["state"] == "held"] == [held[2]]


async def test_what_a_version_is_silent_of_does_not_stand_in_the_way_of_what_it_tells(outbox):
    feed = await outbox.add_destination("feed.acme")
    await hold(outbox, feed, 1, "a")
    told = await hold(outbox, feed, 2, "a")
    known = replace(knowing("a"), tells=lambda _, body: Telling.SILENT if body["job"] == 1 else Telling.TOLD)
    first = await release(outbox, known, limit=1)
    assert (first.deliveries, first.beyond) == ((), Beyond(0, told - 2))
    assert (await release(outbox, known, limit=1, beyond=first.beyond)).deliveries == (told,)


async def test_what_is_released_is_audited_by_brand_with_the_version_and_the_numbers(outbox):
    feeds = [await outbox.add_destination(name) for name in ("feed.one", "feed.two")]
    one = await hold(outbox, feeds[0], 1, "a")
    other = await hold(outbox, feeds[1], 1, "a", brand="birch")
    refused = await hold(outbox, feeds[1], 2, "b", brand="birch")
    birch = replace(
        knowing("a", "b", brand="birch", version=7),
        tells=lambda _, body: Telling.REFUSED if body["reason"]["text"] == "b" else Telling.TOLD,
    )
    await release(outbox, knowing("a"), birch)
    rows = await outbox.rows(tables_control.operator_action, tables_control.operator_action.c.number)
    assert [(row["author"], row["verb"], orjson.loads(row["numbers"]), row["reason"]) for row in rows] == [
        ("kim", "release", [one], "acme v2: asked by the brand"),
        ("kim", "release", [other], "birch v7: asked by the brand"),
        ("kim", "skip", [refused], "birch v7: asked by the brand"),
    ]


async def test_a_job_that_waited_for_several_values_arrives_in_order_with_what_was_between(outbox):
    """Whatever the order of the values, and however the pages cut it."""
    feed = await outbox.add_destination("feed.acme")
    for job in (1, 2):
        for words in ("c", None, "a", "b", None):
            await (hold(outbox, feed, job, words) if words else outbox.append(job, to=feed))
    publisher = RecordingPublisher()
    relay = Relay(outbox.database, publisher, render_plainly)
    beyond = Beyond()
    while beyond is not None:
        beyond = (await release(outbox, knowing("a", "b", "c"), limit=2, beyond=beyond)).beyond
        while await relay.relay_once():
            pass
        assert all(publisher.versions(job) == list(range(1, len(publisher.versions(job)) + 1)) for job in (1, 2))
    assert [publisher.versions(job) for job in (1, 2)] == [[1, 2, 3, 4, 5]] * 2
    assert await outbox.lanes() == {}
