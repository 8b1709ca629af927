"""Webhooks to partners that hang, dribble, break off or speak something else: each is an outcome, in time."""

import asyncio
import time

import pytest

from gateway.children import free_port
from gateway.outbound.outcome import Delivered, Fault, Retryable
from tests.integration.publisher_conformance import outgoing
from tests.webhooks import hooks, posting, speaking, webhook_to

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
async def partner():
    async with hooks() as partner:
        yield partner


@pytest.fixture
async def webhooks():
    async with posting() as webhooks:
        yield webhooks


def to(url, **settings):
    return outgoing(webhook_to(url, **settings), 1)


async def test_nobody_listens(webhooks):
    assert await webhooks.send(to(f"http://127.0.0.1:{free_port()}/")) == Retryable(Fault.CONNECTION_REFUSED)


async def within(seconds, sending):
    """The outcome, which must come in time."""
    begun = time.monotonic()
    outcome = await sending
    assert time.monotonic() - begun < seconds
    return outcome


async def hold(reader, _writer):
    """Says nothing until the other side has gone."""
    await reader.read()


async def test_a_partner_that_never_answers_costs_one_time_out(webhooks):
    async with speaking(hold) as url:
        assert await within(3, webhooks.send(to(url, timeout=0.3))) == Retryable(Fault.ANSWER_TIMEOUT)


async def test_no_destination_takes_longer_than_the_relay_has():
    async with posting(timeout=0.3) as webhooks, speaking(hold) as url:
        assert await within(3, webhooks.send(to(url, timeout=30.0))) == Retryable(Fault.ANSWER_TIMEOUT)


async def test_a_name_that_is_not_found_in_time_is_a_connection_that_was_not_made():
    async def look_up(_name):
        await asyncio.Event().wait()

    async with posting(look_up=look_up) as webhooks:
        sending = webhooks.send(to("http://partner.example/", connect_timeout=0.2))
        assert await within(3, sending) == Retryable(Fault.CONNECT_TIMEOUT)


async def test_a_head_that_comes_byte_by_byte_costs_one_time_out(webhooks):
    async def drip(reader, writer):
        while not reader.at_eof():
            writer.write(b"H")
            await writer.drain()
            await asyncio.wait([asyncio.ensure_future(reader.read(1))], timeout=0.05)

    async def slow(reader, writer):
        writer.write(OK + b"x-slow: ")
        await drip(reader, writer)

    async with speaking(slow) as url:
        outcome = await within(3, webhooks.send(to(url, timeout=0.5)))
    assert outcome == Retryable(Fault.ANSWER_TIMEOUT)


@pytest.mark.parametrize(
    ("head", "outcome"),
    [
        pytest.param(OK, Delivered(), id="good"),
        pytest.param(b"HTTP/1.1 500 No\r\n", Retryable(Fault.PARTNER_ERROR, "HTTP 500: no"), id="bad"),
    ],
)
async def test_a_body_that_never_ends_changes_nothing_of_what_its_status_said(webhooks, head, outcome):
    async def dribble(reader, writer):
        writer.write(head + b"content-length: 1000\r\n\r\nno")
        await hold(reader, writer)

    async with speaking(dribble) as url:
        assert await within(3, webhooks.send(to(url, timeout=0.5))) == outcome


async def test_an_answer_of_a_gigabyte_is_read_to_its_limit(webhooks):
    sent = 0

    async def pour(_reader, writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 1073741824\r\n\r\n")
        for _ in range(1024):
            writer.write(b"x" * 1_048_576)
            sent += 1
            await writer.drain()

    async with speaking(pour) as url:
        outcome = await within(5, webhooks.send(to(url)))
    assert outcome == Retryable(Fault.PARTNER_ERROR, f"HTTP 500: {'x' * 500}")
    assert sent < 100


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        pytest.param(b"", Fault.CONNECTION_LOST, id="nothing"),
        pytest.param(b"HTTP/1.1 200", Fault.CONNECTION_LOST, id="half a status"),
        pytest.param(OK + b"content-le", Fault.CONNECTION_LOST, id="half a head"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", Fault.ANSWER_UNREADABLE, id="another protocol"),
        pytest.param(OK + b"a: " + b"x" * 100_000 + b"\r\n\r\n", Fault.ANSWER_UNREADABLE, id="a huge header"),
        pytest.param(OK + b"a: 1\r\n" * 50_000 + b"\r\n", Fault.ANSWER_UNREADABLE, id="too many headers"),
        pytest.param(b"HTTP/1.1 999999 OK\r\n\r\n", Fault.ANSWER_UNREADABLE, id="no status"),
        pytest.param(OK + b"content-length: many\r\n\r\n", Fault.ANSWER_UNREADABLE, id="no length"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n", Fault.ANSWER_UNREADABLE, id="no chunk"),
        pytest.param(b"\xff\xfe\x00" * 50 + b"\r\n\r\n", Fault.ANSWER_UNREADABLE, id="noise"),
    ],
)
async def test_what_is_no_answer_is_an_outcome(webhooks, said, fault):
    async def say(_reader, writer):
        writer.write(said)
        await writer.drain()

    async with speaking(say) as url:
        outcome = await within(5, webhooks.send(to(url)))
    assert (type(outcome), outcome.reason) == (Retryable, fault)


async def test_a_connection_that_is_reset_is_an_outcome(webhooks):
    async def reset(_reader, writer):
        writer.transport.abort()

    async with speaking(reset) as url:
        assert (await webhooks.send(to(url))).reason is Fault.CONNECTION_LOST


@pytest.mark.parametrize(
    "said",
    [
        b"content-length: 10\r\n\r\nno",
        b"transfer-encoding: chunked\r\n\r\n5\r\nno",
    ],
    ids=["length", "chunk"],
)
async def test_a_body_that_breaks_off_changes_nothing_of_what_its_status_said(webhooks, said):
    async def say(_reader, writer):
        writer.write(OK + said)
        await writer.drain()

    async with speaking(say) as url:
        assert await webhooks.send(to(url)) == Delivered()


async def test_one_that_hangs_takes_nothing_from_another(partner, webhooks):
    async with speaking(hold) as url:
        hanging = [asyncio.create_task(webhooks.send(to(url, timeout=30.0))) for _ in range(256)]
        for _ in range(20):
            assert await within(2, webhooks.send(to(partner.url))) == Delivered()
        for one in hanging:
            one.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_batch_is_sent_at_once(partner, webhooks):
    """One that hangs is waited for, and the others' outcomes are their own."""
    async with speaking(hold) as url:
        batch = [to(url, timeout=0.5), *(to(partner.url) for _ in range(3))]
        first, *others = await within(3, webhooks.publish(batch))
    assert (first, others) == (Retryable(Fault.ANSWER_TIMEOUT), [Delivered()] * 3)


async def test_whoever_is_cancelled_stops_sending(webhooks):
    came, gone = asyncio.Event(), asyncio.Event()

    async def wait_for_the_end(reader, _writer):
        came.set()
        await reader.read()
        gone.set()

    async with speaking(wait_for_the_end) as url:
        sending = asyncio.create_task(webhooks.publish([to(url)]))
        await asyncio.wait_for(came.wait(), 5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(gone.wait(), 5)


async def test_it_closes_while_a_partner_hangs(webhooks):
    async with speaking(hold) as url:
        await webhooks.send(to(url, timeout=0.2))
        await within(2, webhooks.close())
