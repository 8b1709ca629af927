"""A relay as a process that is stopped in the middle of a send for longer than its lease, and goes on after it.

What it sends late is a repeat of what arrived before, never a first arrival out of order. Before each send a relay asks
the monotonic clock, which runs while the process stands still, whether a whole time-out of its lease is left: only a
send that had begun can be late. And a send begins only after the one before it was acknowledged to the same relay: by
then the partner has all that comes before it in the lane, whatever another relay has come to meanwhile.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from gateway.children import Child
from gateway.destination_secrets import show_secret
from gateway.sealing import Sealer
from gateway.store import tables
from gateway.store.deliveries import Operator
from tests.conversations import HERE, conversing
from tests.eventually import eventually
from tests.keys import SEALING_KEY
from tests.outbound import Outbox, opened

RELAY = Path(__file__).parent / "relay.py"
LEASE_SECONDS = 3

pytestmark = pytest.mark.timeout(120)


class Partner:
    """Takes whatever is posted, and keeps it in the order of arrival."""

    def __init__(self):
        self.arrived = []

    async def answer(self, reader, writer):
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().lower():
                length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
                self.arrived.append(orjson.loads(await reader.readexactly(length)))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def versions(self, by):
        return [one["version"] for one in self.arrived if one["by"] == by]

    def first_arrivals(self):
        """(version, previous) of each version as it arrived first."""
        first = {}
        for one in self.arrived:
            first.setdefault(one["version"], one["previous"])
        return list(first.items())

    def repeats(self):
        seen, repeated = set(), Counter()
        for one in self.arrived:
            repeated[one["by"], one["version"]] += one["version"] in seen
            seen.add(one["version"])
        return {what: times for what, times in repeated.items() if times}


@asynccontextmanager
async def listening(partner):
    async with conversing(partner.answer) as port:
        yield f"http://{HERE}:{port}"


@pytest.fixture
async def outbox(postgres_url):
    async with opened(postgres_url) as database:
        yield Outbox(database)


async def owed_to(outbox, kind, address):
    """A destination of `kind` at `address`, with a secret if it needs one."""
    feed = await outbox.add_destination("feed.acme", kind=kind, url=address)
    if kind == "webhook":
        await show_secret(outbox.database, Sealer([SEALING_KEY]), feed.name, Operator(author="test", reason="test"))
    return feed


def relay(name, kind, url, folder, step=""):
    variables = {
        "GATEWAY_DATABASE_URL": url,
        "GATEWAY_RELAY_LEASE_SECONDS": str(LEASE_SECONDS),
        "GATEWAY_SECRET_KEYS": SEALING_KEY,
        "GATEWAY_WEBHOOK_PLAIN": "true",
        "GATEWAY_WEBHOOK_NETWORKS": "127.0.0.1",
        "FAULT_STEP": step,
        "FAULT_ARMED": str(folder / "stopped"),
        "PYTHONPATH": str(RELAY.parents[2]),
    }
    argv = [sys.executable, str(RELAY), name, kind]
    return Child(name, argv, folder / f"{name}.log", env={**os.environ, **variables})


async def rows(outbox):
    return await outbox.deliveries(), await outbox.lanes(), await outbox.rows(tables.attempt)


@pytest.mark.parametrize("kind", ["recording", "webhook"], ids=["in rounds", "lane by lane"])
@pytest.mark.parametrize(
    ("step", "repeats"),
    [
        ("before 2", {("other", 1): 1, ("stopped", 2): 1}),
        ("after 2", {("other", 1): 1, ("other", 2): 1}),
    ],
    ids=["before it was written", "after it was answered"],
)
async def test_what_a_stopped_relay_sends_late_is_a_repeat_and_it_records_nothing(
    outbox, postgres_url, tmp_path, kind, step, repeats
):
    partner = Partner()
    async with listening(partner) as address:
        feed = await owed_to(outbox, kind, address)
        await outbox.append(1, 1, 1, 1, 1, to=feed)
        stopped = relay("stopped", kind, postgres_url, tmp_path, step)
        other = relay("other", kind, postgres_url, tmp_path)
        try:
            stopped.start()
            await eventually((tmp_path / "stopped").exists, within=30)
            other.start()
            await eventually(lambda: partner.versions("other") == [1, 2, 3, 4, 5], within=30)
            await eventually(lambda: is_empty(outbox), within=15)
            before = await rows(outbox)

            os.kill(stopped.pid, signal.SIGCONT)
            await eventually(lambda: "claims.lost" in stopped.log_tail(), within=15)
            assert await rows(outbox) == before, "it recorded nothing"
            assert partner.versions("stopped") == [1, 2], "no send began after its lease"
            assert partner.repeats() == repeats
            assert partner.first_arrivals() == [(1, None), (2, 1), (3, 2), (4, 3), (5, 4)]

            await outbox.append(1, 2, to=feed)
            await eventually(lambda: is_empty(outbox), within=15)
            assert Counter((one["job"], one["version"]) for one in partner.arrived)[1, 6] == 1
            assert stopped.is_alive
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
            codes = stopped.stop(), other.stop()
    assert codes == (0, 0), stopped.log_tail() + other.log_tail()


async def is_empty(outbox):
    return await outbox.lanes() == {}
