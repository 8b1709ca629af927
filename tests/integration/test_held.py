"""What waits for a brand's profile: a standing without a code is held like a reason, counted, and released in order."""

import asyncio
from datetime import timedelta

import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from gateway.doctor import examine
from gateway.finding import Level
from gateway.outbound.kafka import KafkaPublisher
from gateway.outbound.relay import Relay
from gateway.outbound.topics import Cluster
from gateway.settings import Settings
from gateway.store import tables
from gateway.store.columns import to_microseconds
from gateway.store.held import list_held, list_held_jobs
from gateway.store.operations import NewItem, Terms, create_operation
from gateway.store.releasing import PAGE
from tests.inbound import BRANDS, LAKESIDE, START, ago, enterprise, joined, offer, provider
from tests.mapping_versions import harborline
from tests.operations import KIM, Partner
from tests.profiles import bring_in

SCHEDULED = "  - {status: scheduled, code: APPT-SET}\n"
FEED = "feed.harborline"


@pytest.fixture
async def partner(road):
    """A gateway that knows a standing which the version in force does not: it was imported by an earlier one."""
    text = (BRANDS / "harborline" / "profile.v1.yaml").read_text(encoding="utf-8")
    assert SCHEDULED in text
    silent = text.replace(SCHEDULED, "")
    await road.execute("UPDATE profile SET document = :text WHERE brand = 'harborline'", text=silent)
    async with joined(road) as other:
        yield Partner(other)


async def held(road):
    return await road.rows(tables.delivery, tables.delivery.c.state == "held")


async def list_all(road, **only):
    async with road.database.snapshot() as connection:
        return await list_held(connection, **only), await list_held_jobs(connection, **only)


async def test_a_standing_without_a_code_holds_its_job_and_no_other_and_is_released_in_order(partner):
    road = partner.road
    await partner.scheduled("A-1")
    await road.receive(provider("appointment.start", appointment="V-A-1"))
    await partner.accepted("A-2")
    told = await partner.send()
    assert [(one["data"]["job"]["external_id"], one["jobversion"]) for one in told] == [
        *(("A-1", 1), ("A-2", 1)),
        *(("A-1", 2), ("A-2", 2)),
    ]
    [one] = await held(road)
    assert (one["waits_kind"], one["waits_text"]) == ("status", "scheduled / scheduled")
    assert await road.receiver.release_resolved() == 0, "the version in force is silent still"

    found = await bring_in(road, harborline(2))
    assert found.released["harborline"].deliveries == (one["number"],)
    documents = await partner.send()
    assert [(one["jobversion"], one["jobprevious"], one["data"]["code"]) for one in documents] == [
        (3, 2, "APPT-SET"),
        (4, 3, "ON-SITE"),
    ]
    assert [one["data"]["profile_version"] for one in documents] == [2, 1]
    assert await held(road) == []
    assert await road.is_balanced()


async def test_several_standings_of_one_job_are_released_in_the_order_in_which_they_came(partner):
    road = partner.road
    await partner.scheduled("A-1", "A-2")
    await road.receive(
        provider("appointment.change", appointment="V-A-1", duration_seconds=3600),
        provider("appointment.add", "A-1", id="V-2", start=START),
        provider("job.cancel", "A-1", reason="The moon was full"),
    )
    await partner.send()
    assert len(await held(road)) == 5
    await bring_in(road, harborline(2))
    assert [row["waits_kind"] for row in await held(road)] == ["cancel"]
    sent = await partner.send()
    by_job = [one["jobversion"] for one in sent if one["data"]["job"]["external_id"] == "A-1"]
    assert by_job == [3, 4, 5]
    await bring_in(road, harborline(3, cancel="  - {code: MOON, label: The moon was full}\n"))
    assert [(one[0], one[1]) for one in await partner.told()] == [("job.canceled", 6)]
    assert await road.is_balanced()


async def test_what_waited_for_several_values_reaches_its_topic_in_order(road, kafka, topic_prefix):
    """By a real relay and a real broker; what happened in between goes where it happened."""
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    for visit, reason in (("V-1", "Odd"), ("V-2", "Even")):
        await road.receive(
            provider("appointment.add", "A-1", id=visit, start=START),
            provider("appointment.start", appointment=visit),
            provider("appointment.pause", appointment=visit, reason=reason),
            provider("note.add", "A-1", id=f"N-{visit}", text="Dog in the yard", visibility="public"),
        )
    await road.receive(provider("job.cancel", "A-1", reason="The moon was full"))
    assert [row["waits_text"] for row in await held(road)] == ["Odd", "Even", "The moon was full"]
    publisher = KafkaPublisher(Cluster(servers=kafka.servers, partitions=3), topic_prefix=topic_prefix, timeout=10.0)
    try:
        relay = Relay(road.database, publisher, road.gateway.render, ready=road.gateway.know_profiles)
        await drained(relay)
        reasons = ["Even", "Odd"]
        rows = "".join(f"  - {{code: {one.upper()}, label: {one}, outcome: pauses}}\n" for one in reasons)
        await bring_in(road, harborline(2, complete=rows, cancel="  - {code: MOON, label: The moon was full}\n"))
        assert await held(road) == []
        await drained(relay)
    finally:
        await publisher.close()
    emitted = [row["jobversion"] for row in await road.events() if row["jobversion"] is not None]
    told = await read_topic(kafka.servers, f"{topic_prefix}feed.harborline.v1", len(emitted))
    assert [one["jobversion"] for one in told] == emitted == list(range(1, len(emitted) + 1))
    assert [one["data"]["reason"]["code"] for one in told if "reason" in one["data"]] == ["ODD", "EVEN", "MOON"]
    assert await road.is_balanced()


async def drained(relay):
    while await relay.relay_once():
        pass


async def read_topic(servers, topic, count):
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    try:
        await consumer.start()
        async with asyncio.timeout(20):
            return [orjson.loads((await consumer.getone()).value) for _ in range(count)]
    finally:
        await consumer.stop()


async def test_an_activation_releases_a_page_and_the_clock_goes_on_with_the_rest(road):
    jobs = [f"A-{number}" for number in range(PAGE + 20)]
    for some in batched(jobs, 130):
        await road.receive(*map(offer, some), *(provider("offer.decline", job, reason="Odd") for job in some))
    assert len(await held(road)) == len(jobs)
    found = await bring_in(road, harborline(2, decline="  - {code: ODD, label: Odd}\n"))
    released = found.released["harborline"]
    assert len(released.deliveries) == PAGE
    assert released.beyond is not None, "there is more"
    assert await road.clock.mapped() == 20
    assert await held(road) == []
    assert await road.clock.mapped() == 0
    assert await road.is_balanced()


def batched(jobs, size):
    return [jobs[first : first + size] for first in range(0, len(jobs), size)]


async def test_a_version_that_refuses_the_standing_gives_it_up_and_what_follows_bridges_it(partner):
    road = partner.road
    await partner.scheduled("A-1")
    await road.receive(provider("appointment.start", appointment="V-A-1"))
    await partner.send()
    [one] = await held(road)
    refused = "  - {status: scheduled, refuse: not_before_arrival}\n"
    visits = ("scheduled", "paused", "complete", "canceled", "deleted")
    rows = "".join(
        f"  - {{status: scheduled, appointment_status: {visit}, refuse: not_before_arrival}}\n" for visit in visits
    )
    found = await bring_in(road, harborline(2).replace(SCHEDULED, refused + rows))
    assert found.released["harborline"].deliveries == (one["number"],)
    assert await partner.told() == [("appointment.started", 4, 2)]
    [given_up] = await partner.deliveries(state="skipped")
    assert given_up == one["number"]
    assert await road.is_balanced()


async def test_a_snapshot_of_a_job_that_stands_so_waits_too(partner):
    road = partner.road
    await partner.scheduled("A-1")
    item = NewItem("snapshot", (await road.job())["number"], await partner.destination())
    async with road.database.transaction() as connection:
        now = await road.database.now(connection)
        number = await create_operation(connection, "backfill", [item], Terms(), KIM, now)
    await partner.run(number)
    assert [row["waits_text"] for row in await held(road)] == ["scheduled / scheduled", "scheduled"]
    await bring_in(road, harborline(2))
    assert await partner.told() == [
        *(("job.offered", 1, 0), ("job.accepted", 2, 1)),
        *(("appointment.scheduled", 3, 2), ("job.snapshot", 3, None)),
    ]


async def test_what_is_held_is_counted_by_brand_kind_and_value_as_the_ledger_counts_it(road):
    decline = "Moon in Virgo"
    for job in ("A-1", "A-2"):
        await road.receive(offer(job), provider("offer.decline", job, reason=decline))
    for job in ("A-3", "A-4"):
        await road.receive(offer(job), provider("offer.accept", job))
        await road.receive(provider("appointment.add", job, id=f"V-{job}", start=START))
    await road.receive(provider("appointment.complete", appointment="V-A-3", reason="Invoice sent"))
    await road.receive(provider("appointment.pause", appointment="V-A-4", reason="Invoice sent"))
    await road.receive(offer("B-1", brand="maplegrove"), provider("offer.decline", "B-1", reason=decline))
    values, jobs = await list_all(road)
    counted = {(one.brand, one.kind, one.value): (one.deliveries, one.records, one.jobs) for one in values}
    assert counted[("harborline", "decline", decline)] == (2, 0, 2)
    assert counted[("harborline", "complete", "Invoice sent")] == (1, 1, 2)
    ledger = await road.ledger()
    assert (
        sum(one.deliveries for one in values) == sum(one.deliveries for one in jobs) == ledger.outbound.states["held"]
    )
    assert sum(one.records for one in values) == sum(one.records for one in jobs) == ledger.inbound.states["unmapped"]
    waits = {(one.kind, one.value): (one.destinations, one.senders) for one in values if one.brand == "harborline"}
    assert waits[("decline", decline)] == ((FEED,), ())
    assert waits[("complete", "Invoice sent")] == ((FEED,), (LAKESIDE,))
    assert await list_all(road, brand="maplegrove") == (
        [one for one in values if one.brand == "maplegrove"],
        [one for one in jobs if one.brand == "maplegrove"],
    )
    assert await list_all(road, brand="nobody") == ([], [])


async def test_what_has_been_missed_longest_comes_first(road):
    for job, reason in (("A-1", "Odd"), ("A-2", "Even"), ("A-3", "Odd")):
        await road.receive(offer(job), provider("offer.decline", job, reason=reason))
    [first, even, third] = await held(road)
    await aged(road, even["number"], days=3)
    await aged(road, third["number"], days=2)
    values, jobs = await list_all(road)
    assert [one.value for one in values] == ["Even", "Odd"]
    assert [one.job for one in jobs] == [even["lane"], third["lane"], first["lane"]]
    assert timedelta(days=2) <= ago() - values[1].since < timedelta(days=2, minutes=5)
    assert [one.value for one in (await list_all(road, limit=1))[0]] == ["Even"]


async def test_the_doctor_names_brands_whose_mappings_have_been_missed_for_a_day_and_no_text(road, staffed_url):
    settings = Settings(database_url=staffed_url, kafka_servers="off", topic_prefix="t.")
    private = "Ms. Berg's dog bit me"
    await road.receive(offer("A-1"), provider("offer.decline", "A-1", reason=private))

    async def found():
        findings = await examine(settings)
        assert private not in str(findings)
        return next(one for one in findings if one.subject == "mappings")

    assert (await found()).level is Level.OK
    [one] = await held(road)
    await aged(road, one["number"], days=2)
    finding = await found()
    assert finding.level is Level.WARNING
    assert "harborline (1 values" in finding.found
    assert "gateway brands held" in finding.remedy


async def test_the_text_of_a_note_that_waits_behind_is_in_no_row(road):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    await road.receive(provider("appointment.add", "A-1", id="V-1", start=START))
    await road.receive(
        provider("appointment.complete", appointment="V-1", reason="Invoice sent"),
        provider("note.add", "A-1", id="N-1", text="Gate code 4711", visibility="private"),
        enterprise("note.add", "A-1", id="N-2", text="Dog in the yard"),
    )
    told = orjson.dumps(await list_all(road), default=str).decode()
    assert "Invoice sent" in told
    assert not any(text in told for text in ("4711", "Dog", "Bo Berg", "15550100"))


async def aged(road, number, **span):
    moment = ago(**span)
    value = to_microseconds(moment) if road.database.is_sqlite else moment
    await road.execute("UPDATE delivery SET created_at = :moment WHERE number = :number", moment=value, number=number)
