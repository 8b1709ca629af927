"""What became of an account's records, in the queue that it polls: of those that came by Connect, or as it has chosen."""

import orjson
import pytest

from gateway.core.values import replace
from gateway.keys import Wanted, create_key
from gateway.mapping.problems import Level
from gateway.sealing import Sealer
from gateway.store import tables
from gateway.store.accounts import load_accounts, save_account
from gateway.store.deliveries import Operator
from gateway.store.keys import CallerKind, find_by_public_key
from tests.edge import acknowledge, bearer, envelope, job_offer, poll, post_in, put_in, serving
from tests.importing import import_profile
from tests.inbound import BRANDS, LAKESIDE, PREFIX, START, Message, enterprise, provider
from tests.keys import SEALING_KEY, make_key

IRONPEAK = "ironpeak-appliances"
DOOR = f"{PREFIX}offers.{IRONPEAK}.v1"
ACKS, TOPIC = f"acks.{IRONPEAK}", f"receipts.{IRONPEAK}"


@pytest.fixture
async def key(road):
    key = await make_key(road.database, account=IRONPEAK)
    await road.gateway.keeper.refresh()
    return key


def connect(record_type, **record):
    return Message(DOOR, orjson.dumps(envelope(record_type, **record)))


def offered(number="A-1", **more):
    return Message(DOOR, orjson.dumps(job_offer(number, **more)))


def own(number, brand="ironpeak"):
    """An offer in the gateway's own form."""
    content = {"organization": {"handle": LAKESIDE}, "title": "No heat", "customer": {"name": "Bo Berg"}}
    return enterprise("offer.submit", number, source=IRONPEAK, brand=brand, **content)


def bad(number):
    """The same, and it is refused."""
    return own(number, brand="nobody")


async def owed(road):
    """Outcomes of the receipts that wait, by destination; each record's in their order."""
    names = {row["number"]: row["name"] for row in await road.rows(tables.destination)}
    events = {row["number"]: orjson.loads(row["body"]) for row in await road.rows(tables.event)}
    told = {}
    rows = await road.rows(tables.delivery, tables.delivery.c.lane < 0)
    for row in sorted(rows, key=lambda row: (-row["lane"], row["position"])):
        told.setdefault(names[row["destination"]], []).append(events[row["event"]]["outcome"])
    return told


async def choose(road, **settings):
    async with road.database.transaction() as connection:
        [mine] = [one for one in await load_accounts(connection) if one.name == IRONPEAK]
        await save_account(connection, replace(mine, **settings))
    await road.gateway.keeper.refresh()


async def acks(client, key):
    """What the account is told of its records by polling until nothing is left, in the order of the records."""
    found = {}
    while messages := await poll(client, key):
        for message in messages:
            put = put_in(message)
            if "ack" in put:
                found[message["ID"]] = put["ack"]
            assert await acknowledge(client, key, message) == "settled"
    return [found[event] for event in sorted(found, key=lambda event: int(event[4:-2]))]


async def test_an_account_is_told_in_connects_words_what_became_of_each_record(road, key):
    async with serving(road) as client:
        for body in (
            [job_offer("A-1"), {"not": "an envelope"}],
            [job_offer("A-1", symptom="drips")],
            [job_offer("A-1", symptom="drips")],
            [envelope("job", external_id="A-1", status="canceled", status_message="Duplicate claim")],
            [envelope("job", external_id="A-1", status="sideways")],
        ):
            await post_in(client, key, body)
        told = await acks(client, key)
    assert [one["ack_message"] for one in told] == [
        "Created offer",
        "Quarantined record: missing type, specversion, neither CloudEvents nor Connect",
        "Updated job",
        "Ignored job: repeat",
        "Canceled offer",
        "Quarantined job: bad value, record.status",
    ]
    created, refused = told[0]["data"], told[-1]["data"]
    assert (created["job"]["external_id"], created["job"]["title"]) == ("A-1", "No heat")
    assert (created["customer"]["first_name"], created["status"]) == ("Bo", "canceled")
    assert (refused["reason"], refused["field"], refused["outcome"]) == ("bad_value", "record.status", "quarantined")
    assert await road.is_balanced()


async def test_records_that_did_not_come_by_connect_are_answered_as_before(road, key):
    await road.receive(own("A-1"), bad("A-2"))
    async with serving(road) as client:
        body = {"job": "A-3", "brand": "nobody", "title": "No heat", "customer": {"name": "Bo"}}
        await client.post("/v1/offers", json=body, headers=bearer(key))
        assert await acks(client, key) == []
    assert await owed(road) == {TOPIC: ["refused", "refused"]}


async def test_an_account_without_a_key_is_told_problems_on_its_topic_whatever_it_speaks(road):
    await road.receive(offered("A-1"), connect("job", external_id="A-1", status="sideways"), bad("A-2"))
    assert await owed(road) == {TOPIC: ["quarantined", "refused"]}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {ACKS: ["applied", "quarantined"], TOPIC: ["refused"]}),
        ({"receipts": "all"}, {ACKS: ["applied", "quarantined"], TOPIC: ["applied", "refused"]}),
        ({"receipts": "problems"}, {ACKS: ["quarantined"], TOPIC: ["refused"]}),
        ({"receipts": "none"}, {}),
        ({"receipts_to": "topic"}, {TOPIC: ["quarantined", "refused"]}),
        ({"receipts_to": "poll"}, {ACKS: ["applied", "quarantined", "applied", "refused"]}),
        ({"receipts_to": "poll", "receipts": "problems"}, {ACKS: ["quarantined", "refused"]}),
    ],
    ids=str,
)
async def test_an_account_chooses_of_which_records_it_is_told_and_where(road, key, settings, told):
    await choose(road, **settings)
    await road.receive(offered("A-1"), connect("job", external_id="A-1", status="sideways"), own("A-2"), bad("A-3"))
    assert await owed(road) == told


async def import_next(road, brand, *changes):
    """The brand's next version, changed in places; returns what was found about it."""
    text = (BRANDS / brand / "profile.v1.yaml").read_text(encoding="utf-8")
    for before, after in (("version: 1\n", "version: 2\n"), *changes):
        assert before in text
        text = text.replace(before, after, 1)
    found = await import_profile(road.database, text, file="profile.yaml", author="ops", reason="test")
    await road.gateway.keeper.refresh()
    return [(problem.member, problem.what) for problem in found.problems if problem.level is Level.ERROR]


def saying(settings):
    return "status_codes:\n", f"receipts: {settings}\n\nstatus_codes:\n"


async def test_the_choice_is_made_in_a_brands_profile(road, key):
    assert await import_next(road, "ironpeak", saying("{to: poll, records: problems}")) == []
    await road.receive(offered("A-1"), bad("A-2"))
    assert await owed(road) == {ACKS: ["refused"]}


async def test_no_two_brands_of_an_account_choose_differently(road):
    assert await import_next(road, "harborline", saying("{to: poll}")) == []
    assert await import_next(road, "maplegrove", saying("{to: topic}")) == [
        ("receipts", "harborline, of the same account, says otherwise")
    ]
    assert await import_next(road, "maplegrove", saying("{to: poll}")) == []


async def test_a_key_of_one_brand_gets_that_brands_feed_and_nothing_of_the_records_of_others(road, key):
    wanted = Wanted(kind=CallerKind.ACCOUNT, owner=IRONPEAK, brand="ironpeak", transformation="other")
    issued = await create_key(road.database, Sealer([SEALING_KEY]), wanted, Operator(author="test", reason="test"))
    await road.receive(offered("A-1"))
    async with road.database.transaction() as connection:
        callers = {
            public: (await find_by_public_key(connection, public))[0].caller for public in (key["key"], issued.key)
        }
    names = {public: {one.name for one in road.gateway.owed_to(caller)} for public, caller in callers.items()}
    assert (ACKS in names[key["key"]], ACKS in names[issued.key]) == (True, False)


async def test_an_account_whose_keys_are_of_one_brand_each_has_no_such_queue(road):
    wanted = Wanted(kind=CallerKind.ACCOUNT, owner=IRONPEAK, brand="ironpeak")
    await create_key(road.database, Sealer([SEALING_KEY]), wanted, Operator(author="test", reason="test"))
    assert await road.rows(tables.destination, tables.destination.c.name == ACKS) == []


async def test_of_a_record_that_was_held_the_last_word_is_told_last(road, key):
    await road.receive(own("A-1"))
    await road.receive(provider("offer.accept", await road.job_id()))
    await road.receive(provider("appointment.add", await road.job_id(), id="V-1", start=START))
    [visit] = await road.rows(tables.appointment)
    done = connect("appointment", id=visit["number"], status="complete", status_message="Unheard of")
    assert await road.receive(done) == ["unmapped unmapped_reason"]
    reasons = "complete_reasons:\n"
    added = f"{reasons}  - {{code: UNH, label: Unheard of, outcome: pauses}}\n"
    assert await import_next(road, "ironpeak", (reasons, added)) == []
    await road.settle_requeued()
    async with serving(road) as client:
        told = await acks(client, key)
    assert [one["ack_message"] for one in told] == ["Unmapped appointment: unmapped reason", "Completed appointment"]
    [record] = await road.records(tables.inbound_record.c.type == "appointment")
    assert record["receipts"] == 2
    rows = await road.rows(tables.delivery, tables.delivery.c.lane == -record["number"])
    assert [row["position"] for row in rows] == [0, 1]
