"""Whoever does not take what a live feed tells it is cut off, at no cost to the others; at the end nobody is waited for."""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway import server
from gateway.mapping.render import Unrenderable, WhyNot
from gateway.outbound.http import live as live_http
from tests.edge import listening
from tests.eventually import eventually
from tests.feeds import import_feed, relay_feeds
from tests.inbound import offer, opened
from tests.live import listens

PADDING = b',"padding":"%b"}' % (b"x" * 60_000)
MUCH = 100
SMALLEST = 4_096


@pytest.fixture
def transports(monkeypatch):
    """The server's ends of all connections."""
    made = []
    begin = server.Impatient.connection_made

    def connection_made(self, transport):
        made.append(transport)
        begin(self, transport)

    monkeypatch.setattr(server.Impatient, "connection_made", connection_made)
    return made


@pytest.fixture
async def road(staffed_url, transports, monkeypatch):
    async with opened(staffed_url) as road:
        await import_feed(road)
        plain = road.gateway.render

        def large(*about):
            document = plain(*about)
            return replace(document, body=document.body[:-1] + PADDING)

        monkeypatch.setattr(road.gateway.live.reader, "_render", large)
        yield road


async def offers(road, count=MUCH):
    """Some megabytes for each who listens."""
    await road.receive(*(offer(f"A-{number}") for number in range(count)))
    await relay_feeds(road)


async def test_who_takes_nothing_is_cut_off_with_little_in_memory_while_others_go_on(
    road, evergreen, transports, monkeypatch
):
    monkeypatch.setattr(server, "TAKING_SECONDS", 0.5)
    most = 0

    async def watch():
        nonlocal most
        while True:
            most = max(most, *(one.get_write_buffer_size() for one in transports if not one.is_closing()))
            await asyncio.sleep(0)

    async with listening(road) as place, listens(place, evergreen) as quick:
        async with listens(place, evergreen, receives=SMALLEST) as slow:
            watching = asyncio.create_task(watch())
            happening = asyncio.create_task(offers(road))
            told = await quick.events(MUCH)
            await happening
            await eventually(lambda: len(road.gateway.live._listeners) == 1)
            watching.cancel()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await slow.events(MUCH)
            last = slow.id
        assert most < 64 * 1024 + live_http.PIECE_BYTES + 2 * len(PADDING)
        async with listens(place, evergreen, last=last) as again:
            ids = [one.id for one in told]
            rest = await again.events(MUCH - ids.index(last) - 1) if last in ids else await again.events(MUCH)
        assert rest[-1] == told[-1]
        assert len({one.id for one in told}) == MUCH


async def test_who_takes_slowly_but_takes_is_not_cut_off(road, evergreen, monkeypatch):
    monkeypatch.setattr(server, "TAKING_SECONDS", 1.0)
    await offers(road)
    async with listening(road) as place, listens(place, evergreen, receives=64 * 1024) as slow:
        told, began = [], time.monotonic()
        for number in range(MUCH):
            told.append(await slow.event())
            await eventually(lambda number=number: time.monotonic() > began + number * 0.025, every=0.005)
    assert len({one.id for one in told}) == MUCH


async def test_at_the_end_all_streams_end_whole_and_who_takes_nothing_is_not_waited_for(
    road, evergreen, transports, monkeypatch
):
    monkeypatch.setattr(server, "ENDING_SECONDS", 0.3)
    serving = listening(road)
    place = await serving.__aenter__()
    async with listens(place, evergreen) as idle, listens(place, evergreen, receives=SMALLEST):
        await offers(road)
        assert len(await idle.events(MUCH)) == MUCH
        await eventually(lambda: any(one.get_write_buffer_size() for one in transports))
        ending = asyncio.create_task(serving.__aexit__(None, None, None))
        async with asyncio.timeout(server.TAKING_SECONDS / 2):
            assert await idle.rest() == []
            await ending


async def test_what_cannot_be_rendered_ends_its_own_feed_and_no_other(road, evergreen, lakeside, monkeypatch):
    plain = road.gateway.render

    def broken(event, destination, *rest):
        if destination.name.startswith("feed.harborline"):
            return Unrenderable(WhyNot.REASON_UNMAPPED)
        return plain(event, destination, *rest)

    await road.gateway.keeper.refresh()
    monkeypatch.setattr(road.gateway.live.reader, "_render", broken)
    async with listening(road) as place, listens(place, evergreen) as brand, listens(place, lakeside) as work:
        await offers(road, 2)
        assert await brand.rest() == []
        assert len(await work.events(2)) == 2
