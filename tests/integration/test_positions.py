"""Where people are is kept for a day; then the place goes, out of the records too, and the rows stay."""

from datetime import timedelta

from sqlalchemy import update

from gateway.store.tables import inbound_record, user
from tests.inbound import ago, provider, stamp


def position(latitude: float):
    return provider("user.position", "tom", latitude=latitude, longitude=-89.6)


async def places(road):
    return [row["latitude"] for row in await road.rows(user, user.c.position_at.is_not(None))]


async def age(road, span):
    """What was received so far was received that much earlier."""
    async with road.database.transaction() as connection:
        moment = await road.database.now(connection) - span
        await connection.execute(update(user).where(user.c.position_at.is_not(None)).values(position_at=moment))
        await connection.execute(update(inbound_record).values(received_at=moment))


async def test_a_position_is_blanked_after_a_day_with_the_bytes_that_brought_it_and_its_row_stays(road):
    assert await road.receive(position(39.8)) == ["applied"]
    assert await road.clock.forgotten() == 0
    assert await places(road) == [39.8]

    await age(road, timedelta(days=1, minutes=1))
    assert await road.clock.forgotten() == 2
    assert await places(road) == [None]
    (record,) = await road.rows(inbound_record, inbound_record.c.type == "user.position")
    assert (record["state"], record["raw"]) == ("applied", None)
    assert await road.clock.forgotten() == 0


async def test_a_position_by_a_clock_that_runs_ahead_is_no_younger_than_its_arrival(road):
    ahead = provider("user.position", "tom", latitude=39.8, longitude=-89.6, occurred_at=stamp(ago(days=-300)))
    assert await road.receive(ahead, position(40.1)) == ["applied", "applied"]
    assert await places(road) == [40.1]
    (tom,) = await road.rows(user, user.c.position_at.is_not(None))
    assert tom["position_at"] <= ago(seconds=0)


async def test_other_records_keep_their_bytes(road):
    await road.receive(position(39.8))
    await age(road, timedelta(days=2))
    await road.clock.forgotten()
    others = await road.rows(inbound_record, inbound_record.c.type != "user.position")
    assert all(row["raw"] for row in others)
