"""The ledger: zero while everything is accounted for, whoever is at work; never zero where something is lost."""

import asyncio

from sqlalchemy import insert

from gateway.outbound.relay import Relay
from gateway.store import intake
from gateway.store.ledger import Drift, Gap, count_by_brand, count_by_door, read_ledger
from gateway.store.tables_control import operation, retired_total
from tests.inbound import ACTIONS, EVERGREEN, PREFIX, START, enterprise, joined, offer, provider
from tests.outbound import RecordingPublisher


async def read(road, count=read_ledger):
    async with road.database.snapshot() as connection:
        return await count(connection)


async def busy(road, number):
    """Records that end in every way, about one job."""
    job = f"A-{number}"
    await road.receive(
        offer(job),
        provider("offer.accept", job),
        provider("offer.accept", job),
        provider("appointment.add", job, id=f"V-{job}", start=START),
        provider("appointment.complete", appointment=f"V-{job}", reason="Never heard of"),
        provider("job.cancel", job, reason="C-CUST"),
        provider("appointment.start", appointment="V-nowhere"),
        enterprise("offer.submit", job, title=5),
    )


def relay_of(road):
    publisher = RecordingPublisher()
    publisher.kind = "kafka"
    return Relay(road.database, publisher, road.gateway.render)


async def test_an_empty_database_balances(road):
    ledger = await read(road)
    assert (ledger.inbound.total, ledger.inbound.states) == (4, {"applied": 4})
    assert (ledger.outbound.total, ledger.outbound.states) == (0, {})
    assert (ledger.difference, ledger.gaps, ledger.drifts) == (0, (), ())


async def test_every_state_is_counted_on_both_sides(road):
    await busy(road, 1)
    ledger = await read(road)
    assert ledger.inbound.total == 4 + 8
    assert set(ledger.inbound.states) == {"applied", "refused", "unmapped", "parked", "quarantined"}
    assert ledger.outbound.total == sum(ledger.outbound.states.values()) > 0
    assert ledger.difference == 0

    await relay_of(road).relay_once()
    ledger = await read(road)
    assert "delivered" in ledger.outbound.states
    assert ledger.difference == 0


async def test_a_running_gateway_balances_at_any_moment(road):
    async with joined(road) as other:
        working = asyncio.create_task(_work(road))
        looks = 0
        while not working.done():
            assert (await read(other)).difference == 0
            looks += 1
            # Both take turns, on SQLite too: a look holds up nobody.
            await asyncio.sleep(0)
        await working
    assert looks > 3
    assert (await read(road)).inbound.total == 4 + 20 * 8


async def _work(road):
    relay = relay_of(road)
    for number in range(20):
        await busy(road, number)
        await relay.relay_once()
        await road.clock.folded()


async def test_a_lost_record_is_a_difference(road):
    await road.receive(offer("A-1"))
    await road.execute("DELETE FROM inbound_record WHERE number = (SELECT min(number) FROM inbound_record)")
    ledger = await read(road)
    assert (ledger.inbound.difference, ledger.difference) == (1, 1)


async def test_a_delivery_that_nobody_owes_is_a_difference(road):
    await road.receive(offer("A-1"))
    await road.execute("UPDATE event SET recipients = recipients - 1 WHERE type = 'job.offered'")
    ledger = await read(road)
    assert (ledger.outbound.difference, ledger.difference) == (-1, 1)


async def test_offsets_that_were_never_taken_in_are_a_difference(road):
    skipped = [road.place(offer(f"A-{number}")) for number in range(6)]
    await road.receiver.receive(skipped[:2])
    await road.receiver.receive(skipped[4:])
    ledger = await read(road)
    topic = f"{PREFIX}offers.{EVERGREEN}.v1"
    assert ledger.gaps == (Gap(topic, 0, after=1, missing=2),)
    assert (ledger.inbound.difference, ledger.difference) == (0, 2)

    async with road.database.transaction() as connection:
        await intake.fold(connection, await road.database.now(connection))
    assert (await read(road)).missing == 2, "folding hides no gap"


async def test_a_hole_within_a_batch_is_a_difference(road):
    first, _, third = (road.place(offer(f"A-{number}")) for number in range(3))
    await road.receiver.receive([first, third])
    assert (await read(road)).missing == 1


async def test_a_topic_made_anew_begins_anew(road):
    await road.receive(offer("A-1"), offer("A-2"), offer("A-3"))
    road.offsets.clear()
    await road.receive(offer("A-4"), offer("A-5"))
    assert (await read(road)).difference == 0


async def test_a_lane_that_counts_wrong_is_named(road):
    await road.receive(offer("A-1"))
    await road.execute("UPDATE lane SET owed = owed + 2 WHERE destination = (SELECT min(destination) FROM lane)")
    ledger = await read(road)
    (drift,) = ledger.drifts
    assert isinstance(drift, Drift)
    assert (drift.too_many, ledger.drifting, ledger.difference) == (2, 2, 2)

    await road.execute("DELETE FROM lane WHERE destination = (SELECT min(destination) FROM lane)")
    assert (await read(road)).drifting == 1


async def test_a_dead_delivery_is_owed_where_the_destination_is_strict(road):
    await road.receive(offer("A-1"))
    await road.execute("UPDATE delivery SET state = 'dead' WHERE number = (SELECT min(number) FROM delivery)")
    assert (await read(road)).difference == 0
    await road.execute("UPDATE destination SET strict = :strict", strict=False)
    assert (await read(road)).drifting == 1


async def test_what_operations_made_and_retention_removed_is_counted(road):
    await road.receive(offer("A-1"))
    before = await read(road)
    removed = before.inbound.states["applied"]
    await road.execute("DELETE FROM inbound_record")
    async with road.database.transaction() as connection:
        retired = {"flow": "inbound", "state": "applied", "count": removed}
        await connection.execute(insert(retired_total).values(retired))
    assert (await read(road)).inbound == before.inbound

    async with road.database.transaction() as connection:
        made = {"kind": "redeliver", "state": "done", "author": "ops", "reason": "-", "terms": "{}"}
        now = await road.database.now(connection)
        await connection.execute(insert(operation).values(**made, made=3, created_at=now, state_at=now))
    assert (await read(road)).outbound.difference == 3


async def test_brands_and_doors_are_told_apart(road):
    await road.receive(offer("A-1"), offer("B-1", brand="maplegrove"), provider("offer.accept", "A-1"))
    brands = await read(road, count_by_brand)
    assert brands["harborline"].inbound == {"applied": 2}
    assert brands["maplegrove"].inbound == {"applied": 1}
    await road.receive(provider("offer.accept", "A-1"))
    brands = await read(road, count_by_brand)
    assert brands["harborline"].inbound == {"applied": 2, "refused": 1}, "what was not applied is the brand's too"
    assert brands["harborline"].owed == sum(brands["harborline"].outbound.values())
    assert "" in brands, "people and organizations are no brand's"
    doors = await read(road, count_by_door)
    assert doors[ACTIONS].total == 6
    assert {one.difference for one in doors.values()} == {0}
