"""`GET /v1/feed/live`: everything comes, in order, to whoever listens or comes back, and to nobody else."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from sqlalchemy import delete

from gateway.outbound import live
from gateway.outbound.feed import FeedPublisher
from gateway.outbound.http import live as live_http
from gateway.outbound.relay import Relay
from gateway.store import feeds
from gateway.store.database import Database
from gateway.store.keys import revoke_key
from gateway.store.tables_control import feed_position
from tests.edge import listening
from tests.eventually import eventually
from tests.feeds import import_feed, read, read_all, relay_feeds
from tests.inbound import EVERGREEN, LAKESIDE, START, offer, opened, provider
from tests.keys import make_key
from tests.live import listens
from tests.statements import statements_within

QUICKLY = 0.05


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        await import_feed(road)
        yield road


@pytest.fixture
async def place(road):
    async with listening(road) as place:
        yield place


@pytest.fixture
def quick_checks(monkeypatch):
    monkeypatch.setattr(live, "CHECK", QUICKLY)
    monkeypatch.setattr(live, "POLL", QUICKLY)


def life_of(job):
    return [
        offer(job),
        provider("offer.accept", job),
        provider("appointment.add", job, id=f"V-{job}", start=START),
        provider("note.add", job, id=f"N-{job}", text="Gate code 4711", visibility="public"),
        provider("appointment.complete", appointment=f"V-{job}", reason="REP"),
    ]


async def happen(road, *jobs):
    for job in jobs:
        await road.receive(*life_of(job))
    await relay_feeds(road)


@asynccontextmanager
async def several(place, keys):
    """Streams of `keys`, all of which have begun."""
    async with AsyncExitStack() as opened_streams:
        yield [await opened_streams.enter_async_context(listens(place, key)) for key in keys]


def as_items(events):
    """What they would be on a page."""
    return [{"cursor": one.id, **one.data} for one in events]


@pytest.mark.parametrize("fresh", [live.FRESH, 0.0], ids=["from_what_is_kept", "from_pages_of_its_own"])
async def test_all_that_happens_meanwhile_comes_in_the_order_of_the_feed(
    road, client, place, evergreen, monkeypatch, fresh
):
    monkeypatch.setattr(live, "FRESH", fresh)
    await happen(road, "A-1")
    async with listens(place, evergreen) as stream:
        told = await stream.events(5)
        for job in ("B-1", "C-1", "D-1", "E-1"):
            happening = asyncio.create_task(happen(road, job))
            told += await stream.events(5)
            await happening
    items, _ = await read_all(client, evergreen)
    assert as_items(told) == items
    assert [one.type for one in told] == [one["type"] for one in items]


async def test_the_head_says_that_it_is_a_stream_which_nobody_may_keep(place, evergreen):
    async with listens(place, evergreen) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert (stream.headers["cache-control"], stream.headers["x-accel-buffering"]) == ("no-store", "no")
        await stream.block()


async def test_whoever_comes_back_gets_what_came_after_its_last_id_and_nothing_else(road, client, place, evergreen):
    await happen(road, "A-1", "A-2")
    items, _ = await read_all(client, evergreen)
    for number, item in enumerate(items[:-1], 1):
        async with listens(place, evergreen, last=item["cursor"]) as stream:
            assert as_items(await stream.events(10 - number)) == items[number:]
        async with listens(place, evergreen, after=item["cursor"]) as stream:
            assert as_items(await stream.events(10 - number)) == items[number:]
        page = (await read(client, evergreen, stream.id)).json()
        assert page["items"] == []


async def test_the_last_id_goes_before_what_the_address_says(road, client, place, evergreen):
    await happen(road, "A-1")
    items, _ = await read_all(client, evergreen)
    async with listens(place, evergreen, after="now", last=items[3]["cursor"]) as stream:
        assert as_items([await stream.event()]) == items[4:]
    # As a browser's does before the first event.
    async with listens(place, evergreen, after=items[2]["cursor"], last="") as stream:
        assert as_items(await stream.events(2)) == items[3:]


async def test_from_now_on_nothing_older_comes_and_the_place_is_known_before_anything_does(road, place, evergreen):
    await happen(road, "A-1")
    async with listens(place, evergreen, after="now") as stream:
        await stream.block()
        await happen(road, "B-1")
        first = await stream.event()
        assert first.data["data"]["job"]["external_id"] == "B-1"
        assert stream.comments == 0
    async with listens(place, evergreen, after="now") as stream:
        [_, line] = await stream.block()
    await happen(road, "C-1")
    async with listens(place, evergreen, last=line.removeprefix("id: ")) as stream:
        assert (await stream.event()).data["data"]["job"]["external_id"] == "C-1"


async def test_what_is_committed_late_is_not_passed_over(staffed_postgres_url):
    async with opened(staffed_postgres_url) as road, listening(road) as place:
        await import_feed(road)
        key = await make_key(road.database, account=EVERGREEN)
        await road.receive(offer("A-1"), offer("A-2"))
        relay = Relay(road.database, FeedPublisher(road.gateway.live.wake), road.gateway.render)
        relay.terms = type(relay.terms)(lease=relay.terms.lease, lanes=1)
        [first] = (await relay.claim()).claim.lanes
        second = await relay.claim()
        other = Database(road.database.url)
        async with listens(place, key) as stream:
            async with other.transaction() as late:
                await feeds.give_positions(late, first.deliveries)
                recording = asyncio.create_task(relay.deliver(second))
                waiting = asyncio.create_task(stream.event())
                for _ in range(3):
                    await a_round(road)
                assert not waiting.done()
            await recording
            told = [await waiting, await stream.event()]
        await other.close()
        wanted = [one.deliveries[0].event.job for one in (first, *second.claim.lanes)]
        assert [one.data["subject"] for one in told] == [f"job-{number}" for number in wanted]


async def a_round(road):
    """The feeds were read once more, by all who are woken."""
    async with statements_within(road.database) as said:
        road.gateway.live.wake()
        await eventually(lambda: any("feed_position" in one for one in said))


async def test_a_note_that_was_taken_back_is_withheld_a_moment_later_already(road, client, place, evergreen):
    async with listens(place, evergreen) as early:
        await road.receive(*life_of("A-1")[:4])
        await relay_feeds(road)
        assert (await early.events(4))[-1].data["data"]["note"]["text"] == "Gate code 4711"
        await road.receive(provider("note.set_visibility", note="N-A-1", visibility="private"))
        async with listens(place, evergreen) as late:
            note = (await late.events(4))[-1].data["data"]["note"]
        assert (note["text"], note["withheld"]) == (None, True)


async def test_a_key_that_is_revoked_has_its_streams_ended_and_no_other_has(road, place, evergreen, quick_checks):
    other = await make_key(road.database, account=EVERGREEN, transformation="board")
    async with listens(place, evergreen) as ending, listens(place, other) as staying:
        async with road.database.transaction() as connection:
            number = next(one.caller.key for one in road.gateway.live._listeners if one.caller.transformation == "noop")
            await revoke_key(connection, number, await road.database.now(connection))
        assert await ending.rest() == []
        await happen(road, "A-1")
        assert len(await staying.events(5)) == 5
    async with listens(place, evergreen) as again:
        assert again.status == 401


async def test_a_caller_with_one_feed_more_has_to_come_again(road, place, evergreen, quick_checks):
    async with listens(place, evergreen) as stream:
        await import_feed(road, "maplegrove")
        assert await stream.rest() == []
    async with listens(place, evergreen, last=stream.id) as stream:
        await road.receive(offer("B-1", brand="maplegrove"))
        await relay_feeds(road)
        assert (await stream.event()).data["data"]["job"]["brand"] == "maplegrove"


async def test_a_user_that_is_deactivated_hears_nothing_more(road, place, quick_checks):
    await make_key(road.database, organization=LAKESIDE)
    await road.gateway.keeper.refresh()
    key = await make_key(road.database, user="dee", organization=LAKESIDE)
    async with listens(place, key) as stream:
        assert stream.status == 200
        pat = provider("user.put", "pat", name="Pat", role="dispatcher")
        assert await road.receive(pat, provider("user.deactivate", "dee")) == ["applied", "applied"]
        assert await stream.rest() == []


async def test_each_hears_its_own_and_all_that_share_a_feed_hear_the_same(road, place, evergreen):
    lakeside = await make_key(road.database, organization=LAKESIDE)
    await import_feed(road, "maplegrove")
    bound = await make_key(road.database, account=EVERGREEN, brand="maplegrove", transformation="board")
    async with (
        listens(place, evergreen) as everything,
        listens(place, bound) as of_brand,
        listens(place, lakeside) as work,
        listens(place, lakeside) as same_work,
    ):
        await road.receive(offer("A-1"), offer("B-1", brand="maplegrove"))
        await relay_feeds(road)
        brands = {one.data["data"]["job"]["brand"] for one in await everything.events(2)}
        assert brands == {"harborline", "maplegrove"}
        assert (await of_brand.event()).data["data"]["job"]["brand"] == "maplegrove"
        theirs = await work.events(2)
        assert theirs == await same_work.events(2)
        assert "profile_version" not in theirs[0].data["data"]


@pytest.mark.parametrize(("named", "member"), [("after", "after"), ("last", "Last-Event-ID")])
async def test_a_cursor_that_leads_nowhere_is_a_problem_before_anything_begins(road, place, evergreen, named, member):
    await happen(road, "A-1")
    async with listens(place, evergreen) as stream:
        told = await stream.events(3)
    async with road.database.transaction() as connection:
        await connection.execute(delete(feed_position).where(feed_position.c.position <= 3))
    for cursor, status, code in (
        ("nonsense", 400, "bad_cursor"),
        ("x" * 5_000, 400, "bad_cursor"),
        (told[0].id, 410, "cursor_expired"),
    ):
        async with listens(place, evergreen, **{named: cursor}) as refused:
            problem = await refused.problem()
        assert (refused.status, problem["code"], problem["field"]) == (status, code, member)
        assert refused.headers["content-type"] == "application/problem+json"


async def test_without_a_feed_or_a_token_there_is_no_stream(road, place):
    strange = await make_key(road.database, account="ironpeak-appliances")
    async with listens(place, strange) as stream:
        assert (stream.status, (await stream.problem())["code"]) == (404, "no_feed")
    async with listens(place, {"token": "wrong"}) as stream:
        assert stream.status == 401


async def test_asked_for_its_head_alone_it_ends_after_it(road, place, evergreen):
    async with listens(place, evergreen, method="HEAD") as stream:
        assert (stream.status, stream.headers["content-type"][:17]) == (200, "text/event-stream")
        await eventually(lambda: not road.gateway.live._listeners)


async def test_while_nothing_happens_there_is_a_sign_of_life(place, evergreen, monkeypatch):
    monkeypatch.setattr(live_http, "HEARTBEAT", QUICKLY)
    async with listens(place, evergreen) as stream:
        assert [line.partition(":")[0] for line in await stream.block()] == ["retry", "id"]
        assert [await stream.block() for _ in range(3)] == [[": "]] * 3


async def test_a_key_has_so_many_streams_and_a_process_too(road, place, evergreen, monkeypatch):
    monkeypatch.setattr(live, "MOST_PER_KEY", 2)
    monkeypatch.setattr(road.gateway.live, "_most", 3)
    other = await make_key(road.database, account=EVERGREEN, transformation="board")
    async with listens(place, evergreen), listens(place, evergreen) as second:
        async with listens(place, evergreen) as third:
            assert (third.status, (await third.problem())["code"]) == (429, "too_many_streams")
        async with listens(place, other), listens(place, other) as fourth:
            assert (fourth.status, (await fourth.problem())["code"]) == (503, "no_room")
        assert int(third.headers["retry-after"]) == int(fourth.headers["retry-after"]) == 10
        second.writer.transport.abort()
        await eventually(lambda: len(road.gateway.live._listeners) == 1)
        async with listens(place, evergreen) as again:
            assert again.status == 200


async def test_an_event_is_rendered_once_for_all_who_listen(road, place, evergreen, monkeypatch):
    rendered = []
    plain = road.gateway.live.reader._render
    monkeypatch.setattr(
        road.gateway.live.reader, "_render", lambda event, *rest: rendered.append(event.number) or plain(event, *rest)
    )
    keys = [evergreen] * 20
    async with several(place, keys) as streams:
        await happen(road, "A-1")
        told = [await one.events(5) for one in streams]
    assert all(each == told[0] for each in told)
    assert len(rendered) == len(set(rendered)) == 5


async def test_the_statements_are_the_same_however_many_listen(road, place, evergreen, monkeypatch):
    await import_feed(road, "maplegrove")
    monkeypatch.setattr(live, "POLL", 60.0)
    monkeypatch.setattr(live, "CHECK", 0.0)
    lakeside = await make_key(road.database, organization=LAKESIDE)
    await road.gateway.keeper.refresh()
    counts = []
    for keys in ([evergreen], [evergreen] * 15 + [lakeside] * 15):
        async with several(place, keys):
            await a_round(road)
            async with statements_within(road.database) as said:
                await a_round(road)
            counts.append(len(said))
    assert counts == [2, 2]
