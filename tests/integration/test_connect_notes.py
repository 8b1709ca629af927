"""Connect's notes without an id: the same text from the same source for one job within a day is a repeat."""

from datetime import timedelta

import orjson
import pytest
from sqlalchemy import update

from gateway.store.tables import inbound_record, note
from tests.inbound import ACTIONS, LAKESIDE, OFFERS, Message, offer, opened, provider


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        await road.receive(offer("A-1"), provider("offer.accept", "A-1"), offer("A-2"))
        yield road


def said(text, job, *, message_id=None, door=ACTIONS, **members):
    """By Lakeside, on the shared topic, unless another door says who it is."""
    header = {"record_type": "attachment", "version": "v3"} | ({"messageID": message_id} if message_id else {})
    record = {"action": "post", "description": text, **({"job_id": job} if isinstance(job, int) else {}), **members}
    if isinstance(job, str):
        record["external_job_id"] = job
    return Message(door, orjson.dumps({"header": header, "record": record}), (("ce_source", LAKESIDE.encode()),))


async def number_of(road, job="A-1"):
    return (await road.job(job))["number"]


@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_the_same_text_again_is_a_repeat_whatever_was_said_between(road, in_one_batch):
    job, other = await number_of(road), await number_of(road, "A-2")
    messages = [
        said("part ordered", job),
        said("on my way", job),
        said("part ordered", job),
        provider("appointment.add", "A-1", start="2027-01-05T15:00:00Z"),
        said("part ordered", job, visibility="public"),
        said("part ordered", other),
        said("part ordered", job, message_id="m-77"),
        said("part ordered ", job),
    ]
    batches = [messages] if in_one_batch else [[message] for message in messages]
    ends = [end for batch in batches for end in await road.receive(*batch)]
    repeat = "ignored repeat"
    assert ends == ["applied", "applied", repeat, "applied", repeat, "applied", "applied", "applied"]
    assert len(await road.rows(note)) == 5
    records = (await road.records())[7:]
    assert [row["first"] for row in records if row["reason"] == "repeat"] == [records[0]["number"]] * 2
    assert await road.is_balanced()


async def test_each_source_is_told_apart(road):
    job = await number_of(road)
    assert await road.receive(said("gate code 4", job), said("gate code 4", "A-1", door=OFFERS)) == ["applied"] * 2
    assert await road.receive(said("gate code 4", "A-1", door=OFFERS)) == ["ignored repeat"]


async def test_after_a_day_the_same_text_is_another_note_even_where_nothing_came_between(road):
    job = await number_of(road)
    await road.receive(said("still waiting", job))
    await later(road, hours=23)
    assert await road.receive(said("still waiting", job)) == ["ignored repeat"]
    await later(road, hours=2)
    assert await road.receive(said("still waiting", job)) == ["applied"]
    assert await road.receive(said("still waiting", job)) == ["ignored repeat"]


async def later(road, **span):
    """As if what has been taken in had been so earlier."""
    for row in await road.records():
        earlier = update(inbound_record).where(inbound_record.c.number == row["number"])
        async with road.database.transaction() as connection:
            await connection.execute(earlier.values(received_at=row["received_at"] - timedelta(**span)))


async def test_of_notes_that_waited_for_their_job_the_same_text_is_made_one(road):
    await road.receive(said("hello", "A-9", door=OFFERS), said("hello", "A-9", door=OFFERS))
    assert await road.receive(offer("A-9")) == ["applied", "applied", "ignored repeat"]
