"""More records than one transaction decides wait for one thing: the rest follows, and nothing overtakes it."""

import random
from datetime import timedelta

import pytest

from gateway.core.ids import Kind, canonical_id
from gateway.inbound import receive
from gateway.inbound.known import WAKES_AT_MOST, Waking
from gateway.store.tables import inbound_record, reference
from tests.inbound import LAKESIDE, START, ago, enterprise, offer, provider

AT_ONCE = 3


@pytest.fixture
def _few_at_once(monkeypatch):
    monkeypatch.setattr(receive, "_WAKES", Waking(AT_ONCE))


async def parked(road):
    return await road.records(inbound_record.c.state == "parked")


async def release_all(road):
    """The clock's looks, each deciding a few."""
    looks = 0
    while await road.receiver.release_parked(AT_ONCE):
        looks += 1
    assert await parked(road) == []
    assert await road.rows(reference, reference.c.waiting) == []
    assert await road.is_balanced()
    return looks


async def titles(road, external_id):
    """What a job was called, one event after the other."""
    number = (await road.job(external_id))["number"]
    return [event["body"]["details"]["title"] for event in await road.events(number)]


def named(job, number):
    return enterprise(
        "offer.submit", job, brand="harborline", organization="P-1", customer={"name": "Bo"}, title=f"{number}"
    )


PUT = enterprise("organization.put", "P-1", name="Smith")


@pytest.mark.usefixtures("_few_at_once")
async def test_offers_that_wait_for_one_organization_are_decided_in_the_order_received(road):
    jobs = ("A-1", "A-2", "A-3")
    for number in range(1, 4):
        await road.receive(*(named(job, number) for job in jobs))

    assert len(await road.receive(PUT)) == 1 + AT_ONCE
    assert len(await parked(road)) == 6
    later = await road.receive(named("A-3", 4), named("A-1", 4), named("B-1", 1), offer("C-1"))
    assert later == ["parked unknown_reference"] * 3 + ["applied"]

    assert await release_all(road) == 3
    assert [await titles(road, job) for job in jobs] == [["1", "2", "3", "4"], ["1", "2", "3"], ["1", "2", "3", "4"]]
    assert await road.receive(named("A-2", 4)) == ["applied"], "nothing waits any more"


@pytest.mark.usefixtures("_few_at_once")
@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_what_comes_with_or_after_the_one_that_woke_some_waits_behind_the_rest(road, in_one_batch):
    await road.receive(*(named("A-1", number) for number in range(1, 6)))
    messages = [named("A-1", 6), PUT, named("A-1", 7)]
    for batch in [messages] if in_one_batch else [[message] for message in messages]:
        await road.receive(*batch)
    await release_all(road)
    assert await titles(road, "A-1") == [f"{number}" for number in range(1, 8)]


TOLD = [
    *("job.offered", "job.accepted", "appointment.scheduled", "appointment.started", "appointment.completed"),
    *("appointment.scheduled", "appointment.en_route", "appointment.started"),
]


def life():
    return [
        provider("offer.accept", "A-1"),
        provider("appointment.add", "A-1", id="V-1", start=START),
        provider("appointment.start", "A-1", appointment="V-1"),
        provider("appointment.complete", "A-1", appointment="V-1", reason="REP"),
        provider("appointment.add", "A-1", id="V-2", start=START),
        provider("appointment.on_my_way", "A-1", appointment="V-2"),
    ]


@pytest.mark.usefixtures("_few_at_once")
@pytest.mark.parametrize("by", ["its sender's id", "its number", "a visit", "a visit by its number"])
async def test_nothing_overtakes_what_is_left_of_a_jobs_records_whatever_it_is_named_by(road, by):
    await road.receive(*life())
    assert len(await road.receive(offer("A-1"))) == 1 + AT_ONCE
    visit = (await road.records(inbound_record.c.type == "appointment.add"))[0]["number"]
    last = {
        "its sender's id": provider("job.cancel", "A-1", reason="C-CUST"),
        "its number": provider("job.cancel", await road.job_id(), reason="C-CUST"),
        "a visit": provider("appointment.start", appointment="V-2"),
        "a visit by its number": provider("appointment.delete", appointment=canonical_id(Kind.APPOINTMENT, visit)),
    }[by]
    expected = {
        "its sender's id": "applied",
        "its number": "applied",
        "a visit": "applied",
        "a visit by its number": "refused appointment_ended",
    }[by]
    assert (await road.receive(last, provider("note.add", "A-1", text="x")))[1] == "applied"
    assert (await road.job())["held_by"] is not None

    await release_all(road)

    assert (await road.ends())[4:] == [*["applied"] * 7, expected, "applied"]
    told = [kind for kind in await road.told() if not kind.startswith(("note.", "job.canceled"))]
    assert told == TOLD[: 8 if by == "a visit" else 7]
    assert (await road.job())["held_by"] is None


@pytest.mark.usefixtures("_few_at_once")
async def test_what_waits_behind_a_held_completion_is_decided_in_the_order_received_however_much_it_is(road):
    await road.receive(
        offer("A-1"), provider("offer.accept", "A-1"), provider("appointment.add", "A-1", id="V-1", start=START)
    )
    await road.receive(provider("appointment.complete", "A-1", appointment="V-1", reason="Unheard of"))
    later = [
        provider("appointment.add", "A-1", id="V-2", start=START),
        provider("appointment.start", appointment="V-2"),
        provider("appointment.complete", appointment="V-2", reason="REP"),
        provider("appointment.add", "A-1", id="V-3", start=START),
        provider("appointment.on_my_way", "A-1", appointment="V-3"),
        provider("appointment.start", "A-1", appointment="V-3"),
        provider("job.cancel", "A-1", reason="C-CUST"),
    ]
    await road.receive(*later)
    # Decided again it is nothing: the job is held no longer.
    await road.execute("UPDATE inbound_record SET raw = NULL, state = 'requeued' WHERE state = 'unmapped'")
    await road.receiver.reprocess()
    assert (await road.job())["held_by"] is not None, "by one of those that are left"
    assert await road.receive(provider("job.restore", "A-1")) == ["parked job_held"]

    await release_all(road)

    assert (await road.ends())[7:] == ["quarantined empty_value", *["applied"] * 8]
    assert (await road.told())[3:] == [
        *("appointment.scheduled", "appointment.started", "appointment.completed"),
        *("appointment.scheduled", "appointment.en_route", "appointment.started"),
        *("job.canceled", "job.restored"),
    ]


@pytest.mark.usefixtures("_few_at_once")
async def test_an_answer_that_is_left_waiting_holds_up_the_expiry_of_its_offer(road):
    await road.receive(*(enterprise("reminder.send", "A-1") for _ in range(AT_ONCE)), at=ago(hours=2))
    await road.receive(provider("offer.accept", "A-1"), at=ago(hours=2))
    await road.receive(offer("A-1", accept_by=ago(hours=1).isoformat()), at=ago(hours=2))
    assert await road.receiver.expire(timedelta(0)) == 0
    await release_all(road)
    assert await road.status() == "unscheduled"


async def test_of_1100_records_that_wait_for_one_thing_500_are_decided_at_once(road):
    for part in range(11):
        await road.receive(*(named(f"A-{part}-{number}", 1) for number in range(100)))
    assert len(await road.receive(PUT)) == 1 + WAKES_AT_MOST
    assert [await road.clock.resolved() for _ in range(3)] == [500, 100, 0]
    assert len(await road.jobs()) == 1100
    assert await road.is_balanced()


def story(job):
    """A job's life from both sides, everything under names of its own."""
    organization, visit, zoe = f"P-{job}", f"V-{job}", f"zoe-{job}"
    content = {"brand": "harborline", "customer": {"name": "Bo"}, "organization": organization}
    mine = {"handle": LAKESIDE}
    return [
        enterprise("organization.put", organization, **mine),
        *(enterprise("offer.submit", job, title=title, **content) for title in ("one", "two")),
        provider("offer.accept", job),
        provider("user.put", zoe, role="technician"),
        provider("appointment.add", job, id=visit, start=START, technician=zoe),
        provider("appointment.start", appointment=visit, user=zoe),
        provider("appointment.pause", job, appointment=visit),
        provider("appointment.add", job, id=f"{visit}-2", start=START),
        provider("appointment.complete", appointment=visit, reason="REP"),
        provider("appointment.on_my_way", appointment=f"{visit}-2"),
        provider("job.cancel", job, reason="C-CUST"),
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_how_many_are_decided_at_once_makes_no_difference(road, monkeypatch, seed):
    """Each message is a batch of its own; they come in any order, the same each time."""
    order = random.Random(seed).sample(range(12), 12)
    happened = []
    for at_most in (WAKES_AT_MOST, 3, 2, 1):
        monkeypatch.setattr(receive, "_WAKES", Waking(at_most))
        before, messages = len(await road.records()), story(f"A-{at_most}")
        for index in order:
            await road.receive(messages[index])
            while await road.receiver.release_parked(at_most):
                pass
        number = (await road.job(f"A-{at_most}"))["number"]
        told = [(event["type"], event["body"]["status"]) for event in await road.events(number)]
        happened.append((told, (await road.ends())[before:]))
    assert happened[1:] == happened[:1] * 3
    assert await road.is_balanced()
