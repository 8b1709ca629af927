"""The number of SQL statements of a batch does not grow with it; how many there are is written down here."""

import orjson
import pytest

from tests.inbound import LAKESIDE, PREFIX, START, Message, offer, opened, provider

# Each with everything that such a batch does: count, first sight, references, jobs, parties, state, outbox, records.
# On PostgreSQL, and on SQLite, where writes do not go together.
OFFERS_AT_MOST = (6, 13)
WHOLE_LIVES_AT_MOST = (8, 15)
READ_AGAIN_AT_MOST = 2
WOKEN_AT_MOST = (9, 16)


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        # Blocks of numbers are taken now and then, in transactions of their own.
        for kind in ("record", "event", "delivery"):
            await road.receiver._numbers.reserve(kind, 19_000)
        yield road


async def statements(road, messages):
    records = [road.place(message) for message in messages]
    async with road.counted() as seen:
        entries = await road.receiver.receive(records)
    assert {entry.state for entry in entries} <= {"applied", "ignored", "parked"}
    return of_the_batch(seen)


def of_the_batch(statements):
    """Without the database's time, which is asked for every ten seconds."""
    return [one for one in statements if "clock_timestamp" not in one]


def whole_life(number):
    return [
        offer(f"L-{number}"),
        provider("offer.accept", f"L-{number}"),
        provider("appointment.add", f"L-{number}", id=f"V-{number}", start=START, technician="tom"),
        provider("appointment.start", appointment=f"V-{number}", user="tom"),
        provider("appointment.complete", appointment=f"V-{number}", reason="REP"),
    ]


async def test_10_100_and_500_offers_take_the_same_number_of_statements(road):
    counts = {}
    for size in (10, 100, 500):
        counts[size] = await statements(road, [offer(f"{size}-{number}") for number in range(size)])
    assert len({len(seen) for seen in counts.values()}) == 1
    assert len(counts[500]) <= OFFERS_AT_MOST[road.database.is_sqlite], "\n".join(counts[500])


async def test_10_100_and_500_records_of_whole_lives_take_the_same_number_of_statements(road):
    counts, next_one = {}, 0
    for size in (10, 100, 500):
        lives = [message for life in range(next_one, next_one + size // 5) for message in whole_life(life)]
        next_one += size // 5
        counts[size] = await statements(road, lives)
    assert len({len(seen) for seen in counts.values()}) == 1
    assert len(counts[500]) <= WHOLE_LIVES_AT_MOST[road.database.is_sqlite], "\n".join(counts[500])


async def test_500_records_that_are_read_again_take_few_statements(road):
    batch = [road.place(offer(f"A-{number}")) for number in range(500)]
    await road.receiver.receive(batch)
    async with road.counted() as seen:
        assert await road.receiver.receive(batch) == []
    assert len(of_the_batch(seen)) <= READ_AGAIN_AT_MOST


async def test_waking_10_or_200_takes_the_same_number_of_statements(road):
    counts = {}
    for size in (10, 200):
        await statements(road, [provider("offer.accept", f"{size}-{number}") for number in range(size)])
        counts[size] = await statements(road, [offer(f"{size}-{number}") for number in range(size)])
    assert len({len(seen) for seen in counts.values()}) == 1
    assert len(counts[200]) <= WOKEN_AT_MOST[road.database.is_sqlite], "\n".join(counts[200])


async def test_10_or_200_notes_told_by_their_text_take_the_same_number_of_statements(road):
    await road.receive(*(offer(f"N-{number}") for number in range(200)))
    jobs = [(await road.job(f"N-{number}"))["number"] for number in range(200)]
    counts = {}
    for size in (10, 200):
        counts[size] = await statements(road, [connect_note(job, f"{size}") for job in jobs[:size]])
    assert len({len(seen) for seen in counts.values()}) == 1


def connect_note(job, text):
    record = {"action": "post", "job_id": job, "description": text}
    value = orjson.dumps({"header": {"record_type": "attachment", "version": "v3"}, "record": record})
    return Message(f"{PREFIX}actions.{LAKESIDE}.v1", value)


async def test_deactivating_10_or_50_takes_the_same_number_of_statements(road):
    counts = {}
    for size in (10, 50):
        names = [f"{size}-{number}" for number in range(size)]
        await road.receive(*(provider("user.put", name, role="technician") for name in names))
        await road.receive(offer(f"J-{size}"), provider("offer.accept", f"J-{size}"))
        await road.receive(*(provider("appointment.add", f"J-{size}", start=START, technician=name) for name in names))
        counts[size] = await statements(road, [provider("user.deactivate", name) for name in names])
    assert len({len(seen) for seen in counts.values()}) == 1
