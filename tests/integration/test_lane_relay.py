"""The relay that sends lane by lane: in order, once unless something dies, and no lane waits for another."""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from gateway.mapping.render import Unrenderable, WhyNot
from gateway.outbound.lane_relay import LaneRelay
from gateway.outbound.outcome import Fault, Rejected, Retryable
from gateway.outbound.relay import Relay
from gateway.outbound.work import Terms
from gateway.relays import make_relay
from gateway.settings import Settings
from gateway.store import tables
from tests.eventually import eventually
from tests.outbound import RecordingPublisher, SendingPublisher, render_plainly, statements_of


def relay_of(outbox, publisher, render=render_plainly, **about):
    return LaneRelay(outbox.database, publisher, render, jitter=lambda: 0.0, **about)


def for_lane(lane, *outcomes):
    """Answers with `outcomes`, one after the other, for one job; with nothing for the others."""
    left = list(outcomes)
    return lambda one: left.pop(0) if one.delivery.lane == lane and left else None


async def states(outbox):
    return {(row["lane"], row["position"]): row["state"] for row in (await outbox.deliveries()).values()}


async def test_delivers_what_is_owed_in_order_and_leaves_no_lane(outbox):
    hook = await outbox.add_destination("hook.acme")
    for _ in range(3):
        await outbox.append(1, 2, 3, to=hook)
    publisher = SendingPublisher()
    assert await relay_of(outbox, publisher).relay_once() == 3
    assert [publisher.versions(job) for job in (1, 2, 3)] == [[1, 2, 3]] * 3
    assert await outbox.lanes() == {}
    rows = (await outbox.deliveries()).values()
    assert {(row["state"], row["claims"], row["attempts"], row["retries"]) for row in rows} == {("delivered", 1, 1, 0)}
    assert all(row["settled_at"] and len(row["digest"]) == 64 for row in rows)
    assert await outbox.rows(tables.attempt) == []


async def test_no_transaction_is_open_while_it_sends(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, to=hook)
    open_connections = []

    def look(_one):
        open_connections.append(outbox.database.engine.pool.checkedout())

    await relay_of(outbox, SendingPublisher(look)).relay_once()
    assert open_connections == [0]


async def test_a_failed_delivery_stops_its_own_lane_until_its_retry(outbox):
    hook = await outbox.add_destination("hook.acme", schedule=[3600])
    await outbox.append(1, 1, 2, 2, to=hook)
    publisher = SendingPublisher(for_lane(1, Retryable(Fault.BUSY, "503")))
    relay = relay_of(outbox, publisher)
    await relay.relay_once()
    assert (publisher.versions(1), publisher.versions(2)) == ([], [1, 2])
    assert await relay.relay_once() == 0
    [failed] = [row for row in (await outbox.deliveries()).values() if row["retries"]]
    assert (failed["state"], failed["reason"], failed["attempts"]) == ("pending", "busy", 1)
    assert 3500 < (failed["due_at"] - datetime.now(UTC)).total_seconds() <= 3600, "by the destination's own schedule"
    await outbox.end_leases()
    await relay.relay_once()
    assert publisher.versions(1) == [1, 2]


async def test_what_cannot_be_made_or_is_refused_is_dead_and_stops_its_own_lane_only(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, 2, 3, 4, to=hook)

    def render(event, *about):
        if event.job == 1:
            return Unrenderable(WhyNot.NO_CODE_FOR_STATUS, "paused")
        if event.job == 2:
            raise KeyError("private words")
        return render_plainly(event, *about)

    await relay_of(outbox, SendingPublisher(for_lane(3, Rejected(Fault.REFUSED))), render).relay_once()
    found = {
        row["lane"]: (row["state"], row["reason"], row["attempts"]) for row in (await outbox.deliveries()).values()
    }
    assert found == {
        1: ("dead", "no_code_for_status", 0),
        2: ("dead", "renderer_bug", 0),
        3: ("dead", "refused", 1),
        4: ("delivered", None, 1),
    }


async def test_a_bug_in_the_publisher_is_retried_and_quotes_nothing(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, to=hook)

    def broken(_one):
        raise RuntimeError("private words")

    await relay_of(outbox, SendingPublisher(broken)).relay_once()
    [row] = (await outbox.deliveries()).values()
    assert (row["state"], row["reason"], row["detail"]) == ("pending", "publisher_bug", "RuntimeError")


async def test_a_lane_that_hangs_holds_up_no_other_and_is_recorded_when_it_ends(outbox):
    slow, quick = [await outbox.add_destination(name) for name in ("slow", "quick")]
    publisher = SendingPublisher()
    publisher.hanging.add("slow")
    relay = relay_of(outbox, publisher)
    running = asyncio.create_task(relay.run())
    await outbox.append(1, 1, to=slow)
    relay.wake.set()
    await eventually(lambda: publisher.under_way["slow"])
    for version in range(1, 4):
        await outbox.append(2, to=quick)
        relay.wake.set()
        await eventually(lambda version=version: publisher.versions(2) == list(range(1, version + 1)))
    await eventually(lambda: only(outbox, {(slow.number, 1)}))
    publisher.may_end.set()
    await eventually(lambda: only(outbox, set()))
    assert publisher.versions(1) == [1, 2]
    relay.stop()
    await running


async def only(outbox, places):
    return set(await outbox.lanes()) == places


async def test_no_send_begins_when_it_might_outlast_the_lease(outbox):
    hook = await outbox.add_destination("hook.acme", timeout=25.0)
    await outbox.append(1, 1, 1, to=hook)
    clock = [0.0]

    def slow(_one):
        clock[0] += 20.0

    publisher = SendingPublisher(slow)
    await relay_of(outbox, publisher, monotonic=lambda: clock[0]).relay_once()
    assert publisher.versions(1) == [1, 2], "the third would have begun with no time-out of lease left"
    [row] = (await outbox.lanes()).values()
    assert (row["owed"], row["token"]) == (1, None)


async def test_a_lease_lasts_two_time_outs_at_least(outbox):
    hook = await outbox.add_destination("hook.acme", timeout=30.0)
    await outbox.append(1, to=hook)
    publisher = SendingPublisher()
    relay = relay_of(outbox, publisher, terms=Terms(lease=timedelta(seconds=10)))
    work = (await relay.claim()).work
    assert (work.claim.until - work.claim.now).total_seconds() == 60


async def test_a_relay_that_wakes_after_its_lease_records_nothing(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, 1, to=hook)
    late, present = SendingPublisher(), SendingPublisher()
    late.may_answer.clear()
    sleeping = asyncio.create_task(relay_of(outbox, late).relay_once())
    await late.asked.wait()
    await outbox.end_leases()
    await relay_of(outbox, present).relay_once()
    settled = await outbox.deliveries()
    late.may_answer.set()
    await sleeping
    assert await outbox.deliveries() == settled
    assert (present.versions(1), late.versions(1)) == ([1, 2], [1, 2]), "late duplicates of what had arrived already"


@pytest.mark.parametrize("late_is", ["first", "last"])
async def test_a_lane_that_ended_twice_is_recorded_by_the_claim_that_has_it(outbox, late_is):
    """Its lease ended while it was sent, and the same relay claimed it again."""
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, to=hook)
    relay = relay_of(outbox, SendingPublisher())
    for _ in range(2):
        relay._begin((await relay.claim()).work)
        await outbox.end_leases()
    await eventually(lambda: len(relay._ended) == 2)
    if late_is == "last":
        relay._ended.reverse()
    await relay._record_ended()
    await relay._record_ended()
    [row] = (await outbox.deliveries()).values()
    assert (row["state"], row["claims"]) == ("delivered", 1)
    assert await outbox.lanes() == {}


async def test_stopped_it_finishes_what_it_began_and_gives_the_rest_back(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, 1, to=hook)
    publisher = SendingPublisher()
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


async def test_running_it_finds_what_nobody_announced(outbox):
    hook = await outbox.add_destination("hook.acme")
    publisher = SendingPublisher()
    relay = relay_of(outbox, publisher)
    running = asyncio.create_task(relay.run())
    await eventually(lambda: not relay.wake.is_set())
    await outbox.append(1, to=hook)
    await eventually(lambda: publisher.versions(1) == [1])
    relay.stop()
    await running


async def test_running_it_outlives_a_transport_that_is_away(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, to=hook)
    publisher = SendingPublisher(for_lane(1, *[Retryable(Fault.TRANSPORT_AWAY)] * 2))
    relay = relay_of(outbox, publisher)
    running = asyncio.create_task(relay.run())
    await eventually(lambda: publisher.versions(1) == [1])
    relay.stop()
    await running
    [row] = (await outbox.deliveries()).values()
    assert (row["state"], row["retries"]) == ("delivered", 0)


async def test_what_it_cannot_get_ready_for_is_given_back(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, to=hook)

    async def ready(_claim):
        raise ConnectionError

    publisher = SendingPublisher()
    assert await relay_of(outbox, publisher, ready=ready).relay_once() == 1
    assert publisher.calls == 0
    [row] = (await outbox.lanes()).values()
    assert (row["owed"], row["token"]) == (1, None)


async def test_the_number_of_statements_depends_on_neither_batch_nor_destinations(outbox):
    async def measured(first, hooks, jobs):
        for hook in hooks:
            await outbox.append(*range(first, first + jobs), *range(first, first + jobs), to=hook)
        relay = relay_of(outbox, SendingPublisher())
        claims = []

        async def claim():
            claims.append(await relay.claim())

        async def deliver():
            relay._begin(claims[0].work)
            await eventually(lambda: len(relay._ended) == jobs * len(hooks))
            await relay._record_ended()

        # The database's time is asked for once, here.
        await relay.claim()
        await outbox.end_leases()
        return await statements_of(outbox, claim), await statements_of(outbox, deliver)

    few = await measured(1, [await outbox.add_destination("hook.0")], 1)
    plain = [await outbox.add_destination(f"hook.{number}") for number in range(1, 4)]
    assert few == await measured(1000, plain, 30)
    assert few == ((4, 3) if outbox.database.is_sqlite else (4, 2)), "due, claimed, take, read; lock and write"
    rated = [await outbox.add_destination(f"rated.{number}", rate=10_000) for number in range(3)]
    assert await measured(2000, rated[:1], 1) == await measured(3000, rated, 30) == (few[0] + 1, few[1])


def at_random(luck):
    """Fails one in three, in every way there is."""

    def answer(_one):
        return luck.choice([None] * 4 + [Retryable(Fault.TIMEOUT), Retryable(Fault.TRANSPORT_AWAY)])

    return answer


@pytest.mark.parametrize("seed", range(3))
async def test_several_relays_share_the_work_and_keep_every_lanes_order(outbox, seed):
    """Under failures at random, claims that are abandoned in the middle, and appends in between."""
    luck = random.Random(seed)
    hooks = [await outbox.add_destination(f"hook.{number}", concurrency=3) for number in range(3)]
    arrived = []

    def note_arrival(one):
        # What a killed relay had sent arrived all the same.
        arrived.append((one.delivery.destination, one.delivery.lane, one.delivery.event.jobversion))

    for _ in range(12):
        for hook in hooks:
            await outbox.append(*(luck.randrange(1, 8) for _ in range(5)), to=hook)
        relays = [relay_of(outbox, SendingPublisher(at_random(luck), note_arrival)) for _ in range(3)]
        if luck.random() < 0.3:
            await relays.pop().claim()
        await asyncio.gather(*(relay.relay_once() for relay in relays))
        await no_time_is_left(outbox)
    last = relay_of(outbox, SendingPublisher(note_arrival))
    while await last.relay_once():
        await no_time_is_left(outbox)
    assert await outbox.lanes() == {}
    assert {row["state"] for row in (await outbox.deliveries()).values()} == {"delivered"}
    firsts = defaultdict(list)
    for destination, lane, version in arrived:
        if version not in firsts[destination, lane]:
            firsts[destination, lane].append(version)
    assert all(versions == sorted(versions) for versions in firsts.values())
    assert sum(map(len, firsts.values())) == len(await outbox.deliveries())


async def no_time_is_left(outbox):
    """Leases end, retries are due, and no breaker is open."""
    await outbox.end_leases()
    async with outbox.database.transaction() as connection:
        await connection.execute(tables.destination.update().values(state="active", breaker=None))


async def test_each_try_is_told_once_it_is_recorded(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, 2, to=hook)
    told = []
    publisher = SendingPublisher(for_lane(2, Rejected(Fault.REFUSED)))
    relay = relay_of(outbox, publisher, attempted=lambda destination, tried: told.append((destination.name, tried)))
    await relay.relay_once()
    assert sorted((name, one.delivery.lane, one.state) for name, one in told) == [
        ("hook.acme", 1, "delivered"),
        ("hook.acme", 2, "dead"),
    ]


@pytest.mark.parametrize(("publisher", "kind"), [(SendingPublisher, LaneRelay), (RecordingPublisher, Relay)])
async def test_a_gateway_sends_lane_by_lane_what_can_be_sent_one_by_one(outbox, publisher, kind):
    settings = Settings(database_url=outbox.database.url, kafka_servers="off")
    assert isinstance(make_relay(settings, outbox.database, publisher(), render_plainly, nothing_to_wait_for), kind)


async def nothing_to_wait_for(_claim):
    pass
