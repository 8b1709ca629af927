"""The relay: in order per lane, once unless something dies, and nothing open while it sends."""

import asyncio
import random
from datetime import timedelta

import pytest

from gateway.mapping.render import Unrenderable, WhyNot
from gateway.outbound.outcome import Delivered, Fault, Rejected, Retryable
from gateway.outbound.relay import Relay
from tests.outbound import LEASE, Outbox, RecordingPublisher, opened, render_plainly


@pytest.fixture
async def outbox(database_url):
    async with opened(database_url) as database:
        yield Outbox(database)


def relay_of(outbox, publisher, render=render_plainly, **about):
    return Relay(outbox.database, publisher, render, jitter=lambda: 0.0, **about)


async def drain(relay):
    while await relay.relay_once():
        pass


async def test_delivers_what_is_owed_in_order_and_leaves_no_lane(outbox):
    feed = await outbox.add_destination("feed.acme")
    for _ in range(3):
        await outbox.append(1, 2, 3, to=feed)
    publisher = RecordingPublisher()
    assert await relay_of(outbox, publisher).relay_once() == 3
    assert [publisher.versions(job) for job in (1, 2, 3)] == [[1, 2, 3]] * 3
    assert publisher.calls == 3, "heads together, then the seconds, then the thirds"
    assert await outbox.lanes() == {}
    rows = (await outbox.deliveries()).values()
    assert {(row["state"], row["claims"], row["attempts"], row["retries"]) for row in rows} == {("delivered", 1, 1, 0)}
    assert all(row["settled_at"] and len(row["digest"]) == 64 for row in rows)
