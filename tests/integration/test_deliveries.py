"""What operators do to deliveries, and how they look at them."""

from datetime import UTC, datetime

import orjson

from gateway.core.reasons import Reason, ReasonLists
from gateway.core.waits import Telling, WaitKind
from gateway.outbound.outcome import Fault, Rejected, Retryable
from gateway.outbound.relay import Relay
from gateway.store import tables, tables_control
from gateway.store.claims import claim
from gateway.store.deliveries import Operator, Verdict, reopen, skip
from gateway.store.delivery_queries import count_deliveries, count_owed, find_delivery, list_deliveries
from gateway.store.destinations import find_due_destinations
from gateway.store.releasing import InForce, release_mapped
from tests.outbound import LEASE, RecordingPublisher, render_plainly

KIM = Operator(author="kim", reason="asked by the brand")


async def send(outbox, *answers):
    """Everything that is due; the versions that arrive, with their previous."""
    publisher = RecordingPublisher(*answers)
    relay = Relay(outbox.database, publisher, render_plainly, jitter=lambda: 0.0)
    while await relay.relay_once():
        pass
    return [(one.delivery.event.jobversion, one.delivery.previous) for one in publisher.arrived]


def rejecting(*versions):
    return lambda one: Rejected(Fault.REFUSED) if one.delivery.event.jobversion in versions else None


async def do(outbox, verb, *numbers):
    async with outbox.database.transaction() as connection:
        return await verb(connection, numbers, KIM, datetime.now(UTC))


async def numbers_of(outbox, **wanted):
    rows = (await outbox.deliveries()).values()
    return [row["number"] for row in rows if all(row[name] == value for name, value in wanted.items())]


async def claim_all(outbox):
    async with outbox.database.transaction() as connection:
        now = datetime.now(UTC)
        due = await find_due_destinations(connection, "recording", now)
        return await claim(connection, due, now=now, lease=LEASE)


async def test_a_reopened_delivery_goes_on_from_its_place(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 1, to=feed)
    assert await send(outbox, rejecting(2)) == [(1, None)]
    [dead] = await numbers_of(outbox, state="dead")
    assert await do(outbox, reopen, dead) == {dead: Verdict.DONE}
    assert await send(outbox) == [(2, 1), (3, 2)]
    [row] = await outbox.rows(tables_control.operator_action)
    assert (row["author"], row["verb"], row["subject"], row["reason"]) == ("kim", "reopen", "delivery", KIM.reason)
    assert orjson.loads(row["numbers"]) == [dead]


async def test_a_skipped_delivery_is_bridged_and_its_lane_goes_on(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 1, to=feed)
    await send(outbox, rejecting(2))
    [dead] = await numbers_of(outbox, state="dead")
    assert await do(outbox, skip, dead) == {dead: Verdict.DONE}
    assert await send(outbox) == [(3, 1)]
    assert (await outbox.deliveries())[dead]["state"] == "skipped"


async def test_skipping_all_that_is_owed_ends_the_lane_and_bridges_what_comes_later(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    await send(outbox)
    await outbox.append(1, 1, to=feed)
    await do(outbox, skip, *await numbers_of(outbox, state="pending"))
    assert await outbox.lanes() == {}
    await outbox.append(1, to=feed)
    assert await send(outbox) == [(4, 1)]


async def test_a_pending_delivery_behind_a_dead_one_can_be_skipped_and_the_lane_rests(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 1, to=feed)
    await send(outbox, rejecting(1))
    behind = (await numbers_of(outbox, state="pending"))[0]
    await do(outbox, skip, behind)
    [row] = (await outbox.lanes()).values()
    assert (row["owed"], row["due_at"]) == (2, None)


async def test_what_is_skipped_behind_a_delivery_that_waits_for_its_next_try_does_not_hurry_it(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 1, 1, to=feed)
    throttled = Retryable(Fault.THROTTLED, after=3600.0)
    assert await send(outbox, lambda one: throttled if one.delivery.event.jobversion == 1 else None) == []
    [first] = await numbers_of(outbox, retries=1)
    *_, last = await numbers_of(outbox, retries=0)
    await do(outbox, skip, last)
    assert await send(outbox) == []
    await do(outbox, skip, first)
    assert await send(outbox) == [(2, None)]


async def test_verbs_tell_what_they_cannot_do_and_do_the_rest(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 2, to=feed)
    await send(outbox, rejecting(1))
    await outbox.append(3, to=feed)
    dead = await numbers_of(outbox, state="dead")
    [pending] = await numbers_of(outbox, state="pending")
    assert await do(outbox, reopen, *dead, pending, 999) == {
        **dict.fromkeys(dead, Verdict.DONE),
        pending: Verdict.WRONG_STATE,
        999: Verdict.UNKNOWN,
    }


async def test_a_claimed_lane_is_busy_until_its_lease_ends(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    await claim_all(outbox)
    [pending] = await numbers_of(outbox, state="pending")
    assert await do(outbox, skip, pending) == {pending: Verdict.BUSY}
    assert await outbox.rows(tables_control.operator_action) == []
    await outbox.end_leases()
    assert await do(outbox, skip, pending) == {pending: Verdict.DONE}


async def test_on_a_relaxed_destination_nothing_is_reopened(outbox):
    feed = await outbox.add_destination("feed.acme", strict=False)
    await outbox.append(1, 1, to=feed)
    assert await send(outbox, rejecting(1)) == [(2, None)]
    [dead] = await numbers_of(outbox, state="dead")
    assert await do(outbox, reopen, dead) == {dead: Verdict.RELAXED}
    assert await do(outbox, skip, dead) == {dead: Verdict.DONE}


async def hold(outbox, feed, *, kind="decline", text="too far"):
    reason = {"kind": kind, "text": text, "code": None, "label": None, "outcome": None}
    body = orjson.dumps({"reason": reason, "status": "declined"}).decode()
    await outbox.append(1, to=feed, body=body, state="held", waits_kind=kind, waits_text=text)


async def release(outbox, *, kind=WaitKind.DECLINE, text="too far", telling=Telling.TOLD):
    reasons = {kind.value: (Reason("D7", "Too far away", also=(text,)),)}
    # A list that is empty takes any words.
    others = {"decline": (Reason("D8", "Other"),), "cancel": (Reason("C8", "Other"),), "complete": ()}
    known = InForce("acme", ReasonLists(**{**others, **reasons}), 2, lambda _type, _body: telling)
    async with outbox.database.transaction() as connection:
        released = await release_mapped(connection, known, KIM, datetime.now(UTC))
        return list(released.deliveries)


async def test_what_waited_for_a_mapping_is_released_with_the_reason_written_on_its_event(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    await hold(outbox, feed)
    await outbox.append(1, to=feed)
    assert await send(outbox) == [(1, None)]
    [held] = await numbers_of(outbox, state="held")
    assert await release(outbox) == [held]
    assert await send(outbox) == [(2, 1), (3, 2)]
    rows = [row for row in await outbox.rows(tables.event) if row["jobversion"] == 2]
    assert rows[0]["profile_version"] == 2
    body = orjson.loads(rows[0]["body"])
    assert (body["reason"]["code"], body["reason"]["label"], body["status"]) == ("D7", "Too far away", "declined")


async def test_only_the_reason_that_was_mapped_is_released(outbox):
    feed = await outbox.add_destination("feed.acme")
    await hold(outbox, feed, kind="cancel")
    assert await release(outbox) == []
    assert await release(outbox, kind=WaitKind.CANCEL, text="other words") == []
    assert await send(outbox) == []


async def test_what_the_version_that_maps_its_reason_does_not_tell_is_given_up_and_bridged(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    await hold(outbox, feed)
    await outbox.append(1, to=feed)
    assert await send(outbox) == [(1, None)]
    [held] = await numbers_of(outbox, state="held")
    assert await release(outbox, telling=Telling.SILENT) == []
    assert await numbers_of(outbox, state="held") == [held]
    assert await release(outbox, telling=Telling.REFUSED) == [held]
    assert await numbers_of(outbox, state="skipped") == [held]
    assert await send(outbox) == [(3, 1)]


async def test_who_polls_is_told_whatever_the_version_says_of_how_the_job_stands(outbox):
    """Connect has words of its own for that."""
    queue = await outbox.add_destination("feed.acme", kind="poll")
    await hold(outbox, queue)
    assert await release(outbox, telling=Telling.REFUSED) == await numbers_of(outbox, state="pending") != []


async def test_what_is_released_while_a_relay_has_the_lane_follows_at_once(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    await hold(outbox, feed)
    publisher = RecordingPublisher()
    relay = Relay(outbox.database, publisher, render_plainly)
    work = await relay.claim()
    before = await outbox.lanes()
    assert len(await release(outbox)) == 1
    assert await outbox.lanes() == before, "the claim stays as it is"
    await relay.deliver(work)
    await relay.relay_once()
    assert publisher.versions(1) == [1, 2]


async def test_a_delivery_is_shown_with_its_history(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, to=feed)
    await send(outbox, lambda _one: Retryable(Fault.BUSY, "503"))
    await outbox.end_leases()
    await send(outbox, rejecting(1))
    [dead] = await numbers_of(outbox, state="dead")
    await do(outbox, reopen, dead)
    await do(outbox, skip, dead)
    async with outbox.database.transaction() as connection:
        history = await find_delivery(connection, dead)
        assert await find_delivery(connection, 999) is None
    assert (history.delivery.destination, history.delivery.state, history.delivery.attempts) == (
        "feed.acme",
        "skipped",
        2,
    )
    assert [(one["outcome"], one["reason"]) for one in history.attempts] == [
        ("retryable", "busy"),
        ("rejected", "refused"),
    ]
    assert [(one["verb"], one["numbers"]) for one in history.actions] == [("reopen", [dead]), ("skip", [dead])]


async def test_deliveries_are_listed_by_what_is_asked_for(outbox):
    feed, work = [await outbox.add_destination(name) for name in ("feed.acme", "work.rapid")]
    await outbox.append(1, 2, to=feed)
    await outbox.append(1, to=work)
    await send(outbox, lambda one: Rejected(Fault.REFUSED) if one.destination.name == "feed.acme" else None)

    async def listed(**filters):
        async with outbox.database.transaction() as connection:
            return [(one.destination, one.job) for one in await list_deliveries(connection, **filters)]

    assert await listed() == [("feed.acme", 1), ("feed.acme", 2), ("work.rapid", 1)]
    assert await listed(states=["dead"]) == [("feed.acme", 1), ("feed.acme", 2)]
    assert await listed(destination_name="work.rapid") == [("work.rapid", 1)]
    assert await listed(job=1, brand="acme") == [("feed.acme", 1), ("work.rapid", 1)]
    assert await listed(brand="other") == []
    first = await numbers_of(outbox, state="dead")
    assert await listed(after=first[0], limit=1) == [("feed.acme", 2)]


async def test_what_is_owed_equals_the_deliveries_in_all_states(outbox):
    feed = await outbox.add_destination("feed.acme")
    await outbox.append(1, 2, 3, to=feed)
    await send(outbox, rejecting(1))
    await outbox.append(4, to=feed, state="held", waits_text="x")
    async with outbox.database.transaction() as connection:
        counts = await count_deliveries(connection)
        assert sum(counts.values()) == await count_owed(connection) == 4
    assert counts == {"dead": 3, "held": 1}
