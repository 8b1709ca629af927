"""Limits hold for any number of relays, and a destination that hangs or fails takes nothing from the others."""

import asyncio
import time

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from gateway.outbound.breaker import FAILURES, PROBES
from gateway.outbound.lane_relay import LaneRelay
from gateway.outbound.outcome import Fault, Rejected, Retryable
from gateway.store import codec, tables
from gateway.store.tables_control import operator_action
from tests.eventually import eventually
from tests.outbound import Outbox, SendingPublisher, opened, render_plainly


def relay_of(outbox, publisher, **about):
    return LaneRelay(outbox.database, publisher, render_plainly, jitter=lambda: 0.0, **about)


def to_all(outcome):
    return lambda _one: outcome


def until_gone(outcomes):
    """Answers with `outcomes`, one after the other, whatever is sent."""
    left = list(outcomes)
    return lambda _one: left.pop(0) if left else None


async def standing(outbox, name="hook.acme"):
    [row] = [row for row in await outbox.rows(tables.destination) if row["name"] == name]
    return row


async def set_standing(outbox, **values):
    async with outbox.database.transaction() as connection:
        await connection.execute(tables.destination.update().values(**values))


async def claimed(outbox):
    """How many lanes are claimed, by destination."""
    lane = tables.lane.c
    query = select(lane.destination, func.count()).where(lane.token.is_not(None)).group_by(lane.destination)
    async with outbox.database.transaction() as connection:
        return dict(map(tuple, (await connection.execute(query)).all()))


async def is_probed_now(outbox):
    """As if time had passed until an open breaker may be probed, and every retry was due."""
    row = await standing(outbox)
    await set_standing(outbox, breaker=codec.encode({**codec.decode(row["breaker"]), "until": 1.0}))
    await outbox.end_leases()


async def running(*relays):
    return [asyncio.create_task(relay.run()) for relay in relays]


async def stopped(relays, tasks):
    for relay in relays:
        relay.stop()
    await asyncio.gather(*tasks)


async def test_however_much_is_owed_two_relays_together_keep_a_destinations_limit(outbox):
    hook = await outbox.add_destination("hook.acme", concurrency=5)
    other = await outbox.add_destination("hook.brio", concurrency=3)
    await owe(outbox, hook, 20_000)
    await outbox.append(*range(1, 101), to=other)
    publisher = SendingPublisher()
    relays = [relay_of(outbox, publisher) for _ in range(2)]
    publisher.may_answer.clear()
    tasks = await running(*relays)
    await eventually(lambda: publisher.calls == 8)
    for relay in relays:
        relay.wake.set()
    await eventually(lambda: not any(relay.wake.is_set() for relay in relays))
    assert await claimed(outbox) == {hook.number: 5, other.number: 3}
    publisher.may_answer.set()
    await eventually(lambda: len(publisher.arrived_at("hook.acme")) > 200)
    await eventually(lambda: len(publisher.arrived_at("hook.brio")) == 100)
    await stopped(relays, tasks)
    assert publisher.most == {"hook.acme": 5, "hook.brio": 3}


async def owe(outbox, destination, jobs):
    """Appends one event for each of so many jobs, by as few statements as can be."""
    for first in range(1, jobs + 1, 5_000):
        await outbox.append(*range(first, first + 5_000), to=destination)


async def test_a_destination_that_hangs_takes_nothing_from_another(outbox):
    bad, good = [await outbox.add_destination(name, concurrency=4) for name in ("hook.bad", "hook.good")]
    publisher = SendingPublisher()
    publisher.hanging.add("hook.bad")
    relay = relay_of(outbox, publisher)
    tasks = await running(relay)
    await outbox.append(*range(1, 101), to=bad)
    relay.wake.set()
    await eventually(lambda: publisher.under_way["hook.bad"] == 4)
    await outbox.append(*range(1, 101), to=good)
    relay.wake.set()
    await eventually(lambda: len(publisher.arrived_at("hook.good")) == 100)
    assert publisher.arrived_at("hook.bad") == []
    assert publisher.most["hook.bad"] == 4
    publisher.may_end.set()
    await eventually(lambda: len(publisher.arrived_at("hook.bad")) == 100)
    await stopped([relay], tasks)


async def test_more_is_claimed_as_soon_as_a_lane_is_done(outbox):
    """Not by the poll: a hundred jobs one at a time are done before it would have come round three times."""
    hook = await outbox.add_destination("hook.acme", concurrency=1)
    await outbox.append(*range(1, 101), to=hook)
    publisher = SendingPublisher()
    relay = relay_of(outbox, publisher)
    tasks = await running(relay)
    await eventually(lambda: len(publisher.arrived) == 100)
    await stopped([relay], tasks)
    assert publisher.most == {"hook.acme": 1}


async def test_two_relays_together_keep_a_rate(outbox):
    hook = await outbox.add_destination("hook.acme", rate=20)
    await outbox.append(*range(1, 101), to=hook)
    publisher = SendingPublisher()
    relays = [relay_of(outbox, publisher) for _ in range(2)]
    begun = time.monotonic()
    tasks = await running(*relays)
    await eventually(lambda: len(publisher.arrived) >= 40)
    await stopped(relays, tasks)
    assert len(publisher.arrived) <= 20 + 20 * (time.monotonic() - begun) + 1


async def test_a_claim_covers_no_more_than_there_are_tokens(outbox):
    hook = await outbox.add_destination("hook.acme", rate=5)
    await outbox.append(*[1] * 10, to=hook)
    relay = relay_of(outbox, SendingPublisher())
    [lane] = (await relay.claim()).work.claim.lanes
    assert len(lane.deliveries) == 5
    assert codec.decode((await standing(outbox))["budget"])["tokens"] < 1
    # As if no time had passed since, however long it took.
    await set_standing(outbox, budget=codec.encode({"tokens": 0.5, "at": time.time() + 50}))
    await outbox.append(2, to=hook)
    again = await relay.claim()
    assert again.work.claim.lanes == ()
    assert again.again_in == pytest.approx(0.1), "half a token at five a second"


async def test_lanes_share_what_tokens_there_are(outbox):
    hook = await outbox.add_destination("hook.acme", rate=10)
    other = await outbox.add_destination("hook.brio")
    await outbox.append(*[1, 2, 3, 4] * 10, to=hook)
    await outbox.append(*[1] * 10, to=other)
    lanes = (await relay_of(outbox, SendingPublisher()).claim()).work.claim.lanes
    covered = [(lane.destination.name, len(lane.deliveries)) for lane in lanes]
    assert sorted(covered) == [*[("hook.acme", 2)] * 4, ("hook.brio", 8)], "whatever others are given"


async def test_under_pressure_the_urgent_goes_first(outbox):
    hook = await outbox.add_destination("hook.acme", concurrency=3)
    await outbox.append(1, 2, to=hook, rank=2)
    await outbox.append(3, 4, to=hook, rank=1)
    await outbox.append(5, 6, to=hook, rank=0)
    lanes = (await relay_of(outbox, SendingPublisher()).claim()).work.claim.lanes
    assert {lane.key for lane in lanes} & {5, 6} == {5, 6}
    assert {lane.key for lane in lanes} & {1, 2} == set()
    assert len(lanes) == 3


async def test_a_dead_relays_lanes_count_until_its_lease_ends(outbox):
    hook = await outbox.add_destination("hook.acme", concurrency=2)
    await outbox.append(1, 2, 3, to=hook)
    dead, alive = (relay_of(outbox, SendingPublisher()) for _ in range(2))
    assert len((await dead.claim()).work.claim.lanes) == 2
    assert await alive.relay_once() == 0
    await outbox.end_leases()
    assert await alive.relay_once() == 2
    assert await alive.relay_once() == 1
    assert await outbox.lanes() == {}


async def test_failures_in_a_row_open_the_breaker_and_everything_is_owed_still(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(*range(1, FAILURES + 1), to=hook)
    relay = relay_of(outbox, SendingPublisher(to_all(Retryable(Fault.TIMEOUT))))
    await relay.relay_once()
    row = await standing(outbox)
    assert (row["state"], row["state_reason"]) == ("open", f"{FAILURES} failures in a row")
    assert row["state_at"] is not None
    await outbox.append(*range(101, 201), to=hook)
    await outbox.end_leases()
    assert await relay.relay_once() == 0
    found = await relay.claim()
    assert 0 < found.again_in <= 15
    assert {row["state"] for row in (await outbox.deliveries()).values()} == {"pending"}
    assert len(await outbox.lanes()) == FAILURES + 100


@pytest.mark.parametrize("outcome", [Rejected(Fault.REFUSED, "422"), Rejected(Fault.TOO_LARGE)])
async def test_what_a_partner_says_of_its_documents_opens_nothing(outbox, outcome):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(*range(1, 2 * FAILURES), to=hook)
    await relay_of(outbox, SendingPublisher(to_all(outcome))).relay_once()
    row = await standing(outbox)
    assert (row["state"], row["breaker"]) == ("active", None)


async def test_what_may_not_have_left_closes_no_breaker(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(*range(1, 2 * PROBES), to=hook)
    await set_standing(outbox, state="half_open", breaker=codec.encode({"failures": FAILURES, "openings": 1}))
    relay = relay_of(outbox, SendingPublisher(to_all(Rejected(Fault.TOO_LARGE))))
    while await relay.relay_once():
        assert (await standing(outbox))["state"] == "half_open"


async def test_our_own_bugs_open_nothing(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(*range(1, 2 * FAILURES), to=hook)
    await relay_of(outbox, SendingPublisher(to_all(Retryable(Fault.PUBLISHER_BUG)))).relay_once()
    assert (await standing(outbox))["state"] == "active"


async def test_successes_on_a_clean_breaker_write_nothing_and_one_among_failures_starts_anew(outbox):
    hook = await outbox.add_destination("hook.acme", concurrency=1)
    await outbox.append(*range(1, 6), to=hook)
    relay = relay_of(outbox, SendingPublisher(until_gone([Retryable(Fault.BUSY), Retryable(Fault.TIMEOUT)])))
    await relay.relay_once()
    await relay.relay_once()
    assert codec.decode((await standing(outbox))["breaker"]) == {"failures": 2}
    await relay.relay_once()
    assert (await standing(outbox))["breaker"] is None
    await set_standing(outbox, breaker="{}")
    await relay.relay_once()
    assert (await standing(outbox))["breaker"] == "{}", "left as it was"


async def test_one_lane_probes_and_what_waited_comes_in_a_ramp(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(*range(1, 51), to=hook)
    answers = until_gone([Retryable(Fault.TIMEOUT)] * (FAILURES + 32))
    publisher = SendingPublisher(answers)
    relays = [relay_of(outbox, publisher) for _ in range(2)]
    while (await standing(outbox))["state"] != "open":
        await relays[0].relay_once()
    publisher.answers.clear()
    await is_probed_now(outbox)
    for probe in range(PROBES):
        claims = [len((await relay.claim()).work.claim.lanes) for relay in relays] if probe == 0 else [1, 0]
        assert claims == [1, 0], "one lane at a time, whatever the number of relays"
        await outbox.end_leases()
        assert await relays[1].relay_once() == 1
        assert (await standing(outbox))["state"] == ("half_open" if probe < PROBES - 1 else "active")
    assert (await standing(outbox))["state_reason"] is None
    assert codec.decode((await standing(outbox))["breaker"]).keys() == {"closed_at"}
    # As if it had closed just now, however long it took, and then as if two seconds had passed.
    await set_standing(outbox, breaker=codec.encode({"closed_at": time.time() + 0.9}))
    assert len((await relays[0].claim()).work.claim.lanes) == 2
    await set_standing(outbox, breaker=codec.encode({"closed_at": time.time() - 2}))
    found = await relays[1].claim()
    assert len(found.work.claim.lanes) in {6, 14, 30}, "eight or more, of which two are claimed"
    assert found.again_in is None or found.again_in <= 1


async def test_a_probe_that_fails_opens_it_again_for_longer(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(*range(1, FAILURES + 1), to=hook)
    relay = relay_of(outbox, SendingPublisher(to_all(Retryable(Fault.TIMEOUT))))
    await relay.relay_once()
    first = codec.decode((await standing(outbox))["breaker"])
    await is_probed_now(outbox)
    assert await relay.relay_once() == 1
    again = codec.decode((await standing(outbox))["breaker"])
    assert (await standing(outbox))["state"] == "open"
    assert (first["openings"], again["openings"]) == (1, 2)
    assert await relay.relay_once() == 0


async def test_running_it_probes_when_the_time_has_come_and_goes_on(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(*range(1, 41), to=hook)
    await set_standing(outbox, state="open", breaker=codec.encode({"openings": 1, "until": time.time() + 0.3}))
    publisher = SendingPublisher()
    relay = relay_of(outbox, publisher)
    tasks = await running(relay)
    await eventually(lambda: len(publisher.arrived) == 40)
    await stopped([relay], tasks)
    assert (await standing(outbox))["state"] == "active"


async def test_one_that_wants_nothing_more_is_paused_with_an_audit_row_and_keeps_what_is_owed(outbox):
    hook = await outbox.add_destination("hook.acme", concurrency=1)
    await outbox.append(1, 2, to=hook)
    relay = relay_of(outbox, SendingPublisher(until_gone([Retryable(Fault.GONE, "410", pauses=True)])))
    await relay.relay_once()
    row = await standing(outbox)
    assert (row["state"], row["state_reason"]) == ("paused", "gone: 410")
    [action] = await outbox.rows(operator_action)
    assert (action["author"], action["verb"], action["subject"]) == ("gateway", "pause", "destination")
    assert (codec.decode(action["numbers"]), action["reason"]) == ([hook.number], "gone")
    await outbox.end_leases()
    assert await relay.relay_once() == 0
    assert {row["state"] for row in (await outbox.deliveries()).values()} == {"pending"}
    await set_standing(outbox, state="active", state_reason=None)
    assert await relay.relay_once() == 1


async def test_what_it_says_then_is_in_no_log_and_kept_in_no_audit_row(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(1, to=hook)
    gone = Retryable(Fault.GONE, "HTTP 410: Ann Miller, 12 Elm Street", pauses=True)
    with capture_logs() as lines:
        await relay_of(outbox, SendingPublisher(to_all(gone))).relay_once()
    [moved] = [line for line in lines if line["event"] == "destination.moved"]
    assert (moved["destination"], moved["state"], moved["reason"]) == ("hook.acme", "paused", "gone")
    assert "Miller" not in str(lines)
    assert "Miller" not in str(await outbox.rows(operator_action))


async def test_what_hung_past_its_lease_moves_no_breaker(outbox):
    hook = await outbox.add_destination("hook.acme")
    await outbox.append(*range(1, FAILURES + 1), to=hook)
    late = SendingPublisher(to_all(Retryable(Fault.TIMEOUT)))
    late.may_answer.clear()
    sleeping = asyncio.create_task(relay_of(outbox, late).relay_once())
    await eventually(lambda: late.calls == FAILURES)
    await outbox.end_leases()
    await relay_of(outbox, SendingPublisher()).relay_once()
    late.may_answer.set()
    await sleeping
    row = await standing(outbox)
    assert (row["state"], row["breaker"]) == ("active", None)


async def test_two_claims_at_once_never_take_more_than_is_allowed(postgres_url):
    async with opened(postgres_url) as database:
        outbox = Outbox(database)
        hook = await outbox.add_destination("hook.acme", concurrency=10)
        await outbox.append(*range(1, 101), to=hook)
        relays = [relay_of(outbox, SendingPublisher()) for _ in range(4)]
        for _ in range(10):
            rounds = await asyncio.gather(*(relay.claim() for relay in relays))
            assert sum(len(one.work.claim.lanes) for one in rounds) == 10
            await outbox.end_leases()
