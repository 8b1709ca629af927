"""A job is told whole, as it stands, where an old happening would be shown as the present."""

import orjson
import pytest

from gateway.outbound.outcome import Fault, Rejected
from gateway.store import tables
from gateway.store.operations import NewItem, Terms, create_operation
from tests.inbound import LAKESIDE, START, offer, provider
from tests.keys import make_key
from tests.operations import FEED, KIM, Partner

SECRET = "Gate code 4711"


@pytest.fixture
async def partner(road):
    return Partner(road)


def rejecting(*versions):
    return lambda one: Rejected(Fault.REFUSED) if one.delivery.event.jobversion in versions else None


async def tell(partner, *told):
    """The number of an operation that tells (job, destination) whole, as a reconciliation plans it."""
    items = [NewItem("snapshot", job, destination) for job, destination in told]
    async with partner.database.transaction() as connection:
        now = await partner.database.now(connection)
        return await create_operation(connection, "backfill", items, Terms(), KIM, now)


async def job_of(partner, name="A-1"):
    return (await partner.road.job(name))["number"]


async def test_a_snapshot_has_the_present_state_and_the_present_version(partner):
    await partner.scheduled("A-1")
    await partner.send()
    before = await partner.road.job()
    report = await partner.run(await tell(partner, (await job_of(partner), await partner.destination())))
    assert (report["done"], report["refused"]) == (1, {})

    [document] = await partner.send()
    assert (document["type"], document["jobversion"]) == ("job.snapshot.v1", 3)
    assert "jobprevious" not in document
    assert document["data"]["status"] == "scheduled"
    assert document["data"]["details"]["title"] == "No heat"
    assert [one["status"] for one in document["data"]["appointments"]] == ["scheduled"]
    assert document["data"]["profile_version"] == 1
    after = await partner.road.job()
    assert after["updated_at"] == before["updated_at"], "nothing was decided about it"
    assert await partner.road.is_balanced()


async def test_what_comes_after_a_snapshot_follows_on_its_version(partner):
    await partner.accepted("A-1")
    partner.publisher.answers = [rejecting(2)]
    await partner.settings(strict=False)
    assert await partner.told() == [("job.offered", 1, 0)]
    partner.publisher.answers = []
    await partner.run(await tell(partner, (await job_of(partner), await partner.destination())))
    await partner.road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    assert await partner.told() == [("job.snapshot", 2, None), ("appointment.scheduled", 3, 2)]
    assert await partner.road.is_balanced()


async def test_one_jobs_snapshot_bridges_nothing_of_another(partner):
    await partner.accepted("A-1", "A-2")
    partner.publisher.answers = [rejecting(2)]
    await partner.settings(strict=False)
    await partner.send()
    partner.publisher.answers = []
    await partner.run(await tell(partner, (await job_of(partner), await partner.destination())))
    together = [provider("appointment.add", job, id=f"V-{job}", start=START) for job in ("A-1", "A-2")]
    assert await partner.road.receive(*together) == ["applied"] * 2
    told = await partner.told()
    assert sorted(told[-2:]) == [("appointment.scheduled", 3, 1), ("appointment.scheduled", 3, 2)]


async def test_a_skipped_snapshot_is_bridged_to_what_was_sent_before_it(partner):
    await partner.accepted("A-1")
    partner.publisher.answers = [rejecting(2)]
    await partner.settings(strict=False)
    await partner.send()
    partner.publisher.answers = []
    await partner.run(await tell(partner, (await job_of(partner), await partner.destination())))
    [made] = await partner.deliveries(state="pending")
    await partner.run(await partner.preview("skip", numbers=(made,)))
    await partner.road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    assert await partner.told() == [("appointment.scheduled", 3, 1)]


async def test_what_is_skipped_before_a_snapshot_changes_nothing_behind_it(partner):
    await partner.accepted("A-1")
    partner.publisher.answers = [rejecting(2)]
    await partner.send()
    partner.publisher.answers = []
    await partner.run(await tell(partner, (await job_of(partner), await partner.destination())))
    [dead] = await partner.deliveries(state="dead")
    await partner.run(await partner.preview("skip", numbers=(dead,)))
    await partner.road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    assert await partner.told() == [("job.snapshot", 2, None), ("appointment.scheduled", 3, 2)]


async def test_no_private_note_is_in_a_snapshot(partner):
    await partner.accepted("A-1")
    await partner.road.receive(provider("note.add", "A-1", id="N-1", text=SECRET, visibility="private"))
    await partner.run(await tell(partner, (await job_of(partner), await partner.destination())))
    documents = await partner.send()
    assert documents[-1]["type"] == "job.snapshot.v1"
    assert SECRET.encode() not in orjson.dumps(documents)
    rows = await partner.road.rows(tables.event, tables.event.c.type == "job.snapshot")
    assert all(SECRET not in row["body"] for row in rows)


async def test_a_snapshot_is_told_in_the_words_of_the_profile_in_force_and_waits_for_a_mapping(partner):
    await partner.accepted("A-1")
    await partner.road.receive(provider("job.cancel", "A-1", reason="The moon was full"))
    state = await partner.road.status()
    await partner.run(await tell(partner, (await job_of(partner), await partner.destination())))
    *_, made = await partner.road.rows(tables.delivery, tables.delivery.c.operation.is_not(None))
    assert (state, made["state"], made["waits_text"]) == ("complete canceled", "held", "The moon was full")


async def test_a_snapshot_goes_to_those_whose_job_it_is(partner):
    road = partner.road
    await partner.accepted("A-1")
    job, feed = await job_of(partner), await partner.destination()
    others = {row["name"]: row["number"] for row in await road.rows(tables.destination)}
    number = await tell(
        partner,
        (job, feed),
        (10**9, feed),
        (job, 10**9),
        (job, others["feed.maplegrove"]),
        (job, others["notifications"]),
    )
    await partner.run(number)
    assert [verdict for *_, verdict in await partner.items(number)] == [
        "done",
        "unknown_job",
        "unknown_destination",
        "not_its_job",
        "not_its_job",
    ]
    assert await road.is_balanced()


async def test_a_provider_is_told_of_its_work_and_nothing_of_closed_offers(partner):
    road = partner.road
    await road.receive(offer("A-2"), provider("offer.decline", "A-2", reason="D-AREA"))
    await partner.accepted("A-1")
    await make_key(road.database, organization=LAKESIDE)
    work = [row for row in await road.rows(tables.destination) if row["audience"] == "provider"]
    number = await tell(
        partner, (await job_of(partner), work[0]["number"]), (await job_of(partner, "A-2"), work[0]["number"])
    )
    await partner.run(number)
    assert [verdict for *_, verdict in await partner.items(number)] == ["done", "not_wanted"]


async def test_a_job_that_nobody_was_told_of_takes_its_first_version(partner):
    road = partner.road
    await partner.accepted("A-1")
    job, feed = await job_of(partner), await partner.destination()
    row = await road.job()
    state = orjson.loads(row["state"]) | {"jobversion": 0, "last_sent": {}}
    await road.execute("UPDATE job SET state = :state", state=orjson.dumps(state).decode())
    await road.execute("UPDATE lane SET due_at = NULL")
    await partner.run(await tell(partner, (job, feed)))
    [event] = await road.rows(tables.event, tables.event.c.type == "job.snapshot")
    assert event["jobversion"] == 1
    assert orjson.loads((await road.job())["state"])["last_sent"] == {str(feed): 1}


async def test_reopening_on_a_relaxed_destination_is_planned_as_one_snapshot_of_each_job(partner):
    await partner.scheduled("A-1", "A-2")
    await partner.settings(strict=False)
    partner.publisher.answers = [rejecting(1, 2)]
    await partner.send()
    partner.publisher.answers = []
    number = await partner.preview("reopen", destination=FEED)
    preview = (await partner.find(number)).preview
    assert (preview["selected"], preview["items"], preview["back_in_time"]["jobs"]) == (4, 2, 2)
    await partner.run(number)
    assert sorted(await partner.told()) == [("job.snapshot", 3, None)] * 2
    assert await partner.road.is_balanced()
