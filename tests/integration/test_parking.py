"""What waits: for a job, organization, user, visit, note or customer, or behind a completion that nobody maps yet."""

from itertools import permutations

import pytest

from gateway.store import codec
from gateway.store.tables import appointment, delivery, reference
from tests.importing import import_profile
from tests.inbound import BRANDS, EVERGREEN, LAKESIDE, START, enterprise, joined, offer, opened, provider


async def states(road):
    """The records but those of the people, oldest first."""
    return (await road.ends())[4:]


VISIT = provider("appointment.add", "A-1", id="V-1", start=START, message_id="add")
STARTED = provider("appointment.start", appointment="V-1", message_id="start")
DONE = provider("appointment.complete", appointment="V-1", reason="REP", message_id="done")


@pytest.mark.parametrize("apart", [True, False], ids=["in batches of one", "in one batch"])
async def test_what_comes_before_its_job_waits_and_is_decided_in_the_order_received(road, apart):
    messages = [provider("offer.accept", "A-1"), VISIT, STARTED, DONE, offer("A-1")]
    if apart:
        for message in messages:
            await road.receive(message)
    else:
        await road.receive(*messages)

    assert await states(road) == ["applied"] * 5
    assert await road.told() == [
        "job.offered",
        "job.accepted",
        "appointment.scheduled",
        "appointment.started",
        "appointment.completed",
    ]
    assert await road.rows(reference, reference.c.waiting) == []
    assert await road.is_balanced()


async def test_what_waits_and_is_woken_in_one_batch_is_written_once(road):
    async with road.counted() as statements:
        assert await road.receive(provider("offer.accept", "A-1"), VISIT, offer("A-1")) == ["applied"] * 3
    assert len([one for one in statements if "INSERT INTO inbound_record" in one]) == 1


async def test_of_all_that_one_thing_wakes_the_first_received_is_decided_first(road):
    """The start waits for the visit only, the deletion before it for the job: waking both must not turn them round."""
    delete = provider("appointment.delete", "A-1", appointment="V-1")
    messages = (provider("offer.accept", "A-1"), VISIT, delete, STARTED)
    ends = await road.receive(*messages, offer("A-1"))
    assert ends[-4:] == ["applied", "applied", "applied", "refused appointment_ended"]


@pytest.mark.parametrize("order", list(permutations(range(3)))[::2])
async def test_a_chain_of_unknown_things_resolves_whatever_the_order_they_come_in(road, order):
    links = [
        enterprise("organization.put", "P-1", name="Smith"),
        enterprise("offer.submit", "A-1", brand="harborline", organization="P-1", customer={"name": "Bo"}),
        enterprise("note.add", "A-1", id="N-1", text="the side door"),
    ]
    for index in order:
        await road.receive(links[index])
    assert await states(road) == ["applied"] * 3
    assert await road.is_balanced()


WAITS_FOR = {
    "a job": (provider("offer.accept", "A-1"), offer("A-1")),
    "an organization": (
        enterprise("offer.submit", "A-1", brand="harborline", organization="P-1", customer={"name": "Bo"}),
        enterprise("organization.put", "P-1", name="Smith"),
    ),
    "an organization by its handle": (
        offer("A-1", organization={"handle": "smith"}),
        enterprise("organization.put", "P-1", handle="smith", name="Smith"),
    ),
    "the organization that sent it": (
        provider("user.put", "zoe", source="smith", name="Zoe", role="both"),
        enterprise("organization.put", "P-1", handle="smith", name="Smith"),
    ),
    "a customer": (
        offer("A-1", customer="C-1"),
        offer("A-2", customer={"id": "C-1", "name": "Bo"}),
    ),
    "a user": (provider("user.deactivate", "zoe"), provider("user.put", "zoe", name="Zoe", role="technician")),
}


@pytest.mark.parametrize("what", WAITS_FOR)
async def test_a_record_waits_for(road, what):
    early, creator = WAITS_FOR[what]
    assert await road.receive(early) == ["parked unknown_reference"]
    assert await road.receive(early) == ["ignored repeat"], "it waits once"
    assert await road.receipts() == [], "it is not settled yet"

    assert await road.receive(creator) == ["applied", "applied"]

    row = (await road.records())[4]
    assert (row["state"], row["waits_id"], row["settled_at"] is not None) == ("applied", None, True)
    assert await road.is_balanced()


async def test_a_record_may_wait_for_one_thing_after_the_other(road):
    add = provider("appointment.add", "A-1", start=START, technician="zoe", user="ann")
    zoe, ann = (provider("user.put", name, name=name, role="both") for name in ("zoe", "ann"))
    waits = []
    for message in (add, offer("A-1"), provider("offer.accept", "A-1"), zoe):
        await road.receive(message)
        waits.append((await road.records())[4]["waits_kind"])
    assert set(waits) <= {"job", "usr"}
    assert None not in waits
    assert await road.receive(ann) == ["applied", "applied"]


async def test_what_a_refused_record_would_have_made_goes_on_being_waited_for(road):
    await road.receive(provider("offer.accept", "A-1"))
    assert await road.receive(offer("A-1", customer=None)) == ["refused customer_required"]
    assert (await states(road))[0] == "parked unknown_reference"
    assert await road.receive(offer("A-1")) == ["applied", "applied"]


async def test_a_parked_record_is_decided_by_what_it_says_with_the_time_at_which_it_arrived(road):
    await road.receive(provider("offer.accept", "A-1"))
    (parked,) = (await road.records())[4:]
    await road.receive(offer("A-1"))
    accepted = next(row for row in await road.events() if row["type"] == "job.accepted")
    assert (accepted["occurred_at"], accepted["record"]) == (parked["arrived_at"], parked["number"])


# ------------------------------------------------------------------------------------------------- held completions


async def hold(road):
    """A job whose visit was completed for a reason that no profile knows."""
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"), VISIT)
    odd = provider("appointment.complete", appointment="V-1", reason="Cat on the keyboard", message_id="odd")
    assert await road.receive(odd) == ["unmapped unmapped_reason"]


async def test_behind_an_unmapped_completion_what_could_move_the_job_waits_and_the_rest_does_not(road):
    await hold(road)
    ends = await road.receive(
        provider("appointment.add", "A-1", id="V-2", start=START),
        provider("appointment.start", appointment="V-2"),
        provider("job.cancel", "A-1", reason="C-CUST"),
        provider("note.add", "A-1", text="x"),
        enterprise("reminder.send", "A-1"),
        offer("A-1", title="Amended"),
        offer("A-2"),
    )
    assert ends == ["parked job_held", "parked unknown_reference", "parked job_held", *["applied"] * 4]
    assert await road.status("A-1") == "scheduled"


@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_a_mapping_releases_all_that_waited_in_the_order_received(road, in_one_batch):
    await hold(road)
    later = [
        provider("appointment.add", "A-1", id="V-2", start=START),
        provider("appointment.start", appointment="V-2"),
        provider("appointment.complete", appointment="V-2", reason="REP"),
        provider("job.cancel", "A-1", reason="C-CUST"),
    ]
    for batch in [later] if in_one_batch else [[message] for message in later]:
        await road.receive(*batch)
    await teach(road, "Cat on the keyboard")

    assert await road.settle_requeued() > 0

    assert (await states(road))[3:] == ["applied"] * 4 + ["refused job_closed"]
    assert (await road.told())[3:] == [
        "appointment.completed",
        "appointment.scheduled",
        "appointment.started",
        "appointment.completed",
    ]
    assert await road.status() == "complete completed"
    assert (await road.job())["held_by"] is None
    assert await road.is_balanced()


async def test_a_second_unmapped_completion_holds_the_job_anew(road):
    await hold(road)
    await road.receive(provider("appointment.add", "A-1", id="V-2", start=START))
    await road.receive(provider("appointment.complete", "A-1", appointment="V-2", reason="Dog on the roof"))
    await road.receive(provider("job.cancel", "A-1", reason="C-CUST"))
    await teach(road, "Cat on the keyboard")
    await road.settle_requeued()
    assert (await states(road))[3:] == ["applied", "applied", "unmapped unmapped_reason", "parked job_held"]
    await teach(road, "Cat on the keyboard", "Dog on the roof", version=3)
    await road.settle_requeued()
    assert (await states(road))[5:] == ["applied", "refused job_closed"]


async def test_a_held_completion_that_cannot_be_read_any_more_holds_nothing(road):
    await hold(road)
    await road.receive(provider("job.cancel", "A-1", reason="C-CUST"))
    odd = (await road.records())[7]
    await road.execute(
        "UPDATE inbound_record SET raw = NULL, state = 'requeued' WHERE number = :number", number=odd["number"]
    )
    await road.settle_requeued()
    assert (await states(road))[3:] == ["quarantined empty_value", "applied"]


async def teach(road, *reasons, version=2):
    """Brings a version of harborline's profile into force that knows `reasons` too; releases what waited for them."""
    known = "".join(f"  - {{code: X{n}, label: {text}, outcome: completes}}\n" for n, text in enumerate(reasons))
    text = (BRANDS / "harborline" / "profile.v1.yaml").read_text()
    text = text.replace("version: 1", f"version: {version}")
    text = text.replace("complete_reasons:\n", f"complete_reasons:\n{known}")
    found = await import_profile(road.database, text, file="x", author="test", reason="test")
    assert found.profiles, found.problems
    await road.gateway.keeper.refresh()


# ------------------------------------------------------------------------------------------------------ deactivation


async def test_visits_of_a_deactivated_user_are_taken_away_each_by_a_record_of_its_own(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await road.receive(
        *(provider("appointment.add", "A-1", id=f"V-{n}", start=START, technician="tom") for n in range(3)),
        provider("appointment.start", appointment="V-0"),
    )
    assert await road.receive(provider("user.deactivate", "tom")) == ["applied"]
    assert await road.is_balanced()

    assert await road.settle_requeued() == 2

    internal = [row for row in await road.records() if row["door"] == "internal"]
    assert [row["state"] for row in internal] == ["applied"] * 2
    visits = await road.rows(appointment)
    assert [row["technician"] is not None for row in visits] == [True, False, False]
    assert [codec.decode(row["state"])["unassigned_by_gateway"] for row in visits] == [False, True, True]
    told = [row["type"] for row in await road.events()]
    assert told.count("appointment.changed") == 2
    assert (await road.events())[-1]["body"]["by"] == {"role": "gateway", "name": "gateway"}
    assert "customer.appointment_changed" not in told
    assert await road.is_balanced()


async def test_a_deactivated_user_can_do_nothing_and_is_not_brought_back_by_a_put(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    ends = await road.receive(
        provider("appointment.add", "A-1", id="V-1", start=START, technician="tom"),
        provider("user.deactivate", "tom"),
        provider("appointment.start", appointment="V-1", user="tom"),
        provider("user.put", "tom", phone="+15550123"),
        provider("appointment.add", "A-1", start=START, technician="tom"),
        provider("user.reactivate", "tom"),
        provider("appointment.start", appointment="V-1", user="tom"),
        provider("user.deactivate", "dee"),
    )
    assert ends == [
        *("applied", "applied", "refused user_deactivated", "applied", "refused user_deactivated"),
        *("applied", "applied", "refused last_dispatcher"),
    ]


async def test_a_job_made_by_another_process_wakes_what_waits_here(staffed_postgres_url):
    async with opened(staffed_postgres_url) as here, joined(here) as there:
        assert await here.receive(provider("offer.accept", "A-1")) == ["parked unknown_reference"]
        assert await there.receive(offer("A-1")) == ["applied", "applied"]
        assert await here.status() == "unscheduled"


async def test_an_event_that_waits_for_a_mapping_is_held_with_everything_behind_it_in_its_lane(road):
    await road.receive(offer("A-1"), provider("offer.decline", "A-1", reason="Moon in Virgo"))
    held = [row for row in await road.rows(delivery) if row["state"] == "held"]
    assert {row["waits_text"] for row in held} == {"Moon in Virgo"}
    assert await road.status() == "declined declined"


async def test_names_of_one_source_wake_nobody_of_another(road):
    """An id is its source's own."""
    await road.receive(provider("offer.accept", None, job="A-1"))
    assert await road.receive(offer("A-1")) == ["applied"]
    assert (await states(road))[0] == "parked unknown_reference"
    assert {
        (row["source"], row["waiting"]) for row in await road.rows(reference, reference.c.external_id == "A-1")
    } == {
        (EVERGREEN, False),
        (LAKESIDE, True),
    }
