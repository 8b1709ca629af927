"""Whoever sends too slowly, or without end, is cut off; whoever waits for an answer is not."""

import asyncio

import pytest

from gateway import server
from gateway.web import bodies
from tests.edge import listening
from tests.inbound import opened

HEAD = b"POST /agent/in HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n"
PATIENCE = 0.3


@pytest.fixture
async def port(sqlite_url, monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", PATIENCE)
    monkeypatch.setattr(bodies, "PATIENCE_SECONDS", PATIENCE)
    async with opened(sqlite_url) as road, listening(road) as place:
        yield int(place.rpartition(":")[2])


async def answered(port, *pieces):
    """What the server says until it hangs up, to somebody who sends `pieces` and then nothing."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@pytest.mark.parametrize("sent", [b"", b"POST /agent/in HT", HEAD], ids=["nothing", "half_a_line", "half_a_head"])
async def test_half_a_head_is_not_waited_for(port, sent):
    assert await answered(port, sent) == b""


async def test_a_head_without_end_is_cut_off(port):
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        await answered(port, HEAD, *[b"X-More: " + b"x" * 8_000 + b"\r\n"] * 2_000)


async def test_half_a_body_is_answered_408(port):
    told = await answered(port, HEAD + b"\r\n" + b"x" * 10)
    assert told.startswith(b"HTTP/1.1 408")
    assert b'"too_slow"' in told


async def test_an_idle_connection_after_an_answer_is_uvicorns_to_end(port):
    told = await answered(port, b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 200")
