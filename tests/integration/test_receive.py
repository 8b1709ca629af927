"""First sight: what was taken in before, by its place or its message id, is neither decided nor counted again."""

from dataclasses import replace

import pytest

from gateway.core.outcomes import Why
from gateway.store.tables import caught_up
from tests.inbound import (
    EVERGREEN,
    LAKESIDE,
    PREFIX,
    SHARED_OFFERS,
    START,
    ago,
    enterprise,
    now,
    offer,
    provider,
)


async def test_an_offer_is_accepted_worked_on_and_completed(road):
    ends = await road.receive(
        offer("A-1"),
        provider("offer.accept", "A-1"),
        provider("appointment.add", "A-1", id="V-1", start=START, technician="tom"),
        provider("appointment.start", appointment="V-1", user="tom"),
        provider("appointment.complete", appointment="V-1", reason="REP"),
    )
    assert ends == ["applied"] * 5
    assert await road.status() == "complete completed"
    assert await road.told() == [
        "job.offered",
        "job.accepted",
        "appointment.scheduled",
        "appointment.started",
        "appointment.completed",
    ]
    assert await road.is_balanced()


async def test_a_batch_that_is_read_again_after_a_crash_is_neither_decided_nor_counted_again(road):
    batch = [road.place(message) for message in (offer("A-1"), offer("A-2"), provider("offer.accept", "A-1"))]
    assert len(await road.receiver.receive(batch)) == 3
    before = await road.records(), await road.ledger(), await road.told()

    assert await road.receiver.receive(batch) == []

    assert (await road.records(), await road.ledger(), await road.told()) == before


async def test_a_batch_that_overlaps_what_was_taken_in_is_decided_from_there_on(road):
    batch = [road.place(offer(f"A-{number}")) for number in range(6)]
    await road.receiver.receive(batch[:4])

    assert [entry.raw.offset for entry in await road.receiver.receive(batch[2:])] == [4, 5]

    assert (await road.told()).count("job.offered") == 6
    assert await road.is_balanced()


async def test_a_record_without_a_message_id_is_known_by_its_place(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    raw = road.place(provider("appointment.add", "A-1", message_id=None, start=START))
    await road.receiver.receive([raw])

    assert await road.receiver.receive([raw]) == []

    assert (await road.told()).count("appointment.scheduled") == 1


async def test_a_topic_made_anew_begins_at_nothing_and_its_records_are_new(road):
    old = [road.place(offer(f"A-{number}"), at=ago(minutes=5)) for number in range(3)]
    await road.receiver.receive(old)
    anew = [replace(road.place(offer(f"B-{number}")), offset=number) for number in range(2)]

    assert len(await road.receiver.receive(anew)) == 2
    assert await road.receiver.receive(anew) == []
    # And it goes on from there.
    third = replace(road.place(offer("B-2")), offset=2)
    assert len(await road.receiver.receive([third])) == 1
    assert await road.receiver.receive([*anew, third]) == []
    assert await road.is_balanced()


async def test_another_partition_is_another_place(road):
    first = road.place(offer("A-1"), partition=0)
    second = replace(road.place(offer("A-2"), partition=1), offset=first.offset, append_time=first.append_time)

    assert len(await road.receiver.receive([first])) == 1
    assert len(await road.receiver.receive([second])) == 1


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two batches"])
async def test_the_same_content_under_the_same_message_id_is_a_repeat_that_points_at_the_first(road, apart):
    first, again = offer("A-1", message_id="x-1"), offer("A-1", message_id="x-1")
    if apart:
        ends = [*await road.receive(first), *await road.receive(again)]
    else:
        ends = await road.receive(first, again)

    assert ends == ["applied", "ignored repeat"]
    one, other = (await road.records())[-2:]
    assert (other["first"], other["raw"], other["headers"]) == (one["number"], None, None)
    assert one["raw"] == first.value
    assert (await road.told()) == ["job.offered"]


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two batches"])
async def test_other_content_under_a_message_id_that_is_taken_is_quarantined_and_points_at_the_first(road, apart):
    first, other = offer("A-1", message_id="x-1"), offer("A-1", message_id="x-1", title="No cooling")
    if apart:
        ends = [*await road.receive(first), *await road.receive(other)]
    else:
        ends = await road.receive(first, other)

    assert ends == ["applied", "quarantined message_conflict"]
    one, second = (await road.records())[-2:]
    assert (second["first"], second["field"], second["raw"]) == (one["number"], "id", other.value)
    (receipt,) = await road.receipts()
    assert (receipt["reason"], receipt["first"]) == ("message_conflict", f"rec-{one['number']}")
    # A third one conflicts with the first, not with the second.
    assert await road.receive(other) == ["quarantined message_conflict"]
    assert (await road.records())[-1]["first"] == one["number"]


async def test_members_in_another_order_are_the_same_content(road):
    first = enterprise("offer.submit", "A-1", message_id="x", brand="harborline", title="t", customer={"name": "Bo"}, organization={"handle": LAKESIDE})  # fmt: skip
    again = enterprise("offer.submit", "A-1", message_id="x", organization={"handle": LAKESIDE}, customer={"name": "Bo"}, title="t", brand="harborline")  # fmt: skip

    assert await road.receive(first, again) == ["applied", "ignored repeat"]


async def test_message_ids_are_each_sources_own(road):
    ends = await road.receive(
        offer("A-1", message_id="x-1"),
        provider("offer.accept", "A-1", message_id="x-1"),
    )
    assert ends == ["applied", "applied"]


@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in two batches"])
async def test_what_was_refused_is_decided_anew_when_it_is_sent_again(road, apart):
    await road.receive(offer("A-1"))
    early = provider("appointment.add", "A-1", message_id="x-1", start=START)
    accept = provider("offer.accept", "A-1")
    if apart:
        ends = [end for message in (early, accept, early) for end in await road.receive(message)]
    else:
        ends = await road.receive(early, accept, early)
    assert ends == ["refused offer_open", "applied", "applied"]


async def test_what_waited_and_was_refused_is_decided_anew_when_it_is_sent_again_in_the_same_batch(road):
    accept = provider("offer.accept", "A-1", message_id="x-1")
    await road.receive(provider("offer.decline", "A-1", reason="D-CAP"), accept)
    ends = await road.receive(offer("A-1"), accept)
    assert ends == ["applied", "applied", "refused offer_closed", "refused offer_closed"]


async def test_a_topic_whose_name_could_not_be_kept_is_nobodys_door(road):
    doors = road.gateway.doors
    assert doors.find_door(f"{PREFIX}offers.{'x' * 200}.v1").bound_source == "x" * 200
    assert doors.find_door(f"{PREFIX}offers.{'x' * 201}.v1") is None
    longest = f"{PREFIX}actions.{'x' * 200}.v1"
    assert await road.receive(provider("organization.put", None, door=longest, name="Long")) == ["applied"]


async def test_what_was_quarantined_is_decided_anew_when_it_is_sent_again(road):
    bad = offer("A-1", message_id="x-1", title=7)
    good = offer("A-1", message_id="x-1")
    assert await road.receive(bad, good) == ["quarantined wrong_type", "applied"]


async def test_without_a_message_id_only_the_sources_latest_word_about_a_job_is_a_repeat(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    cancel = provider("job.cancel", "A-1", message_id=None, reason="C-CUST")
    restore = provider("job.restore", "A-1", message_id=None)

    ends = [end for message in (cancel, cancel, restore, cancel, restore) for end in await road.receive(message)]

    assert ends == ["applied", "ignored repeat", "applied", "applied", "applied"]


async def test_a_new_visit_without_a_message_id_sent_twice_is_a_repeat(road):
    add = provider("appointment.add", "A-1", message_id=None, id="V-1", start=START)
    ends = await road.receive(offer("A-1"), provider("offer.accept", "A-1"), add, add)
    assert ends[2:] == ["applied", "ignored repeat"]


async def test_notes_and_reminders_must_carry_a_message_id(road):
    ends = await road.receive(
        offer("A-1"),
        provider("note.add", "A-1", message_id=None, text="x"),
        enterprise("reminder.send", "A-1", message_id=None),
    )
    assert ends[1:] == [f"refused {Why.MESSAGE_ID_REQUIRED.value}"] * 2


async def test_a_topic_that_names_a_source_binds_its_records_to_it_whatever_they_claim(road):
    lie = enterprise("offer.submit", "A-1", source="meridian-homecare", door=f"t.offers.{EVERGREEN}.v1", brand="harborline", customer={"name": "Bo"}, organization={"handle": LAKESIDE})  # fmt: skip
    assert await road.receive(lie) == ["applied"]
    assert (await road.job())["source"] == EVERGREEN


async def test_a_shared_topic_trusts_the_source_that_its_records_name(road):
    message = offer("A-1")
    assert await road.receive(replace(message, door=SHARED_OFFERS)) == ["applied"]
    assert await road.receive(enterprise("offer.submit", "A-1", source="nobody", door=SHARED_OFFERS)) == [
        "refused unknown_source"
    ]


async def test_arrival_is_when_it_was_read_where_the_brokers_time_is_the_senders(road):
    """On a topic with create times a record claims to have been sent long ago; only its reading counts."""
    await road.receive(offer("A-1", accept_by=(ago(minutes=1)).isoformat()))
    raw = replace(road.place(provider("offer.accept", "A-1")), append_time=ago(minutes=30), arrived_at=now())
    (entry,) = await road.receiver.receive([raw])
    assert entry.outcome.why is Why.OFFER_CLOSED
    (row,) = await road.rows(caught_up, caught_up.c.topic == raw.door)
    assert row["caught_up_to"] == raw.arrived_at
