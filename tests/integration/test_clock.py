"""What happens because time passes: offers expire, waiting ends, wake-ups that were missed are made up for, counts fold."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from gateway.inbound.clock import Clock
from gateway.store import partitions
from gateway.store.clock import DatabaseClock
from gateway.store.database import Database
from gateway.store.intake import Intake
from gateway.store.tables import caught_up, inbound_record, intake
from tests.inbound import ACTIONS, PREFIX, START, ago, end_of, enterprise, now, offer, opened, provider, stamp


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        # No partition that can carry answers is known but the one that Lakeside's people came by: it was read just now.
        await read_up_to(road, now())
        yield road


async def read_up_to(road, moment, topic=ACTIONS, partition=0):
    """As an idle consumer notes it; back in time too."""
    async with road.database.transaction() as connection:
        await partitions.read_up_to(connection, [Intake(topic, partition, 0, None, 100, moment)])
        mine = (caught_up.c.topic == topic, caught_up.c.partition == partition)
        await connection.execute(update(caught_up).where(*mine).values(caught_up_to=moment))


def overdue_offer(subject="A-1", **data):
    return offer(subject, **{"accept_by": stamp(ago(minutes=10)), **data})


async def test_an_offer_that_nobody_answered_in_time_is_declined_as_expired(road):
    await road.receive(overdue_offer("A-1"), overdue_offer("A-2", accept_by=stamp(now() + timedelta(hours=1))))
    assert await road.clock.expired() == 1
    assert await road.clock.expired() == 0
    assert await road.status("A-1") == "declined expired"
    assert await road.status("A-2") == "offered"
    declined = next(row for row in await road.events() if row["type"] == "job.declined")
    assert declined["body"]["closure"] == "expired"
    assert declined["body"]["by"]["role"] == "gateway"
    assert declined["recipients"] > 0
    # The clock's own command is no record that was taken in.
    assert await road.is_balanced()


async def test_an_offer_without_a_time_to_answer_by_never_expires_unless_its_brand_says_so(road):
    await road.receive(offer("A-1", brand="maplegrove"), offer("A-2", brand="harborline"))
    assert (await road.job("A-1"))["accept_by"] is None
    assert (await road.job("A-2"))["accept_by"] is not None


async def test_an_offer_waits_out_the_margin(road):
    await road.receive(overdue_offer(accept_by=stamp(ago(seconds=30))))
    assert await road.clock.expired() == 0
    hasty = Clock(road.database, road.receiver, expiry_margin=timedelta(seconds=10))
    assert await hasty.expired() == 1


async def test_a_partition_that_nobody_reads_stops_expiry(road):
    await road.receive(overdue_offer())
    await read_up_to(road, ago(minutes=11), topic=f"{PREFIX}actions.lakeside-appliance.v1", partition=3)
    assert await road.clock.expired() == 0
    await read_up_to(road, ago(minutes=9), topic=f"{PREFIX}actions.lakeside-appliance.v1", partition=3)
    assert await road.clock.expired() == 1


async def test_partitions_that_are_there_and_were_never_read_stop_expiry(road):
    await road.receive(overdue_offer())
    async with road.database.transaction() as connection:
        await partitions.expect_partitions(connection, [ACTIONS], 2)
    assert await road.clock.expired() == 0
    await read_up_to(road, now(), partition=1)
    assert await road.clock.expired() == 1


async def test_partitions_that_carry_no_answers_do_not_matter(road):
    await road.receive(overdue_offer())
    await read_up_to(road, ago(days=1), topic=f"{PREFIX}offers.v1")
    await read_up_to(road, ago(days=1), topic="other.actions.v1")
    assert await road.clock.expired() == 1


async def test_an_answer_that_arrived_in_time_wins_however_late_it_is_read(road):
    await road.receive(overdue_offer())
    await road.receive(provider("offer.accept", "A-1"), at=ago(minutes=11))
    assert await road.clock.expired() == 0
    assert await road.status() == "unscheduled"


@pytest.mark.parametrize(
    "answer",
    [
        provider("offer.accept", "A-1", appointment={"start": START, "technician": "zoe"}),
        provider("offer.accept", "A-1", user="zoe"),
        provider("offer.decline", "A-1", user="zoe", reason="D-CAP"),
    ],
)
async def test_an_answer_that_waits_for_somebody_stops_expiry_until_it_is_decided(road, answer):
    await road.receive(overdue_offer())
    (entry,) = await road.entries(answer, at=ago(minutes=11))
    assert end_of(entry) == "parked unknown_reference"
    assert await road.clock.expired() == 0
    await road.execute("UPDATE inbound_record SET state = 'requeued' WHERE state = 'parked'")
    assert await road.clock.expired() == 0, "nor while it is about to be decided again"
    await road.settle_requeued()
    assert await road.receive(provider("user.put", "zoe", role="both")) == ["applied", "applied"]
    assert await road.status() in {"unscheduled", "scheduled", "declined declined"}


async def test_an_accept_after_the_expiry_is_told_what_closed_the_offer(road):
    await road.receive(overdue_offer())
    await road.clock.expired()
    assert await road.receive(provider("offer.accept", "A-1")) == ["refused offer_closed"]


async def test_two_clocks_close_an_offer_once(staffed_postgres_url):
    async with opened(staffed_postgres_url) as road:
        await road.receive(*(overdue_offer(f"A-{number}") for number in range(20)))
        await read_up_to(road, now())
        other = road.gateway.make_receiver()
        await asyncio.gather(road.clock.expired(), other.expire(timedelta(seconds=60)), road.clock.expired())
        assert (await road.told()).count("job.declined") == 20
        assert await road.is_balanced()


# ------------------------------------------------------------------------------------------------------------- waiting


async def age(road, **spans):
    async with road.database.transaction() as connection:
        old = update(inbound_record).where(inbound_record.c.state == "parked").values(received_at=ago(**spans))
        await connection.execute(old)


async def test_what_waited_for_a_reference_for_seven_days_is_quarantined_and_its_sender_told(road):
    message = enterprise("reminder.send", "never", message_id="r-1")
    await road.receive(message)
    await age(road, days=6, hours=23)
    assert await road.clock.overdue() == 0
    await age(road, days=7, minutes=1)
    assert await road.clock.overdue() == 1
    assert await road.clock.overdue() == 0

    row = (await road.records())[-1]
    assert (row["state"], row["reason"]) == ("quarantined", "reference_timeout")
    assert (row["raw"], row["holds_id"], row["message_id"], row["type"]) == (
        message.value,
        False,
        "r-1",
        "reminder.send",
    )
    (receipt,) = await road.receipts()
    assert (receipt["reason"], receipt["record"]["message_id"]) == ("reference_timeout", "r-1")
    assert await road.is_balanced()
    # Its creator comes at last: nothing wakes it, and it may be sent again.
    assert await road.receive(offer("never"), message) == ["applied", "applied"]


async def test_what_waits_behind_a_held_completion_has_no_time_limit(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await road.receive(
        provider("appointment.add", "A-1", id="V-1", start=START),
        provider("appointment.complete", appointment="V-1", reason="Unheard of"),
        provider("job.cancel", "A-1", reason="C-CUST"),
    )
    await age(road, days=70)
    assert await road.clock.overdue() == 0


async def test_a_wake_up_that_was_missed_is_made_up_for(road):
    await road.receive(provider("offer.accept", "A-1"), provider("appointment.add", "A-1", start=START))
    # As if whoever made the job had not seen that anything waits.
    await road.execute("UPDATE reference SET waiting = :no", no=False)
    await road.execute("UPDATE inbound_record SET state = 'hidden' WHERE state = 'parked'")
    await road.receive(offer("A-1"))
    await road.execute("UPDATE inbound_record SET state = 'parked' WHERE state = 'hidden'")
    assert await road.status() == "offered"

    assert await road.clock.resolved() == 2

    assert await road.status() == "scheduled"
    assert await road.is_balanced()


async def test_records_sent_back_are_decided_by_todays_rules_and_keep_their_bytes(road):
    await road.receive(offer("A-1", brand="sunfield"))
    assert (await road.ends())[-1] == "refused unknown_brand"
    before = (await road.records())[-1]
    await road.execute("UPDATE inbound_record SET state = 'requeued' WHERE state = 'refused'")
    assert await road.settle_requeued() == 1
    row = (await road.records())[-1]
    assert (row["raw"], row["number"], row["received_at"]) == (before["raw"], before["number"], before["received_at"])
    assert row["reason"] == "unknown_brand"
    assert await road.is_balanced()


async def test_a_record_sent_back_whose_topic_nobody_reads_any_more_is_quarantined(road):
    await road.receive(offer("A-1", brand="nobody"))
    await road.execute(
        "UPDATE inbound_record SET state = 'requeued', door = 't.claims.gone.v1' WHERE state = 'refused'"
    )
    assert await road.settle_requeued() == 1
    assert (await road.ends())[-1] == "quarantined unknown_type"


async def test_one_requeued_record_that_cannot_be_stored_does_not_hold_up_the_others(road, monkeypatch):
    from gateway.inbound import entry as module

    await road.receive(*(offer(f"A-{n}", brand="nobody", message_id=f"r-{n}") for n in range(6)))
    await road.execute("UPDATE inbound_record SET state = 'requeued' WHERE state = 'refused'")
    honest = module.translate

    def careless(envelope, side, arrived_at):
        reading = honest(envelope, side, arrived_at)
        command = replace(reading.command, brand="maplegrove")
        title = "\ud800" if envelope.id == "r-3" else "fine"
        return replace(reading, brand="maplegrove", command=replace(command, details={"title": title}))

    monkeypatch.setattr(module, "translate", careless)
    await road.settle_requeued()
    assert sorted((await road.ends())[4:]) == [*["applied"] * 5, *["quarantined bug"] * 1]
    assert await road.is_balanced()


# -------------------------------------------------------------------------------------------------------------- counts


async def counted(road, *runs, taken_at=None):
    async with road.database.transaction() as connection:
        rows = [
            {
                "door": door,
                "partition": partition,
                "count": count,
                "first_offset": first,
                "last_offset": last,
                "taken_at": taken_at or datetime(2026, 1, 1, tzinfo=UTC),
            }
            for door, partition, count, first, last in runs
        ]
        await connection.execute(insert(intake), rows)


async def folded(road, door):
    rows = await road.rows(intake, intake.c.door == door)
    return sorted((row["partition"], row["count"], row["first_offset"], row["last_offset"]) for row in rows)


async def test_adjoining_runs_are_added_up_and_a_gap_stays_visible(road):
    await counted(
        road,
        ("x", 0, 10, 0, 9),
        ("x", 0, 5, 10, 14),
        ("x", 0, 5, 20, 24),  # 15 to 19 never came
        ("x", 0, 1, 25, 25),
        ("x", 1, 3, 15, 17),
    )
    assert await road.clock.folded() == 2
    assert await folded(road, "x") == [(0, 6, 20, 25), (0, 15, 0, 14), (1, 3, 15, 17)]
    assert await road.clock.folded() == 0


async def test_doors_without_partitions_are_added_up_too(road):
    await counted(road, *(("http", -1, 2, None, None) for _ in range(4)))
    await road.clock.folded()
    rows = await road.rows(intake, intake.c.door == "http")
    assert [row["count"] for row in rows] == [8]


async def test_the_runs_of_a_topic_that_was_made_anew_keep_their_sum(road):
    await counted(road, ("x", 0, 10, 0, 9), ("x", 0, 5, 10, 14), ("x", 0, 4, 0, 3), ("x", 0, 2, 4, 5))
    await road.clock.folded()
    assert sum(count for _, count, _, _ in await folded(road, "x")) == 21


async def test_what_was_just_counted_is_left_alone(road):
    await counted(road, ("x", 0, 10, 0, 9), ("x", 0, 5, 10, 14), taken_at=now())
    assert await road.clock.folded() == 0


async def test_folding_while_records_come_in_keeps_the_ledger(road):
    for number in range(5):
        await road.receive(offer(f"A-{number}"), offer(f"B-{number}"))
    async with road.database.transaction() as connection:
        await connection.execute(update(intake).values(taken_at=ago(hours=1)))
    assert await road.clock.folded() > 0
    await road.receive(offer("C"))
    assert await road.is_balanced()


async def test_the_time_of_the_database_does_not_go_back_after_a_reading_that_was_late(database_url):
    """Its successor would be received before what was received already, and be released before it."""
    moments = []

    class LateAtFirst(Database):
        async def now(self, connection):
            return await super().now(connection) + timedelta(seconds=5 if not moments else 0)

    database = LateAtFirst(database_url)
    clock = DatabaseClock(database, good_for=0.0)
    try:
        for _ in range(3):
            async with database.transaction() as connection:
                moments.append(await clock.now(connection))
    finally:
        await database.close()
    assert moments == sorted(moments)
