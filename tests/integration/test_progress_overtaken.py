"""Progress that piled up for a destination that declares superseding: what has not left gives way, and is bridged."""

from datetime import UTC, datetime

import pytest

from gateway.core.events import NoteRevision
from gateway.outbound.outcome import Fault, Rejected, Retryable
from gateway.outbound.relay import Relay
from gateway.store.bulk import Writes
from gateway.store.claims import claim
from gateway.store.delivery_queries import find_delivery
from gateway.store.destinations import find_due_destinations
from gateway.store.ledger import read_ledger
from gateway.store.outbox import append
from tests.outbound import LEASE, RecordingPublisher, moves, render_plainly, statements_of


@pytest.fixture
async def feed(outbox):
    return await outbox.add_destination("feed.acme", superseding=True)


async def tell(outbox, feed, *words, job=1, visit="apt-1"):
    """Appends what the words say of one visit: (event, status before, status after)."""
    steps = {
        "created": ("job.created", None, "scheduled"),
        "en_route": ("appointment.en_route", "scheduled", "en_route"),
        "started": ("appointment.started", "en_route", "started"),
        "completed": ("appointment.completed", "started", "complete"),
    }
    told = []
    for word in words:
        kind, before, after = steps[word]
        told += await outbox.append(job, to=feed, kind=kind, body=moves(visit, before, after))
    return [one.number for one in told]


async def claimed(outbox, depth=8):
    async with outbox.database.transaction() as connection:
        now = datetime.now(UTC)
        due = await find_due_destinations(connection, "recording", now)
        return await claim(connection, due, now=now, lease=LEASE, depth=depth)


async def sent_by(outbox, *answers):
    """What one round delivers: (version, previous) of each."""
    publisher = RecordingPublisher(*answers)
    await Relay(outbox.database, publisher, render_plainly, jitter=lambda: 0.0).relay_once()
    return [(one.delivery.event.jobversion, one.delivery.previous) for one in publisher.arrived]


async def states(outbox):
    rows = sorted((await outbox.deliveries()).values(), key=lambda row: row["position"])
    return [row["state"] for row in rows]


async def test_what_piled_up_is_told_by_its_last_step_and_bridged(outbox, feed):
    _, en_route, started, completed = await tell(outbox, feed, "created", "en_route", "started", "completed")
    assert await sent_by(outbox) == [(1, None), (4, 1)]
    rows = await outbox.deliveries()
    for number in (en_route, started):
        assert (rows[number]["state"], rows[number]["reason"]) == ("superseded", "overtaken")
        assert rows[number]["superseded_by"] == completed
        assert rows[number]["settled_at"] is not None
    assert await outbox.lanes() == {}
    async with outbox.database.snapshot() as connection:
        history = await find_delivery(connection, en_route)
        assert (history.delivery.superseded_by, history.delivery.reason) == (completed, "overtaken")
        assert (await read_ledger(connection)).difference == 0


async def test_a_destination_that_does_not_declare_it_gets_everything(outbox):
    feed = await outbox.add_destination("feed.acme")
    await tell(outbox, feed, "created", "en_route", "started")
    assert await sent_by(outbox) == [(1, None), (2, 1), (3, 2)]


async def test_one_destination_s_rule_is_not_another_s(outbox, feed):
    plain = await outbox.add_destination("plain")
    for one in (feed, plain):
        await tell(outbox, one, "created", "en_route", "started", job=one.number)
    await sent_by(outbox)
    rows = (await outbox.deliveries()).values()
    assert {row["state"] for row in rows if row["destination"] == plain.number} == {"delivered"}
    assert {row["position"] for row in rows if row["state"] == "superseded"} == {2}


async def test_each_job_and_each_visit_has_its_own(outbox, feed):
    await tell(outbox, feed, "en_route")
    await tell(outbox, feed, "started", visit="apt-2")
    await tell(outbox, feed, "started", job=2)
    assert sorted(await sent_by(outbox)) == [(1, None), (1, None), (2, 1)]


async def test_what_was_tried_in_vain_is_never_overtaken(outbox, feed):
    """It may have arrived, whatever was answered."""
    await tell(outbox, feed, "en_route")
    assert await sent_by(outbox, lambda _one: Retryable(Fault.TIMEOUT)) == []
    await tell(outbox, feed, "started")
    await outbox.end_leases()
    assert await sent_by(outbox) == [(1, None), (2, 1)]


async def test_what_a_dead_relay_may_have_sent_is_never_overtaken(outbox, feed):
    await tell(outbox, feed, "created", "en_route")
    await claimed(outbox)
    await tell(outbox, feed, "started")
    await outbox.end_leases()
    assert await sent_by(outbox) == [(1, None), (2, 1), (3, 2)]


async def test_what_comes_after_everything_that_gave_way_follows_on_what_is_known(outbox, feed):
    await tell(outbox, feed, "created")
    await sent_by(outbox)
    await tell(outbox, feed, "en_route", "started")
    assert await sent_by(outbox, lambda _one: Rejected(Fault.REFUSED)) == []
    await tell(outbox, feed, "completed")
    assert await states(outbox) == ["delivered", "superseded", "dead", "pending"]
    [_, _, dead, _] = sorted((await outbox.deliveries()).values(), key=lambda row: row["position"])
    assert dead["previous"] == 1


def refuses_the_third(one):
    return Rejected(Fault.REFUSED) if one.delivery.event.jobversion == 3 else None


async def test_a_relaxed_destination_that_gives_up_what_overtook_is_bridged_over_both(outbox):
    feed = await outbox.add_destination("feed.acme", strict=False, superseding=True)
    await tell(outbox, feed, "created", "en_route", "started")
    assert await sent_by(outbox, refuses_the_third) == [(1, None)]
    await tell(outbox, feed, "completed")
    assert await sent_by(outbox) == [(4, 1)]


async def test_a_step_beyond_what_a_claim_covers_overtakes_nothing(outbox, feed):
    await tell(outbox, feed, "en_route")
    for _ in range(7):
        await outbox.append(1, to=feed)
    await tell(outbox, feed, "started")
    assert (await sent_by(outbox))[0] == (1, None)


async def test_who_takes_one_delivery_at_a_time_sees_nothing_overtaken(outbox, feed):
    await tell(outbox, feed, "en_route", "started")
    [lane] = (await claimed(outbox, depth=1)).lanes
    assert [one.event.jobversion for one in lane.deliveries] == [1]
    assert await states(outbox) == ["pending", "pending"]


async def test_a_step_behind_what_is_held_overtakes_nothing(outbox, feed):
    await tell(outbox, feed, "en_route")
    await outbox.append(1, to=feed, state="held", waits_text="No show")
    await tell(outbox, feed, "started")
    assert await sent_by(outbox) == [(1, None)]
    assert await states(outbox) == ["delivered", "held", "pending"]


async def test_progress_and_notes_give_way_in_one_claim(outbox, feed):
    await tell(outbox, feed, "created", "en_route")
    await outbox.append(1, to=feed, kind="note.published", note=NoteRevision(5, 1))
    await outbox.append(1, to=feed, kind="note.retracted", note=NoteRevision(5, 2))
    await tell(outbox, feed, "started")
    assert await sent_by(outbox) == [(1, None), (5, 1)]
    assert await outbox.lanes() == {}


async def test_the_number_of_statements_depends_on_neither_how_many_give_way_nor_on_how_many_lanes(outbox, feed):
    async def measured(jobs, words):
        for job in jobs:
            events = [outbox.event(job, kind=kind, body=moves("apt-1", *step)) for kind, *step in words]
            deliveries = [outbox.delivery(one, feed) for one in events]
            async with outbox.database.transaction() as connection:
                await append(Writes(connection), events, deliveries, datetime.now(UTC))
        return await statements_of(outbox, lambda: claimed(outbox))

    on_my_way = ("appointment.en_route", "scheduled", "en_route")
    started = ("appointment.started", "en_route", "started")
    completed = ("appointment.completed", "started", "complete")
    assert await measured([1], [completed]) == 3, "as without the rule"
    assert await measured([2], [on_my_way]) == 4, "one more counts the claim"
    assert await measured([3], [on_my_way, started]) == 8
    assert await measured(range(10, 40), [on_my_way, started, completed]) == 8
