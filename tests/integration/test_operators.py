"""What operators do: map a reason and release what waited for it, send records back, look at what became of them."""

import orjson
import pytest
from sqlalchemy import text

from gateway.core.ids import Kind, canonical_id
from gateway.outbound.relay import Relay
from gateway.store import ledger
from gateway.store.deliveries import Operator
from gateway.store.record_queries import find_record, list_records, receipts_of, reveal_record
from gateway.store.releasing import Verdict, requeue
from gateway.store.tables import delivery, event
from gateway.store.tables_control import operator_action
from tests.importing import import_profile
from tests.inbound import EVERGREEN, START, enterprise, offer, provider
from tests.mapping_versions import harborline
from tests.outbound import RecordingPublisher

OPERATOR = Operator(author="ops", reason="as agreed by phone")
INVOICE = "  - {code: INV, label: Invoice sent, outcome: completes}\n"
PARTS = "  - {code: PTS, label: Parts on order, outcome: pauses}\n"


@pytest.fixture
def feed(road):
    return Feed(road)


class Feed:
    """Harborline's feed, as a relay of the same gateway fills it."""

    def __init__(self, road):
        self.publisher = RecordingPublisher()
        self.publisher.kind = "kafka"
        gateway = road.gateway
        self.relay = Relay(gateway.database, self.publisher, gateway.render, ready=gateway.know_profiles)

    async def read(self, job=None):
        """(type, code of the reason, profile version) of every document that has arrived."""
        while await self.relay.relay_once():
            pass
        told = []
        for outgoing in self.publisher.arrived:
            document = orjson.loads(outgoing.document.body)
            content = document["data"]
            if outgoing.destination.owner == "harborline" and job in (None, content["job"]["external_id"]):
                reason = content.get("reason") or {}
                told.append((document["type"].removesuffix(".v1"), reason.get("code"), content["profile_version"]))
        return told


async def import_(road, text):
    imported = await import_profile(road.database, text, file="profile.yaml", author="ops", reason="new words")
    assert imported.profiles, imported.problems
    return imported.released["harborline"]


async def accepted(road, *jobs):
    """Jobs with a visit each: A-1 has V-A-1."""
    for job in jobs:
        ends = await road.receive(
            offer(job),
            provider("offer.accept", job),
            provider("appointment.add", job, id=f"V-{job}", start=START),
            provider("appointment.start", appointment=f"V-{job}"),
        )
        assert ends == ["applied"] * 4


async def balance(road):
    async with road.database.snapshot() as connection:
        return (await ledger.read_ledger(connection)).difference


async def actions(road):
    return [(row["author"], row["verb"], row["subject"]) for row in await road.rows(operator_action)]


async def test_a_mapping_releases_what_waited_for_it_in_the_order_received(road, feed):
    await accepted(road, "A-1", "A-2")
    ends = await road.receive(
        provider("appointment.complete", appointment="V-A-1", reason="Invoice sent"),
        provider("appointment.add", "A-1", id="V-A-1b", start=START),
        provider("appointment.on_my_way", appointment="V-A-1b"),
        provider("note.add", "A-1", id="N-1", text="Key under the mat", visibility="public"),
        enterprise("reminder.send", "A-1", message="Customer asks when"),
        provider("appointment.complete", appointment="V-A-2", reason="REP"),
    )
    assert sorted(ends[:3]) == ["parked job_held", "parked unknown_reference", "unmapped unmapped_reason"]
    assert ends[3:] == ["applied"] * 3, "notes, reminders and other jobs do not wait"
    before = [kind for kind, *_ in await feed.read("A-1")]
    assert before == ["job.offered", "job.accepted", "appointment.scheduled", "appointment.started", "note.published"]
    assert (await feed.read("A-2"))[-1] == ("appointment.completed", "REP", 1)

    released = await import_(road, harborline(2, complete=INVOICE))
    assert (len(released.records), len(released.deliveries)) == (1, 0)
    await road.gateway.keeper.refresh()
    await road.settle_requeued()

    assert (await feed.read("A-1"))[5:] == [
        ("appointment.completed", "INV", 2),
        ("appointment.scheduled", None, 2),
        ("appointment.en_route", None, 2),
    ]
    assert await road.status("A-1") == "in_progress"
    assert await balance(road) == 0
    assert ("ops", "release", "record") in await actions(road)


async def test_whoever_decides_by_the_version_before_loses_nothing(road, feed):
    await accepted(road, "A-1")
    await road.receive(provider("appointment.complete", appointment="V-A-1", reason="Invoice sent"))
    await import_(road, harborline(2, complete=INVOICE))
    await road.settle_requeued()
    assert (await road.ends())[-1] == "unmapped unmapped_reason", "this gateway has not read the new version yet"

    await road.gateway.keeper.refresh()
    assert await road.clock.mapped() == 1
    await road.settle_requeued()

    assert (await feed.read("A-1"))[-1] == ("appointment.completed", "INV", 2)
    assert await road.clock.mapped() == 0


async def test_a_completed_job_may_wait_for_a_cancel_reason(road):
    await accepted(road, "A-1")
    ends = await road.receive(provider("job.complete", "A-1", reason="Storm"))
    assert ends == ["unmapped unmapped_reason"]
    await import_(road, harborline(2, cancel="  - {code: C-WX, label: Storm}\n"))
    await road.gateway.keeper.refresh()
    await road.settle_requeued()
    assert await road.status("A-1") == "complete canceled"


async def test_deliveries_held_for_a_reason_go_in_order_by_the_version_that_maps_it(road, feed):
    await accepted(road, "A-1", "A-2")
    ends = await road.receive(
        provider("appointment.pause", appointment="V-A-1", reason="Parts on order"),
        provider("appointment.add", "A-1", id="V-A-1b", start=START),
        provider("appointment.complete", appointment="V-A-2", reason="REP"),
    )
    assert ends == ["applied"] * 3
    before = await feed.read("A-1")
    assert [kind for kind, *_ in before][-1] == "appointment.started"
    assert (await feed.read("A-2"))[-1][0] == "appointment.completed"

    # The relay has not read the new version when it comes to what was released.
    released = await import_(road, harborline(2, complete=PARTS))
    assert (len(released.records), len(released.deliveries)) == (0, 1)

    assert (await feed.read("A-1"))[len(before) :] == [
        ("appointment.paused", "PTS", 2),
        ("appointment.scheduled", None, 1),
    ]
    (paused,) = [row for row in await road.events() if row["type"] == "appointment.paused"]
    assert (paused["profile_version"], paused["body"]["reason"]["code"]) == (2, "PTS")
    assert {row["state"] for row in await road.rows(delivery) if row["event"] == paused["number"]} == {"delivered"}
    assert await balance(road) == 0
    assert ("ops", "release", "delivery") in await actions(road)


async def test_an_import_that_maps_something_else_releases_nothing(road):
    await accepted(road, "A-1")
    await road.receive(provider("appointment.complete", appointment="V-A-1", reason="Invoice sent"))
    released = await import_(road, harborline(2, complete=PARTS))
    assert (released.records, released.deliveries) == ((), ())
    assert (await road.ends())[-1] == "unmapped unmapped_reason"


async def test_an_operator_has_a_refused_record_decided_again(road):
    await accepted(road, "A-1")
    await road.receive(provider("job.cancel", "A-1", reason="C-CUST"))
    ends = await road.receive(provider("appointment.add", "A-1", id="V-9", start=START))
    assert ends == ["refused job_canceled"]
    await road.receive(provider("job.restore", "A-1"))
    (refused,) = [row["number"] for row in await road.records() if row["state"] == "refused"]

    async with road.database.transaction() as connection:
        now = await road.database.now(connection)
        verdicts = await requeue(connection, [refused, 10**9], OPERATOR, now)
    assert verdicts == {refused: Verdict.DONE, 10**9: Verdict.UNKNOWN}
    await road.settle_requeued()

    async with road.database.snapshot() as connection:
        history = await find_record(connection, refused)
    assert history.record.state == "applied"
    assert history.events[0]["type"] == "appointment.scheduled"
    assert [(one["verb"], one["reason"]) for one in history.actions] == [("requeue", OPERATOR.reason)]
    assert await balance(road) == 0


async def test_what_was_settled_for_good_is_not_sent_back(road):
    await accepted(road, "A-1")
    numbers = [row["number"] for row in await road.records()]
    async with road.database.transaction() as connection:
        verdicts = await requeue(connection, numbers, OPERATOR, await road.database.now(connection))
    assert set(verdicts.values()) == {Verdict.WRONG_STATE}
    assert await actions(road) == [("test", "import", "profile")] * 3


async def test_records_are_found_by_state_reason_brand_and_sender(road):
    await accepted(road, "A-1")
    await road.receive(
        provider("appointment.complete", appointment="V-A-1", reason="Invoice sent"),
        provider("appointment.add", "A-1", id="V-2", start=START),
        provider("appointment.start", appointment="V-404"),
        enterprise("offer.submit", "A-9", title=5),
    )

    async def found(**filters):
        async with road.database.snapshot() as connection:
            return [one.state for one in await list_records(connection, **filters)]

    assert await found(states=["unmapped"], brand="harborline") == ["unmapped"]
    assert await found(reasons=["job_held"], brand="harborline") == ["parked"], "the brand of its job"
    assert await found(states=["quarantined", "refused"], source=EVERGREEN) == ["quarantined"]
    assert await found(brand="maplegrove") == []
    assert len(await found(limit=2)) == 2


async def test_what_a_record_waits_for_is_told(road):
    await accepted(road, "A-1")
    await road.receive(
        provider("appointment.complete", appointment="V-A-1", reason="Invoice sent"),
        provider("appointment.add", "A-1", id="V-2", start=START),
        provider("appointment.start", appointment="V-404"),
    )
    async with road.database.snapshot() as connection:
        by_state = {(one.state, one.waits_id): one for one in await list_records(connection, limit=3)}
    unmapped, behind, unknown = by_state["unmapped", None], by_state["parked", None], by_state["parked", "V-404"]
    assert unmapped.waits_text == "Invoice sent"
    assert behind.behind == unmapped.number
    assert (unknown.waits_kind, unknown.behind) == ("apt", None)


async def test_the_history_of_a_record_has_its_receipt_and_no_bytes(road):
    await road.receive(enterprise("offer.submit", "A-9", title=5))
    (number,) = [row["number"] for row in await road.records() if row["state"] == "quarantined"]
    async with road.database.snapshot() as connection:
        history = await find_record(connection, number)
        assert await find_record(connection, 10**9) is None
    assert [one["destination"] for one in history.receipts] == [f"receipts.{EVERGREEN}"]
    assert not hasattr(history.record, "raw")

    async with road.database.transaction() as connection:
        content = await reveal_record(connection, number, OPERATOR, await road.database.now(connection))
    assert orjson.loads(content.value)["subject"] == "A-9"
    assert ("ops", "reveal", "record") in await actions(road)


async def test_a_deactivated_users_visits_are_taken_away_by_the_clock(road):
    await road.receive(
        offer("A-1"),
        provider("offer.accept", "A-1"),
        provider("appointment.add", "A-1", id="V-1", start=START, technician="tom"),
        provider("user.deactivate", "tom"),
    )
    assert await road.settle_requeued() == 1
    (row,) = [row for row in await road.records() if row["door"] == "internal"]
    assert row["state"] == "applied"
    assert canonical_id(Kind.JOB, row["job"]) == await road.job_id("A-1")
    assert [one["type"] for one in await road.rows(event, event.c.record == row["number"])] == ["appointment.changed"]
    assert await balance(road) == 0


async def test_receipts_of_a_record_are_found_by_an_index_of_their_own(road):
    """However many there are: only receipts are in it, so that an event of a job costs nothing more."""
    await road.receive(offer("A-1"), enterprise("offer.accept", "A-1"))
    query = str(receipts_of(7).compile(road.database.engine.sync_engine, compile_kwargs={"literal_binds": True}))
    async with road.database.transaction() as connection:
        if road.database.is_sqlite:
            plan = await connection.execute(text(f"EXPLAIN QUERY PLAN {query}"))
        else:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))
            plan = await connection.execute(text(f"EXPLAIN {query}"))
        assert "ix_event_receipt" in str(plan.all())
