"""What a poller is handed of an event: its entities one after the other, notes, and the whole job."""

from datetime import UTC, datetime

import orjson

from gateway.core.notes import Note
from gateway.core.visibility import Audience, Private, Visibility
from gateway.outbound.poll_queue import Acknowledged
from gateway.store import codec, tables
from gateway.store.bulk import Writes
from gateway.store.notes import save_notes
from tests.polling import body, only_delivery, owe, put_of, queue_of

SETTLED, FAILED, OLD = Acknowledged.SETTLED, Acknowledged.FAILED, Acknowledged.NOT_YOURS_OR_OLD


async def test_an_event_of_several_entities_is_one_message_each_and_the_last_answer_delivers_it(outbox, account, queue):
    facts = body(1, now="scheduled", visits=(11, 12))
    await outbox.append(1, to=account, kind="job.accepted", body=facts)
    await owe(outbox, 1, to=account)
    seen = []
    for _ in range(4):
        [one] = await queue.hand_out([account], 10)
        assert (await outbox.deliveries())[one.delivery]["state"] == "pending"
        [(entity, members)] = put_of(one).items()
        seen.append((entity, members.get("id") or members.get("job_id"), one.message["Message"]["ID"][-2:]))
        assert await queue.acknowledge([account], one.receipt, error=None) is SETTLED
    assert seen == [("job", 1, ".1"), ("joboffer", 1, ".2"), ("appointment", 11, ".3"), ("appointment", 12, ".4")]
    assert (await outbox.deliveries())[one.delivery]["state"] == "delivered"
    [following] = await queue.hand_out([account], 10)
    assert following.event.jobversion == 2


async def test_a_part_that_was_acknowledged_does_not_come_again_whatever_becomes_of_the_next(outbox, account, queue):
    await outbox.append(1, to=account, kind="job.accepted", body=body(1))
    [job] = await queue.hand_out([account], 10)
    await queue.acknowledge([account], job.receipt, error=None)
    [offer] = await queue_of(outbox.database).hand_out([account], 10)
    assert offer.part.entity == "joboffer"
    assert await queue.acknowledge([account], job.receipt, error=None) is OLD
    await outbox.end_leases()
    [again] = await queue.hand_out([account], 10)
    assert again.part.entity == "joboffer"
    assert await queue.acknowledge([account], again.receipt, error="not now") is FAILED
    await outbox.end_leases()
    [last] = await queue.hand_out([account], 10)
    assert last.part.entity == "joboffer"
    assert await queue.acknowledge([account], last.receipt, error=None) is SETTLED
    assert (await only_delivery(outbox))["state"] == "delivered"


def note_of(number, *, visibility=Visibility.PUBLIC):
    return Note(
        number=number,
        job=1,
        source="lakeside",
        by_enterprise=False,
        user=None,
        visibility=visibility,
        revision=1,
        published=True,
        text=Private("Pump replaced."),
        latest={},
        created_at=datetime.now(UTC),
    )


async def test_a_public_note_is_an_attachment_and_one_taken_back_in_time_is_not_handed_out(outbox, account, queue):
    note = note_of(31)
    async with outbox.database.transaction() as connection:
        writes = Writes(connection)
        save_notes(writes, [note])
        await writes.make()
    revision = type("Of", (), {"number": 31, "revision": 1})
    facts = orjson.dumps({"job": {"id": "job-1"}, "note": {"id": "note-31", "revision": 1}}).decode()
    await outbox.append(1, to=account, kind="note.published", note=revision, body=facts)
    [one] = await queue.hand_out([account], 10)
    made = put_of(one)["attachment"]
    assert (made["id"], made["job_id"], made["description"]) == (31, 1, "Pump replaced.")
    assert await queue.acknowledge([account], one.receipt, error=None) is SETTLED
    row = await only_delivery(outbox)
    assert (row["state"], row["claims"]) == ("delivered", 1)
    other = type("Of", (), {"number": 32, "revision": 1})
    await outbox.append(1, to=account, kind="note.published", note=other, body=facts)
    await outbox.append(1, to=account, kind="note.retracted", note=other, body=facts)
    await owe(outbox, 1, to=account)
    [following] = await queue.hand_out([account], 10)
    assert following.part.entity == "job"


async def test_the_whole_job_comes_with_an_event_that_does_not_carry_it(outbox, queue):
    work = await outbox.add_destination("poll.lakeside", kind="poll", audience=Audience.PROVIDER)
    now = datetime.now(UTC)
    details = {"title": "Dishwasher", "address": {"city": "Duluth"}, "customer": {"name": "Jordan Ellis"}}
    row = {
        "number": 1,
        "version": 1,
        "source": "acme",
        "organization": 7,
        "external_id": "WO-1",
        "customer": 3,
        "status": "canceled",
        "state": codec.encode({"details": details}),
        "updated_at": now,
    }
    async with outbox.database.transaction() as connection:
        await connection.execute(tables.job.insert().values(row))
    await outbox.append(
        1, to=work, kind="job.canceled", body=body(1, was="scheduled", now="complete", closure="canceled")
    )
    [one] = await queue.hand_out([work], 10)
    job = put_of(one)["job"]
    assert (job["status"], job["address"], job["customer"]["first_name"]) == ("canceled", {"city": "Duluth"}, "Jordan")
