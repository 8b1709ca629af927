"""Custom payloads: a brand's own JSON, signed by a key that names a transformation, read by that brand's profile."""

import json

import pytest

from gateway.store.deliveries import Operator
from gateway.store.releasing import requeue
from tests.edge import envelope, post_in
from tests.importing import import_profile
from tests.inbound import BRANDS, EVERGREEN, LAKESIDE, Message
from tests.keys import make_key

IRONPEAK = "ironpeak-appliances"
EXAMPLES = BRANDS / "ironpeak" / "custom"


@pytest.fixture
async def ironpeak(road):
    return await make_key(road.database, account=IRONPEAK, transformation="ax")


def example(name):
    return json.loads((EXAMPLES / f"{name}.json").read_text())


async def sent(client, key, record_type, body, **headers):
    named = {"RecordType": record_type} if record_type is not None else {}
    answer = await post_in(client, key, body, **named, **headers)
    assert answer.status_code == 200, answer.text
    return [one["outcome"] + (f" {one['reason']}" if "reason" in one else "") for one in answer.json()["records"]]


async def test_what_a_brand_posts_in_its_own_words_becomes_offers_notes_and_withdrawals(road, client, ironpeak):
    assert await sent(client, ironpeak, "workorder", example("workorder.new")) == ["applied"]
    job = await road.job("SO-20441")
    assert (job["status"], job["brand"]) == ("offered", "ironpeak")
    assert (await road.events())[0]["body"]["details"]["service_type"] == "refrigerator"
    messages = [example("message.note"), example("message.chase")]
    assert await sent(client, ironpeak, "message", messages) == ["applied", "applied"]
    assert await sent(client, ironpeak, "cancellation", example("cancellation.by_the_customer")) == ["applied"]
    assert await road.status("SO-20441") == "declined withdrawn"
    assert await road.told() == ["job.offered", "note.published", "reminder.sent", "job.declined"]
    assert await road.is_balanced()


async def test_an_array_is_a_batch_of_records_each_with_an_outcome_of_its_own(road, client, ironpeak):
    orders = [example("workorder.new"), {"workOrder": 5}, "nothing", example("workorder.without_an_address")]
    ends = await sent(client, ironpeak, "workorder", orders)
    assert ends[0] == ends[3] == "applied"
    assert [end.partition(" ")[0] for end in ends[1:3]] == ["quarantined", "quarantined"]
    assert ends[2] == "quarantined not_an_object"
    assert len(await road.jobs()) == 2
    assert await sent(client, ironpeak, "workorder", []) == []
    assert await road.is_balanced()


async def test_a_record_is_told_by_the_id_in_it_else_by_its_requests(road, client, ironpeak):
    new = example("workorder.new")
    assert await sent(client, ironpeak, "workorder", new, MessageId="t-1") == ["applied"]
    assert await sent(client, ironpeak, "workorder", new, MessageId="t-2") == ["ignored repeat"]
    note = example("message.note") | {"messageId": None}
    assert await sent(client, ironpeak, "message", [note], MessageId="t-3") == ["applied"]
    assert await sent(client, ironpeak, "message", [note], MessageId="t-3") == ["ignored repeat"]
    assert {row["message_id"] for row in await road.records()} >= {"WO-SO-20441-1", "t-3#0"}


@pytest.mark.parametrize("record_type", ["invoice", "WorkOrder", "", None, "x" * 300])
async def test_a_record_type_that_the_profile_does_not_know_keeps_every_record_for_a_person(
    road, client, ironpeak, record_type
):
    answer = await post_in(
        client, ironpeak, [{}, {}], **({"RecordType": record_type} if record_type is not None else {})
    )
    assert answer.status_code == 200
    told = answer.json()["records"]
    assert [(one["outcome"], one["reason"], one["field"]) for one in told] == [
        ("quarantined", "unknown_record_type", "headers.RecordType")
    ] * 2
    assert await road.is_balanced()


async def test_header_names_are_read_whatever_their_case(client, ironpeak):
    assert await sent(client, ironpeak, None, example("workorder.new"), recordtype="workorder") == ["applied"]


@pytest.mark.parametrize(
    "owner",
    [
        {"account": IRONPEAK, "transformation": "dynamics"},
        {"organization": LAKESIDE, "transformation": "ax"},
        {"account": EVERGREEN, "transformation": "ax"},
    ],
)
async def test_a_transformation_that_no_profile_of_the_caller_knows_ends_the_request(road, client, owner):
    key = await make_key(road.database, **owner)
    before = len(await road.records())
    answer = await post_in(client, key, [{}], RecordType="workorder")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_transformation")
    assert len(await road.records()) == before


async def test_what_was_kept_is_read_again_by_its_record_type_once_the_profile_knows_it(road, client, ironpeak):
    body = {"workOrder": {"id": "SO-9", "revision": 1, "vendorAccount": LAKESIDE}, "customer": {"name": "Bo"}}
    await sent(client, ironpeak, "order", body)
    kept = (await road.records())[-1]
    assert (kept["state"], kept["reason"]) == ("quarantined", "unknown_record_type")
    text = (BRANDS / "ironpeak" / "profile.v1.yaml").read_text()
    text = text.replace("version: 1\n", "version: 2\n").replace("    workorder:", "    order:")
    found = await import_profile(road.database, text, file="v2", author="test", reason="test")
    assert found.profiles, found.problems
    await road.gateway.keeper.refresh()
    async with road.database.transaction() as connection:
        operator = Operator(author="test", reason="test")
        await requeue(connection, [kept["number"]], operator, await road.database.now(connection))
    assert await road.settle_requeued() == 1
    assert (await road.job("SO-9"))["brand"] == "ironpeak"


async def test_headers_of_a_topic_do_not_choose_a_brand(road):
    """What the endpoint notes beside a record counts at its own door only."""
    [end] = await road.receive(
        Message("t.offers.v1", b"{}", (("gateway_brand", b"ironpeak"), ("gateway_record_type", b"workorder")))
    )
    assert end == "quarantined missing_type"


async def test_a_canonical_key_of_the_same_account_speaks_connect(road, client):
    key = await make_key(road.database, account=IRONPEAK)
    record = {"external_id": "C-1", "status": "offered", "organization": {"name": "Lakeside"}}
    offer = envelope("job", **record, customer={"first_name": "Bo"})
    answer = await post_in(client, key, [offer], RecordType="job")
    assert [one["outcome"] for one in answer.json()["records"]] == ["applied"]
