"""An organization's acceptance and its first appointment, sent in one request of Connect, are one decision."""

import orjson
import pytest

from gateway.core.ids import Kind, canonical_id
from gateway.inbound.record import REQUEST
from gateway.store import tables
from gateway.store.deliveries import Operator
from gateway.store.releasing import requeue
from tests.edge import envelope, post_in
from tests.inbound import ACTIONS, LAKESIDE, Message, offer, provider

TIME = "2027-01-05T15:00:00.000Z"
LATER = "2027-01-06T15:00:00.000Z"
OPERATOR = Operator(author="test", reason="test")


def accept(job, status="scheduled", **more):
    return envelope("job", id=job, status=status, **more)


def appointment(job, key="V-1", **more):
    told = {"job_id": job, "time": TIME, "action": "post"} | ({"external_id": key} if key else {})
    return envelope("appointment", **(told | more))


def note(job):
    return envelope("attachment", action="post", job_id=job, description="Gate code 12")


async def offered(road, job="A-1"):
    await road.receive(offer(job))
    return (await road.job(job))["number"]


async def sent(client, key, *records, **headers):
    """What became of each: `applied`, or the state with its reason."""
    answer = await post_in(client, key, list(records), **headers)
    assert answer.status_code == 200, answer.text
    return [one["outcome"] + (f" {one['reason']}" if "reason" in one else "") for one in answer.json()["records"]]


async def visits(road):
    return await road.rows(tables.appointment)


@pytest.mark.parametrize("status", ["unscheduled", "scheduled"])
@pytest.mark.parametrize("appointment_first", [True, False], ids=["appointment first", "accept first"])
async def test_an_accept_and_its_first_appointment_are_one_decision(road, client, lakeside, status, appointment_first):
    job = await offered(road)
    records = [accept(job, status), note(job), appointment(job, external_user_id="tom", duration=3600)]
    answer = await post_in(client, lakeside, records[::-1] if appointment_first else records)
    told = answer.json()["records"]
    assert [one["outcome"] for one in told] == ["applied"] * 3
    assert {one["job"] for one in told} == {canonical_id(Kind.JOB, job)}
    assert [one for one in await road.told() if not one.startswith("note.")] == ["job.offered", "job.accepted"]
    accepted = next(one for one in await road.events(job) if one["type"] == "job.accepted")
    assert (accepted["body"]["previous_status"], accepted["body"]["status"]) == ("offered", "scheduled")
    [visit] = await visits(road)
    assert visit["status"] == "scheduled"
    assert await road.status() == "scheduled"
    assert await road.is_balanced()


async def test_the_visit_is_known_by_the_appointments_own_key_afterwards(road, client, lakeside):
    job = await offered(road)
    await sent(client, lakeside, accept(job), appointment(job))
    assert await sent(client, lakeside, appointment(job, time=LATER)) == ["applied"]
    assert await sent(client, lakeside, envelope("appointment", external_id="V-1", status="enroute")) == ["applied"]
    [visit] = await visits(road)
    assert visit["status"] == "en_route"
    assert await road.told() == ["job.offered", "job.accepted", "appointment.changed", "appointment.en_route"]


async def test_of_several_appointments_the_first_is_folded_and_the_others_are_added_after_it(road, client, lakeside):
    job = await offered(road)
    ends = await sent(client, lakeside, appointment(job, "V-1"), appointment(job, "V-2", time=LATER), accept(job))
    assert ends == ["applied"] * 3
    assert await road.told() == ["job.offered", "job.accepted", "appointment.scheduled"]
    assert len(await visits(road)) == 2


async def test_each_job_of_a_request_is_accepted_with_its_own_appointment(road, client, lakeside):
    first, second = await offered(road, "A-1"), await offered(road, "A-2")
    records = [appointment(second, "V-2"), accept(first), appointment(first, "V-1"), accept(second)]
    assert await sent(client, lakeside, *records) == ["applied"] * 4
    assert [len(await road.events(job)) for job in (first, second)] == [3, 3]
    assert (await road.told()).count("job.accepted") == 2
    assert "appointment.scheduled" not in await road.told()


async def test_an_appointment_of_another_request_is_added_by_itself(road, client, lakeside):
    job = await offered(road)
    assert await sent(client, lakeside, accept(job)) == ["applied"]
    assert await sent(client, lakeside, appointment(job)) == ["applied"]
    assert await road.told() == ["job.offered", "job.accepted", "appointment.scheduled"]


async def test_where_the_accept_is_refused_so_is_the_appointment_and_for_the_same_reason(road, client, lakeside):
    job = await offered(road)
    await road.receive(provider("offer.decline", "A-1", reason="D-CAP"))
    assert await sent(client, lakeside, accept(job), appointment(job)) == ["ignored no_change", "refused offer_closed"]
    other = await offered(road, "A-2")
    stranger = appointment(other, external_user_id="tom", time=TIME)
    await road.receive(provider("user.deactivate", "tom"))
    ends = await sent(client, lakeside, stranger, accept(other))
    assert ends == ["refused user_deactivated"] * 2
    assert await road.status("A-2") == "offered"
    assert await visits(road) == []
    assert await road.is_balanced()


async def test_where_the_job_is_accepted_already_the_appointment_is_added(road, client, lakeside):
    job = await offered(road)
    await road.receive(provider("offer.accept", "A-1"))
    assert await sent(client, lakeside, accept(job), appointment(job)) == ["ignored no_change", "applied"]
    assert await road.told() == ["job.offered", "job.accepted", "appointment.scheduled"]


async def test_with_a_job_that_is_restored_the_appointment_is_decided_by_itself(road, client, lakeside):
    job = await offered(road)
    await road.receive(provider("offer.accept", "A-1"), provider("job.cancel", "A-1", reason="C-CUST"))
    ends = await sent(client, lakeside, accept(job), appointment(job, "V-1"), appointment(job, external_user_id="new"))
    assert ends == ["applied", "applied", "parked unknown_reference"]
    assert await road.told() == ["job.offered", "job.accepted", "job.canceled", "job.restored", "appointment.scheduled"]


async def test_a_request_sent_again_under_its_id_is_two_repeats(road, client, lakeside):
    job = await offered(road)
    records = [appointment(job), accept(job)]
    assert await sent(client, lakeside, *records, MessageId="t-1") == ["applied"] * 2
    assert await sent(client, lakeside, *records, MessageId="t-1") == ["ignored repeat"] * 2
    assert len(await visits(road)) == 1
    assert await road.is_balanced()


@pytest.mark.parametrize("key", ["V-1", None], ids=["with a key", "without one"])
async def test_a_request_without_ids_sent_again_changes_nothing(road, client, lakeside, key):
    job = await offered(road)
    records = [accept(job), appointment(job, key)]
    assert await sent(client, lakeside, *records) == ["applied"] * 2
    assert await sent(client, lakeside, *records) == ["ignored no_change", "ignored repeat"]
    assert len(await visits(road)) == 1


@pytest.mark.parametrize("appointment_first", [True, False], ids=["appointment first", "accept first"])
async def test_both_wait_for_a_technician_who_is_not_known_and_are_one_decision_then(
    road, client, lakeside, appointment_first
):
    job = await offered(road)
    records = [accept(job), appointment(job, external_user_id="new")]
    ends = await sent(client, lakeside, *(records[::-1] if appointment_first else records))
    assert ends == ["parked unknown_reference"] * 2
    assert await road.status() == "offered"
    user = envelope("user", external_id="new", first_name="Nell", roles=["technician"])
    assert await sent(client, lakeside, user) == ["applied"]
    assert await road.told() == ["job.offered", "job.accepted"]
    assert (await road.ends())[-3:] == ["applied"] * 3
    [visit] = await visits(road)
    assert visit["technician"] is not None
    assert await road.rows(tables.reference, tables.reference.c.waiting) == []
    assert await road.is_balanced()


async def test_a_technician_between_the_two_is_known_in_time(road, client, lakeside):
    job = await offered(road)
    user = envelope("user", external_id="new", first_name="Nell", roles=["technician"])
    ends = await sent(client, lakeside, accept(job), user, appointment(job, external_user_id="new"))
    assert ends == ["applied"] * 3
    assert await road.told() == ["job.offered", "job.accepted"]


async def test_both_wait_for_a_job_that_is_not_known_and_are_one_decision_then(road, client, lakeside):
    records = [
        envelope("appointment", external_job_id="own-7", external_id="V-1", time=TIME),
        envelope("job", external_id="own-7", status="scheduled"),
    ]
    assert await sent(client, lakeside, *records) == ["parked unknown_reference"] * 2
    own = {"external_id": "own-7", "title": "No heat", "customer": {"first_name": "Bo"}}
    assert await sent(client, lakeside, envelope("job", **own)) == ["applied"]
    assert (await road.ends())[-3:] == ["applied", "ignored no_change", "applied"]
    assert await road.told() == ["job.created", "appointment.scheduled"]


async def requeued(road, *numbers):
    async with road.database.transaction() as connection:
        await requeue(connection, numbers, OPERATOR, await road.database.now(connection))
    await road.settle_requeued()


@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
async def test_released_by_an_operator_they_are_one_decision_together_and_two_apart(road, client, lakeside, together):
    job = await offered(road)
    await road.receive(provider("user.deactivate", "tom"))
    await sent(client, lakeside, accept(job), appointment(job, external_user_id="tom"))
    first, second = [row["number"] for row in await road.records()][-2:]
    await road.receive(provider("user.reactivate", "tom"))
    for numbers in [(first, second)] if together else [(first,), (second,)]:
        await requeued(road, *numbers)
    added = [] if together else ["appointment.scheduled"]
    assert await road.told() == ["job.offered", "job.accepted", *added]
    assert len(await visits(road)) == 1
    assert {row["state"] for row in await road.records()} == {"applied"}


async def test_a_key_that_another_jobs_visit_has_does_not_keep_the_offer_from_being_taken(road, client, lakeside):
    first, second = await offered(road, "A-1"), await offered(road, "A-2")
    await sent(client, lakeside, accept(first), appointment(first, "V-1"))
    ends = await sent(client, lakeside, accept(second), appointment(second, "V-1"))
    assert ends == ["applied", "refused not_your_job"]


async def test_a_message_of_a_topic_is_a_request_of_its_own_whatever_its_headers_say(road):
    job = await offered(road)
    headers = (("ce_source", LAKESIDE.encode()), (REQUEST, b"same"))
    records = [Message(ACTIONS, orjson.dumps(one), headers) for one in (accept(job), appointment(job))]
    assert await road.receive(*records) == ["applied"] * 2
    assert await road.told() == ["job.offered", "job.accepted", "appointment.scheduled"]
