"""What is appended beside a relay is claimed where it is appended, and sent once that is committed; all else waits."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from gateway.core.events import NoteRevision
from gateway.outbound.lane_relay import LaneRelay
from gateway.outbound.outcome import Fault, Retryable
from gateway.store import codec, tables
from gateway.store.bulk import Writes
from gateway.store.claims import claim
from gateway.store.destinations import load_destinations
from gateway.store.handing_over import Handing, HandOver, stored
from gateway.store.outbox import append
from gateway.store.standings import lock_standings
from tests.eventually import eventually
from tests.inbound import offer, opened, provider
from tests.outbound import Outbox, SendingPublisher, render_plainly
from tests.outbound import opened as opened_database

SUPERSEDING = {"superseding": True}


class Beside:
    """A relay, and whoever appends in the same process."""

    def __init__(self, outbox, *answers):
        self.outbox = outbox
        self.publisher = SendingPublisher(*answers)
        self.relay = LaneRelay(outbox.database, self.publisher, render_plainly, jitter=lambda: 0.0)
        self.hand_over = HandOver()
        self.hand_over.takers[self.publisher.kind] = self.relay

    async def append(self, *jobs, to, before_commit=None, **about):
        """As a receiver does, in one transaction; returns the kinds of destination that are still owed something."""
        of_delivery = {name: about.pop(name) for name in ("state", "waits_text") if name in about}
        events = [self.outbox.event(job, **about) for job in jobs]
        deliveries = [self.outbox.delivery(event, to, **of_delivery) for event in events]
        with self.hand_over.of_one_commit() as handing:
            async with self.outbox.database.transaction() as connection:
                is_all = handing.choose(events, deliveries, {to.number: to})
                await append(Writes(connection), events, deliveries, datetime.now(UTC) - timedelta(seconds=1))
                assert await handing.claim(connection) or is_all
                if before_commit is not None:
                    await before_commit()
        return handing.owed

    async def finish(self):
        """What was handed over is sent and recorded; returns how many lanes there were besides."""
        return await self.relay.relay_once()

    @property
    def told(self):
        return [
            (one.delivery.lane, one.delivery.event.jobversion, one.delivery.previous) for one in self.publisher.arrived
        ]


@pytest.fixture
def beside(outbox):
    return Beside(outbox)


async def test_what_is_new_is_sent_after_the_commit_and_recorded_as_what_was_claimed(outbox, beside):
    hook = await outbox.add_destination("hook.acme")

    async def nothing_has_left():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(beside.publisher.asked.wait(), 0.2)
        assert beside.publisher.calls == 0

    assert await beside.append(1, 2, to=hook, before_commit=nothing_has_left) == set()
    assert {row["token"] is not None for row in (await outbox.lanes()).values()} == {True}
    assert await beside.finish() == 0, "nothing was left to be claimed"
    assert beside.told == [(1, 1, None), (2, 1, None)]
    rows = (await outbox.deliveries()).values()
    assert {(row["state"], row["claims"], row["attempts"]) for row in rows} == {("delivered", 1, 1)}
    assert await outbox.lanes() == {}


async def test_what_is_not_committed_is_not_sent(outbox, beside):
    hook = await outbox.add_destination("hook.acme")

    async def break_off():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await beside.append(1, to=hook, before_commit=break_off)
    assert await beside.finish() == 0
    assert beside.told == []


async def test_one_that_fails_waits_for_its_retry_like_any_other(outbox):
    hook = await outbox.add_destination("hook.acme", schedule=[3600])
    answers = [Retryable(Fault.BUSY)]
    beside = Beside(outbox, lambda _one: answers.pop() if answers else None)
    await beside.append(1, to=hook)
    await beside.finish()
    [row] = (await outbox.deliveries()).values()
    assert (row["state"], row["claims"], row["retries"]) == ("pending", 1, 1)
    assert await beside.append(1, to=hook) == {"recording"}, "nothing overtakes it"
    await outbox.end_leases()
    await beside.finish()
    assert beside.told == [(1, 1, None), (1, 2, 1)]


async def test_the_version_before_is_the_one_that_the_partner_has(outbox, beside):
    hook = await outbox.add_destination("hook.acme", strict=False)
    await beside.append(1, to=hook)
    await beside.finish()
    [first] = await outbox.append(1, to=hook)
    async with outbox.database.transaction() as connection:
        # Skipped by an operator: what comes next follows the version before it.
        row = tables.delivery.c.number == first.number
        await connection.execute(tables.delivery.update().where(row).values(state="skipped"))
        await connection.execute(tables.lane.delete())
    await beside.append(1, to=hook)
    await beside.finish()
    assert beside.told == [(1, 1, None), (1, 3, 1)]


async def owed(outbox, hook):
    await outbox.append(1, to=hook)


async def paused(outbox, _hook):
    await set_destination(outbox, state="paused")


async def broken(outbox, _hook):
    await set_destination(outbox, state="open", breaker=codec.encode({"until": 1e12}))


async def failing(outbox, _hook):
    await set_destination(outbox, breaker=codec.encode({"failures": 3}))


async def coming_back(outbox, _hook):
    await set_destination(outbox, breaker=codec.encode({"closed_at": datetime.now(UTC).timestamp()}))


async def set_destination(outbox, **values):
    async with outbox.database.transaction() as connection:
        await connection.execute(tables.destination.update().values(**values))


@pytest.mark.parametrize(
    ("settings", "before", "jobs", "about"),
    [
        ({}, owed, [1], {}),
        ({}, None, [1, 1], {}),
        ({}, None, [1], {"state": "held", "waits_text": "Moon phase"}),
        ({}, None, [1], {"kind": "note.published", "note": NoteRevision(7, 1)}),
        ({}, None, [1], {"kind": "note.retracted", "note": NoteRevision(7, 1)}),
        (SUPERSEDING, None, [1], {"kind": "appointment.en_route"}),
        ({"rate": 100}, None, [1], {}),
        ({}, paused, [1], {}),
        ({}, broken, [1], {}),
        ({}, failing, [1], {}),
        ({}, coming_back, [1], {}),
    ],
    ids=[
        "a lane that owes already",
        "two of one lane",
        "held",
        "a note",
        "a note taken back",
        "progress that may be overtaken",
        "a destination with a rate",
        "paused",
        "open",
        "failing",
        "coming back",
    ],
)
async def test_what_a_claim_may_treat_otherwise_is_left_to_the_claims(outbox, beside, settings, before, jobs, about):
    hook = await outbox.add_destination("hook.acme", **settings)
    if before is not None:
        await before(outbox, hook)
    assert await beside.append(*jobs, to=hook, **about) == {"recording"}
    assert {row["token"] for row in (await outbox.lanes()).values()} == {None}


async def test_no_more_is_taken_than_the_destination_allows_whoever_claims(outbox, beside):
    hook = await outbox.add_destination("hook.acme", concurrency=3)
    other = Beside(outbox)
    for each in (beside, other):
        each.publisher.may_answer.clear()
    assert await beside.append(1, 2, to=hook) == set()
    assert await other.append(3, 4, to=hook) == {"recording"}
    assert sum(row["token"] is not None for row in (await outbox.lanes()).values()) == 3
    for each in (beside, other):
        each.publisher.may_answer.set()
        await each.finish()
    assert sorted((beside.told + other.told)[:4]) == [(job, 1, None) for job in (1, 2, 3, 4)]
    assert await outbox.lanes() == {}


async def test_what_waits_for_room_is_not_overtaken_by_what_is_new(outbox, beside):
    hook = await outbox.add_destination("hook.acme", concurrency=1)
    await outbox.append(1, 2, to=hook)
    beside.publisher.may_answer.clear()
    running = asyncio.create_task(beside.relay.run())
    await eventually(lambda: beside.publisher.calls == 1)
    assert await beside.append(3, to=hook) == {"recording"}
    beside.publisher.may_answer.set()
    await eventually(lambda: len(beside.told) == 3)
    assert [job for job, _, _ in beside.told] == [1, 2, 3]
    beside.relay.stop()
    await running


async def test_a_relay_that_ends_takes_nothing_more_and_finishes_what_is_coming(outbox, beside):
    hook = await outbox.add_destination("hook.acme")
    running = asyncio.create_task(beside.relay.run())

    async def stop():
        beside.relay.stop()
        done, _ = await asyncio.wait([running], timeout=0.2)
        assert not done, "it waits for the commit"

    assert await beside.append(1, to=hook, before_commit=stop) == set()
    await running
    [lane] = (await outbox.lanes()).values()
    assert lane["token"] is None, "given back"
    assert await beside.append(2, to=hook) == {"recording"}


async def test_what_was_handed_to_a_process_that_stands_still_is_sent_by_another_when_its_lease_has_ended(
    outbox, beside
):
    hook = await outbox.add_destination("hook.acme")
    beside.publisher.may_answer.clear()
    await beside.append(1, to=hook)
    other = Beside(outbox)
    assert await other.finish() == 0, "the lease lasts"
    await outbox.end_leases()
    assert await other.finish() == 1
    assert other.told == [(1, 1, None)]
    beside.publisher.may_answer.set()
    with capture_logs() as logs:
        await beside.finish()
    assert beside.told == other.told, "late, and so a second time"
    assert "claims.lost" in [one["event"] for one in logs], "whoever lost it records nothing"


async def test_a_destination_that_somebody_else_holds_is_not_waited_for(postgres_url):
    async with opened_database(postgres_url) as database, opened_database(postgres_url) as others:
        outbox = Outbox(database)
        hook = await outbox.add_destination("hook.acme")
        async with others.transaction() as connection:
            await lock_standings(connection, [hook.number])
            assert await asyncio.wait_for(Beside(outbox).append(1, to=hook), 10) == {"recording"}


WORK = [
    [offer(), offer("A-2")],
    [provider("offer.accept", "A-1"), provider("offer.decline", "A-2", reason="D-CAP")],
    [provider("appointment.add", "A-1", id="V-1", start="2027-01-05T16:00:00+01:00", technician="tom")],
    [provider("note.add", "A-1", id="N-1", text="Gate code 4711", visibility="public")],
    [provider("appointment.start", appointment="V-1", user="tom")],
    [provider("job.cancel", "A-1", reason="C-CUST")],
]


async def test_an_event_is_handed_over_as_it_would_have_been_read(staffed_url, monkeypatch):
    """By the receiver itself, for what it makes of all kinds of records."""
    handed = {}
    choose = Handing.choose

    def keep(handing, events, deliveries, owed_to):
        handed.update({one.number: stored(one) for one in events})
        return choose(handing, events, deliveries, owed_to)

    monkeypatch.setattr(Handing, "choose", keep)
    async with opened(staffed_url) as road:
        for messages in WORK:
            await road.receive(*messages)
        async with road.database.transaction() as connection:
            destinations = [*(await load_destinations(connection)).values()]
            now = datetime.now(UTC) + timedelta(seconds=5)
            taken = await claim(connection, destinations, now=now, lease=timedelta(seconds=60))
    read = {one.event.number: one.event for lane in taken.lanes for one in lane.deliveries}
    assert len({one.type for one in read.values()}) > 4
    assert {number: handed[number] for number in read} == read
