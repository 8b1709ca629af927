"""What a brand says it has applied: by its topic, by HTTP, in the answer to a delivery; the newest version stands."""

import orjson
import pytest
from sqlalchemy import select

from gateway.store.applied import Stands, save_answered
from gateway.store.tables import inbound_record
from gateway.store.tables_control import applied_version
from tests.edge import bearer
from tests.inbound import EVERGREEN, LAKESIDE, PREFIX, START, Message, cloud_event, offer, opened, provider
from tests.keys import make_key
from tests.mapping_versions import harborline
from tests.profiles import bring_in, with_destination

TOPIC = f"{PREFIX}applied.harborline.v1"


@pytest.fixture
async def road(staffed_url):
    """Harborline confirms on a topic of its own."""
    async with opened(staffed_url) as road:
        await bring_in(road, with_destination(harborline(2), "confirms: {by: topic, within: 60}"))
        yield road


async def three_versions(road, name="A-1", brand="harborline"):
    """A job of three versions; returns its number."""
    ends = await road.receive(
        offer(name, brand=brand),
        provider("offer.accept", name),
        provider("appointment.add", name, id=f"V-{name}", start=START),
    )
    assert ends == ["applied"] * 3
    return (await road.job(name))["number"]


async def stands(road):
    """What is noted: by brand and job the version, and how it was told."""
    async with road.database.transaction() as connection:
        rows = (await connection.execute(select(applied_version))).mappings().all()
    return {(row["brand"], row["job"]): (row["version"], row["confirmed_by"]) for row in rows}


def plainly(**content):
    return Message(TOPIC, orjson.dumps(content))


async def post(client, key, *receipts):
    said = [{"job": name, "version": version} for name, version in receipts]
    answer = await client.post("/v1/feed/receipts", json={"receipts": said}, headers=bearer(key))
    assert answer.status_code == 200, answer.text
    told = answer.json()["receipts"]
    assert [(one["job"], one["version"]) for one in told] == list(receipts)
    return [one.get("reason", one["outcome"]) for one in told]


async def test_a_version_is_noted_from_the_brands_topic_with_an_envelope_or_without(road):
    first, second = await three_versions(road), await three_versions(road, "A-2")
    ends = await road.receive(
        plainly(job="A-1", version=2),
        cloud_event(TOPIC, "feed.applied", f"job-{second}", "whoever", version=3),
    )
    assert ends == ["applied", "applied"]
    assert await stands(road) == {("harborline", first): (2, "topic"), ("harborline", second): (3, "topic")}
    assert await road.is_balanced()
    assert {row["source"] for row in await road.records() if row["door"] == TOPIC} == {EVERGREEN}


async def test_of_several_words_about_a_job_the_newest_version_stands_in_whatever_order_they_come(road):
    number = await three_versions(road)
    await road.receive(plainly(job="A-1", version=1), plainly(job="A-1", version=3), plainly(job="A-1", version=2))
    assert await stands(road) == {("harborline", number): (3, "topic")}
    assert await road.receive(plainly(job="A-1", version=2)) == ["applied"]
    assert await stands(road) == {("harborline", number): (3, "topic")}


async def test_what_a_brand_cannot_have_applied_is_refused_on_its_topic(road):
    await three_versions(road)
    await three_versions(road, "B-1", brand="maplegrove")
    ends = await road.receive(
        plainly(job="A-1", version=4),
        plainly(job="B-1", version=1),
        plainly(job="nobody-knows", version=1),
        plainly(job="job-99", version=1),
        plainly(job="A-1", version=0),
        plainly(job="A-1"),
        plainly(version=1),
        Message(TOPIC, offer("A-9").value),
    )
    assert ends == [
        "refused unknown_jobversion",
        "refused not_your_job",
        "refused not_your_job",
        "refused not_your_job",
        "quarantined number_out_of_range",
        "quarantined missing_member",
        "quarantined missing_type",
        "refused not_allowed",
    ]
    assert await stands(road) == {}
    assert await road.is_balanced()


async def test_a_confirmation_that_was_refused_is_judged_anew_for_the_same_brand_when_it_is_requeued(road):
    number = await three_versions(road)
    await road.receive(plainly(job="A-1", version=4), plainly(job="A-2", version=1))
    await three_versions(road, "A-2", brand="maplegrove")
    await road.receive(provider("appointment.start", appointment="V-A-1"))
    await road.execute("UPDATE inbound_record SET state = 'requeued' WHERE state = 'refused'")
    await road.settle_requeued()
    ends = [(row["state"], row["reason"]) for row in await road.records(inbound_record.c.door == TOPIC)]
    assert ends == [("applied", None), ("refused", "not_your_job")]
    assert await stands(road) == {("harborline", number): (4, "topic")}


async def test_only_a_profile_that_confirms_by_topic_has_one(road, staffed_url):
    assert "applied.harborline.v1" in road.gateway.keeper.own_topics
    assert "applied.maplegrove.v1" not in road.gateway.keeper.own_topics


async def test_receipts_by_http_are_judged_one_by_one_in_their_order(road, client, evergreen):
    number = await three_versions(road)
    await three_versions(road, "B-1", brand="maplegrove")
    said = (("A-1", 2), (f"job-{number}", 3), ("A-1", 4), ("B-1", 1), ("A-7", 1), ("job-99", 1), ("A-1", 2**62))
    assert await post(client, evergreen, *said) == [
        "applied",
        "applied",
        "unknown_jobversion",
        "applied",
        "not_your_job",
        "not_your_job",
        "unknown_jobversion",
    ]
    other = (await road.job("B-1"))["number"]
    assert await stands(road) == {("harborline", number): (3, "feed"), ("maplegrove", other): (1, "feed")}
    assert await post(client, evergreen) == []


async def test_an_older_receipt_by_http_changes_nothing(road, client, evergreen):
    number = await three_versions(road)
    assert await post(client, evergreen, ("A-1", 3)) == ["applied"]
    before = await road.rows(applied_version)
    assert await post(client, evergreen, ("A-1", 2)) == ["applied"]
    assert await road.rows(applied_version) == before
    assert (await stands(road))["harborline", number] == (3, "feed")


async def test_a_key_confirms_for_its_own_alone(road, client):
    await three_versions(road)
    maplegrove = await make_key(road.database, account=EVERGREEN, brand="maplegrove", transformation="board")
    rival = await make_key(road.database, account="ironpeak-appliances")
    tests = await make_key(road.database, account=EVERGREEN, sandbox=True)
    number = (await road.job())["number"]
    for key in (maplegrove, rival, tests):
        assert await post(client, key, (f"job-{number}", 1), ("A-1", 1)) == ["not_your_job"] * 2
    assert await stands(road) == {}


@pytest.mark.parametrize(
    ("owner", "status", "code"),
    [
        ({"organization": LAKESIDE}, 403, "not_allowed"),
        ({"operator": "ops"}, 403, "not_for_operators"),
        ({"account": EVERGREEN, "scopes": ("read",)}, 403, "scope_missing"),
    ],
    ids=["organization", "operator", "without-scope"],
)
async def test_whoever_may_not_confirm_is_told_so(road, client, owner, status, code):
    key = await make_key(road.database, **owner)
    answer = await client.post("/v1/feed/receipts", json={"receipts": []}, headers=bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ([], "wrong_type", "receipts"),
        ({"receipts": {}}, "wrong_type", "receipts"),
        ({"receipts": [{"job": "A-1", "version": 1}, "A-1"]}, "wrong_type", "receipts[1]"),
        ({"receipts": [{"job": 7, "version": 1}]}, "bad_value", "receipts[0].job"),
        ({"receipts": [{"job": "A\x00", "version": 1}]}, "bad_value", "receipts[0].job"),
        ({"receipts": [{"job": "A-1", "version": True}]}, "bad_value", "receipts[0].version"),
        ({"receipts": [{"job": "A-1", "version": 2**70}]}, "bad_value", "receipts[0].version"),
        ({"receipts": [{"job": "A-1", "version": 0}]}, "bad_value", "receipts[0].version"),
        ({"receipts": [{"job": "A-1", "version": 1, "at": 2}]}, "unknown_member", "receipts[0]"),
        ({"receipts": [{"job": "A-1", "version": 1}] * 1_001}, "too_many", "receipts"),
    ],
    ids=["list", "object", "text", "number", "nul", "bool", "huge", "zero", "more", "too-many"],
)
async def test_what_is_no_receipt_ends_the_request_and_nothing_is_noted(road, client, evergreen, body, code, field):
    await three_versions(road)
    answer = await client.post("/v1/feed/receipts", json=body, headers=bearer(evergreen))
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, code, field)
    assert await stands(road) == {}


async def test_a_thousand_receipts_cost_as_many_statements_as_two(road, client, evergreen):
    await three_versions(road)
    await post(client, evergreen, ("A-1", 1))
    costs = []
    for said in ([("A-1", 2), ("A-2", 1)], [("A-1", 3), *((f"X-{n}", 1) for n in range(999))]):
        async with road.counted() as statements:
            await post(client, evergreen, *said)
        costs.append(len(statements))
    assert costs[0] == costs[1]


async def test_an_answer_confirms_what_is_its_brands_and_there(road):
    number, other = await three_versions(road), await three_versions(road, "B-1", brand="maplegrove")
    answers = [
        Stands("harborline", number, 2),
        Stands("harborline", number, 1),
        Stands("harborline", other, 1),
        Stands("maplegrove", other, 4),
        Stands("harborline", 99, 1),
    ]
    async with road.database.transaction() as connection:
        await save_answered(connection, answers, await road.database.now(connection))
    assert await stands(road) == {("harborline", number): (2, "answer")}
    async with road.database.transaction() as connection, road.counted() as statements:
        await save_answered(connection, [], await road.database.now(connection))
    assert not [one for one in statements if "applied_version" in str(one)]
