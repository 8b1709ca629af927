"""The relay: in order per lane, once unless something dies, and nothing open while it sends."""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from gateway.mapping.render import Unrenderable, WhyNot
from gateway.outbound.outcome import Fault, Rejected, Retryable
from gateway.outbound.relay import Relay
from gateway.outbound.work import Terms
from gateway.store import tables
from gateway.store.bulk import notify
from gateway.store.outbox import CHANNEL
from gateway.store.wakeups import listen
from tests.eventually import eventually
from tests.outbound import Outbox, RecordingPublisher, opened, render_plainly


def relay_of(outbox, publisher, render=render_plainly, **about):
    return Relay(outbox.database, publisher, render, jitter=lambda: 0.0, **about)


def for_lane(lane, *outcomes):
    """Answers with `outcomes`, one after the other, for one job; with nothing for the others."""
    left = list(outcomes)
    return lambda one: left.pop(0) if one.delivery.lane == lane and left else None


async def states(outbox):
    return {(row["lane"], row["position"]): row["state"] for row in (await outbox.deliveries()).values()}


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
    assert await outbox.rows(tables.attempt) == []


async def test_no_transaction_is_open_while_it_sends(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    open_connections = []

    def look(_one):
        open_connections.append(outbox.database.engine.pool.checkedout())

    await relay_of(outbox, RecordingPublisher(look)).relay_once()
    assert open_connections == [0]


async def test_a_failed_delivery_stops_its_own_lane_until_its_retry(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 2, 2, to=feed)
    publisher = RecordingPublisher(for_lane(1, Retryable(Fault.BUSY, "503")))
    relay = relay_of(outbox, publisher)
    await relay.relay_once()
    assert (publisher.versions(1), publisher.versions(2)) == ([], [1, 2])
    assert await relay.relay_once() == 0
    [failed] = [row for row in (await outbox.deliveries()).values() if row["retries"]]
    assert (failed["state"], failed["reason"], failed["attempts"]) == ("pending", "busy", 1)
    assert timedelta(seconds=1) < failed["due_at"] - datetime.now(UTC) <= timedelta(seconds=2)
    [row] = await outbox.rows(tables.attempt)
    assert (row["delivery"], row["outcome"], row["reason"]) == (failed["number"], "retryable", "busy")
    assert (row["detail"], row["fault_domain"]) == ("503", "partner")
    await outbox.end_leases()
    await relay.relay_once()
    assert publisher.versions(1) == [1, 2]
    assert [row["outcome"] for row in await outbox.rows(tables.attempt, tables.attempt.c.ordinal)] == [
        "retryable",
        "delivered",
    ]


async def test_when_the_schedule_has_ended_a_delivery_is_dead_and_says_of_what(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    async with outbox.database.transaction() as connection:
        await connection.execute(tables.delivery.update().values(retries=1000))
    await relay_of(outbox, RecordingPublisher(for_lane(1, Retryable(Fault.TIMEOUT)))).relay_once()
    [row] = (await outbox.deliveries()).values()
    assert (row["state"], row["reason"]) == ("dead", "schedule_exhausted")
    assert "timeout" in row["detail"]


async def test_a_rejected_delivery_holds_its_own_lane_only(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 2, to=feed)
    relay = relay_of(outbox, RecordingPublisher(for_lane(1, Rejected(Fault.TOO_LARGE, "9 MB"))))
    await relay.relay_once()
    assert await states(outbox) == {(1, 1): "dead", (1, 2): "pending", (2, 1): "delivered"}
    await outbox.append(1, to=feed)
    assert await relay.relay_once() == 0


async def test_what_cannot_be_rendered_is_dead_with_the_renderers_reason_and_never_sent(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 2, to=feed)

    def render(event, *about):
        if event.job == 1:
            return Unrenderable(WhyNot.NO_CODE_FOR_STATUS, "paused")
        return render_plainly(event, *about)

    publisher = RecordingPublisher()
    await relay_of(outbox, publisher, render).relay_once()
    [dead] = [row for row in (await outbox.deliveries()).values() if row["state"] == "dead"]
    assert (dead["lane"], dead["reason"], dead["detail"]) == (1, "no_code_for_status", "paused")
    assert (dead["attempts"], dead["digest"]) == (0, None)
    [row] = await outbox.rows(tables.attempt)
    assert row["fault_domain"] == "mapping"
    assert (publisher.versions(1), publisher.versions(2)) == ([], [1])


async def test_a_bug_in_the_renderer_stops_one_lane_and_quotes_nothing(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 2, to=feed)

    def render(event, *about):
        if event.job == 1:
            raise KeyError("private words")
        return render_plainly(event, *about)

    await relay_of(outbox, RecordingPublisher(), render).relay_once()
    [dead] = [row for row in (await outbox.deliveries()).values() if row["state"] == "dead"]
    assert (dead["lane"], dead["reason"], dead["detail"]) == (1, "renderer_bug", "KeyError")
    assert await states(outbox) == {(1, 1): "dead", (2, 1): "delivered"}


async def test_a_bug_in_the_publisher_is_retried_like_any_failure(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)

    def broken(_one):
        raise RuntimeError("private words")

    await relay_of(outbox, RecordingPublisher(broken)).relay_once()
    [row] = (await outbox.deliveries()).values()
    assert (row["state"], row["reason"], row["detail"], row["retries"]) == (
        "pending",
        "publisher_bug",
        "RuntimeError",
        1,
    )


async def test_while_the_transport_is_away_nothing_is_counted_and_everything_given_back(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 2, to=feed)
    away = [Retryable(Fault.TRANSPORT_AWAY)]
    relay = relay_of(outbox, RecordingPublisher(for_lane(1, *away), for_lane(2, *away)))
    assert await relay.deliver(await relay.claim()) is False
    rows = (await outbox.deliveries()).values()
    assert {(row["state"], row["retries"], row["attempts"]) for row in rows} == {("pending", 0, 0)}
    assert await outbox.rows(tables.attempt) == []
    assert await relay.relay_once() == 2
    assert await outbox.lanes() == {}


async def test_no_send_begins_when_it_might_outlast_the_lease(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 1, to=feed)
    clock = [0.0]

    def slow(_one):
        clock[0] += 30.0

    publisher = RecordingPublisher(slow)
    relay = relay_of(outbox, publisher, monotonic=lambda: clock[0])
    await relay.relay_once()
    assert publisher.versions(1) == [1, 2], "the third would have begun with no time-out of lease left"
    [row] = (await outbox.lanes()).values()
    assert (row["owed"], row["token"]) == (1, None)


async def test_a_relay_that_wakes_after_its_lease_records_nothing(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, to=feed)
    late, present = RecordingPublisher(), RecordingPublisher()
    late.may_answer.clear()
    sleeping = asyncio.create_task(relay_of(outbox, late).relay_once())
    await late.asked.wait()
    await outbox.end_leases()
    await relay_of(outbox, present).relay_once()
    settled = await outbox.deliveries()
    late.may_answer.set()
    await sleeping
    assert await outbox.deliveries() == settled
    assert present.versions(1) == [1, 2]
    assert late.versions(1) == [1, 2], "late duplicates of what had arrived already"


async def test_stopped_it_finishes_what_it_began_and_gives_the_rest_back(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, to=feed)
    publisher = RecordingPublisher()
    publisher.may_answer.clear()
    relay = relay_of(outbox, publisher)
    running = asyncio.create_task(relay.run())
    await publisher.asked.wait()
    relay.stop()
    publisher.may_answer.set()
    await running
    assert publisher.versions(1) == [1]
    [row] = (await outbox.lanes()).values()
    assert (row["owed"], row["token"]) == (1, None)
    assert row["due_at"] <= datetime.now(UTC)


async def test_running_it_delivers_at_once_when_woken(outbox):
    feed = await outbox.add_destination("feed.acme")
    publisher = RecordingPublisher()
    relay = relay_of(outbox, publisher)
    running = asyncio.create_task(relay.run())
    try:
        for version in (1, 2, 3):
            await outbox.append(1, to=feed)
            relay.wake.set()
            await eventually(lambda version=version: publisher.versions(1) == list(range(1, version + 1)))
    finally:
        relay.stop()
        await running


async def test_running_it_finds_what_nobody_announced(outbox):
    feed = await outbox.add_destination("feed.acme")
    publisher = RecordingPublisher()
    relay = relay_of(outbox, publisher)
    running = asyncio.create_task(relay.run())
    await eventually(lambda: not relay.wake.is_set())
    await outbox.append(1, to=feed)
    await eventually(lambda: publisher.versions(1) == [1])
    relay.stop()
    await running


async def test_running_it_outlives_a_transport_that_is_away(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    publisher = RecordingPublisher(for_lane(1, *[Retryable(Fault.TRANSPORT_AWAY)] * 2))
    relay = relay_of(outbox, publisher)
    running = asyncio.create_task(relay.run())
    await eventually(lambda: publisher.versions(1) == [1])
    relay.stop()
    await running
    [row] = (await outbox.deliveries()).values()
    assert (row["state"], row["retries"]) == ("delivered", 0)


async def test_an_announcement_wakes_relays_of_other_processes(postgres_url):
    async with opened(postgres_url) as database:
        wake = asyncio.Event()
        listening = asyncio.create_task(listen(postgres_url, CHANNEL, wake.set))
        await eventually(wake.is_set)
        wake.clear()
        async with database.transaction() as connection:
            await notify(connection, CHANNEL)
            assert not wake.is_set(), "nobody is woken before the commit"
        await eventually(wake.is_set)
        listening.cancel()


async def test_a_listener_listens_again_after_the_server_was_away(breakable_postgres, postgres_url):
    async with opened(postgres_url) as database:
        wake = asyncio.Event()
        listening = asyncio.create_task(listen(postgres_url, CHANNEL, wake.set))
        await eventually(wake.is_set)
        wake.clear()
        await asyncio.to_thread(breakable_postgres.restart)
        await eventually(wake.is_set)
        wake.clear()
        await database.engine.dispose()
        async with database.transaction() as connection:
            await notify(connection, CHANNEL)
        await eventually(wake.is_set)
        listening.cancel()


def at_random(luck):
    """Fails one in three, in every way there is."""

    def answer(_one):
        return luck.choice([None] * 4 + [Retryable(Fault.TIMEOUT), Retryable(Fault.TRANSPORT_AWAY)])

    return answer


@pytest.mark.parametrize("seed", range(3))
async def test_several_relays_share_the_work_and_keep_every_lanes_order(outbox, seed):
    """Under failures at random, relays that are killed in the middle, and appends in between."""
    luck = random.Random(seed)
    feeds = [await outbox.add_destination(f"feed.{number}") for number in range(3)]
    arrived = []

    def note_arrival(one):
        # What a killed relay had sent arrived all the same.
        arrived.append((one.delivery.destination, one.delivery.lane, one.delivery.event.jobversion))

    for _ in range(12):
        for feed in feeds:
            await outbox.append(*(luck.randrange(1, 8) for _ in range(5)), to=feed)
        relays = [
            relay_of(outbox, RecordingPublisher(at_random(luck), note_arrival), terms=Terms(lanes=4)) for _ in range(3)
        ]
        rounds = [asyncio.create_task(relay.relay_once()) for relay in relays]
        if luck.random() < 0.3:
            await asyncio.wait(rounds, return_when=asyncio.FIRST_COMPLETED)
            rounds[2].cancel()
        await asyncio.gather(*rounds, return_exceptions=True)
        await outbox.end_leases()
    last = relay_of(outbox, RecordingPublisher(note_arrival))
    while await last.relay_once():
        await outbox.end_leases()
    assert await outbox.lanes() == {}
    assert {row["state"] for row in (await outbox.deliveries()).values()} == {"delivered"}
    firsts = defaultdict(list)
    for destination, lane, version in arrived:
        if version not in firsts[destination, lane]:
            firsts[destination, lane].append(version)
    assert all(versions == sorted(versions) for versions in firsts.values())
    assert sum(map(len, firsts.values())) == len(await outbox.deliveries())


async def test_two_relays_share_the_work(postgres_url):
    async with opened(postgres_url) as database:
        outbox = Outbox(database)
        feed = await outbox.add_destination("feed.acme")
        await outbox.append(*range(1, 41), to=feed)
        publishers = RecordingPublisher(), RecordingPublisher()
        relays = [relay_of(outbox, publisher, terms=Terms(lanes=10)) for publisher in publishers]
        await asyncio.gather(*(relay.relay_once() for relay in relays))
        assert [len(publisher.arrived) for publisher in publishers] == [10, 10]
        assert len(await outbox.lanes()) == 20


async def test_each_try_is_told_once_it_is_recorded(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 2, to=feed)
    told = []
    publisher = RecordingPublisher(for_lane(2, Rejected(Fault.REFUSED)))
    relay = relay_of(outbox, publisher, attempted=lambda destination, tried: told.append((destination.name, tried)))
    await relay.relay_once()
    assert [(name, one.delivery.lane, one.state) for name, one in told] == [
        ("feed.acme", 1, "delivered"),
        ("feed.acme", 2, "dead"),
    ]
