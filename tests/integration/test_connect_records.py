"""What Connect's clients send, as loosely as they send it: by HTTP, from the signed bytes to the job."""

import gzip
import hashlib
import hmac
import zlib

import orjson
import pytest

from gateway.store import codec, tables
from tests.edge import envelope, post_in
from tests.inbound import EVERGREEN, LAKESIDE, offer, provider
from tests.keys import make_key

IRONPEAK = "ironpeak-appliances"
TIME = "2027-01-05T15:00:00.000Z"
CUSTOMER = {"external_id": "CU-1", "first_name": "Bo", "phone_numbers": [{"number": "(218)555-0100", "primary": 1}]}


@pytest.fixture
async def ironpeak(road):
    """An account of one brand."""
    return await make_key(road.database, account=IRONPEAK)


def work(number, **more):
    """A job of an account, for an organization given in full unless another one is named."""
    named = {"organization_id", "external_organization_id", "organization"} & more.keys()
    organization = {} if named else {"organization": {"name": "Lakeside", "phone_number": "218-555-0199"}}
    told = {"external_id": number, "status": "offered", "title": "No heat", "customer": CUSTOMER}
    return envelope("job", **(told | organization | more))


async def outcomes(client, key, *records, **headers):
    answer = await post_in(client, key, list(records), **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["records"]


async def sent(client, key, *records, **headers):
    told = await outcomes(client, key, *records, **headers)
    return [one["outcome"] + (f" {one['reason']}" if "reason" in one else "") for one in told]


async def details_of(road, job):
    """What is known of a job by its last event with details."""
    number = (await road.job(job))["number"]
    return [one["body"]["details"] for one in await road.events(number) if one["body"].get("details")][-1]


async def number_of(road, table, **members):
    rows = await road.rows(table)
    return next(row["number"] for row in rows if all(row[name] == value for name, value in members.items()))


async def lakesides_number(road):
    return await number_of(road, tables.organization, handle=LAKESIDE)


async def test_the_same_external_id_again_is_an_update_and_a_new_one_another_job(road, client, ironpeak):
    ends = await sent(client, ironpeak, work("W-1"), work("W-1", title="No water"), work("W-1", title="No water"))
    assert ends == ["applied", "applied", "ignored repeat"]
    listed = envelope("job", external_ids=["W-1", "other"], status="offered", title="No light")
    assert await sent(client, ironpeak, listed, work("W-2")) == ["applied", "applied"]
    assert (await details_of(road, "W-1"))["title"] == "No light"
    assert set(await road.jobs()) == {"W-1", "W-2"}


@pytest.mark.parametrize("by", ["organization_id", "external_organization_id", "organization"])
async def test_an_organization_is_named_in_one_of_three_ways(road, client, ironpeak, by):
    number = await lakesides_number(road)
    await sent(client, ironpeak, envelope("organization", id=number, external_id="P-7", name="Lakeside"))
    named = {
        "organization_id": number,
        "external_organization_id": "P-7",
        "organization": {"external_id": "P-7", "name": "Whatever"},
    }
    assert await sent(client, ironpeak, work("W-1", **{by: named[by]})) == ["applied"]
    assert (await road.job("W-1"))["organization"] == number


async def test_an_organization_that_nobody_knows_is_made_of_what_is_said_and_known_by_it_then(road, client, ironpeak):
    full = {"name": "Birch HVAC", "phone_number": "(218) 555-0144", "email": "desk@birch.example"}
    ends = await sent(client, ironpeak, work("W-1", organization=full), work("W-2", organization=full))
    assert ends == ["applied", "applied"]
    first, second = (await road.job("W-1"))["organization"], (await road.job("W-2"))["organization"]
    assert first == second != await lakesides_number(road)


@pytest.mark.parametrize(
    ("second", "same"),
    [
        ({"name": "Birch HVAC", "phone_number": "+1 218 555 0144"}, True),
        ({"name": "birch  hvac", "email": "Desk@Birch.example", "phone_number": "5550000"}, True),
        ({"phone_number": "2185550144", "address": {"street_1": "9 Birch Lane", "postal_code": "55804"}}, True),
        ({"name": "Birch HVAC", "phone_number": "5550000"}, False),
        ({"name": "Birch HVAC", "phone_number": "2185550144", "always_create": True}, False),
        ({"name": "Birch HVAC", "phone_number": "2185550144", "always_create": 0}, True),
    ],
)
@pytest.mark.parametrize("nested", [True, False], ids=["in a job", "by itself"])
async def test_companies_that_agree_in_two_respects_are_one_unless_another_is_asked_for(
    road, client, ironpeak, second, same, nested
):
    first = {
        "name": "Birch HVAC",
        "phone_number": "(218) 555-0144",
        "email": "desk@birch.example",
        "address": {"street_1": "9 Birch Lane", "city": "Duluth", "postal_code": "55804"},
    }
    before = len(await road.rows(tables.organization))
    records = [work("W-1", organization=first), envelope("organization", **second, create_user=True)]
    if nested:
        records[1] = work("W-2", organization=second)
    assert await sent(client, ironpeak, *records) == ["applied"] * 2
    assert len(await road.rows(tables.organization)) == before + (1 if same else 2)
    kept = [codec.decode(row["members"]) for row in await road.rows(tables.organization)][before]
    assert kept["email"] == "desk@birch.example"


async def test_one_company_more_is_made_once_however_often_the_record_comes(road, client, ironpeak):
    record = envelope("organization", name="Birch HVAC", email="desk@birch.example", always_create=True)
    assert await sent(client, ironpeak, record, record) == ["applied", "ignored repeat"]


async def test_a_company_known_by_its_likeness_is_known_by_its_senders_id_from_then_on(road, client, ironpeak):
    likeness = {"name": "Birch HVAC", "email": "desk@birch.example"}
    await sent(client, ironpeak, envelope("organization", **likeness))
    await sent(client, ironpeak, work("W-1", organization={**likeness, "external_id": "P-3"}))
    assert await sent(client, ironpeak, work("W-2", external_organization_id="P-3")) == ["applied"]
    assert (await road.job("W-1"))["organization"] == (await road.job("W-2"))["organization"]


async def test_a_later_record_may_name_what_an_earlier_one_of_its_array_made(road, client, lakeside, ironpeak):
    made = [
        envelope("organization", external_id="P-9", name="Birch HVAC"),
        work("W-1", status="unscheduled", external_organization_id="P-9"),
        envelope("appointment", external_job_id="W-1", external_id="V-1", time=TIME),
    ]
    assert await sent(client, ironpeak, *made) == ["applied"] * 3
    own = [
        envelope("user", external_id="nell", first_name="Nell", roles=["technician"]),
        envelope("job", external_id="J-1", title="Filter", customer={"first_name": "Ida"}),
        envelope("appointment", external_job_id="J-1", external_user_id="nell", external_id="V-1", time=TIME),
    ]
    assert await sent(client, lakeside, *own) == ["applied"] * 3
    mine = [row for row in await road.rows(tables.appointment) if row["technician"] is not None]
    assert len(mine) == 1
    assert await road.is_balanced()


@pytest.mark.parametrize("by_number", [True, False], ids=["by number", "by external id"])
async def test_jobs_visits_and_users_are_named_by_number_or_by_external_id(road, client, lakeside, by_number):
    own = envelope("job", external_id="J-1", title="Filter", customer={"first_name": "Ida"})
    await sent(client, lakeside, own, envelope("appointment", external_job_id="J-1", external_id="V-1", time=TIME))
    job = await number_of(road, tables.job, external_id="J-1")
    [visit] = await road.rows(tables.appointment)
    tom = await tom_of(road)
    if by_number:
        record = {"id": visit["number"], "job_id": job, "user_id": tom}
    else:
        record = {"external_id": "V-1", "external_job_id": "J-1", "external_user_id": "tom"}
    assert await sent(client, lakeside, envelope("appointment", **record)) == ["applied"]
    [visit] = await road.rows(tables.appointment)
    assert visit["technician"] == tom


async def tom_of(road):
    rows = await road.rows(tables.reference, tables.reference.c.external_id == "tom")
    return rows[0]["number"]


async def test_an_offer_is_taken_as_loosely_as_clients_write_it(road, client, ironpeak):
    record = work(
        10407,
        service_fee=75,
        service_fee_precollected=0,
        created_by={"not": "ours"},
        equipment_descriptions=[{"manufacturer": "Borea", "installation_date": "2019-04-01"}],
        suggested_times=[
            {"start_time": "2027-01-05T15:00:00Z", "end_time": "2027-01-05T17:00:00.000Z"},
            {"start_time": "2027-01-06T10:00:00-0500", "end_time": "2027-01-06T17:00:00+0000"},
        ],
        customer={
            "first_name": "Bo",
            "phone_numbers": [
                {"number": "+12185550100", "type": "Mobile", "primary": 1},
                {"number": 2185550101, "type": "work", "primary": 0},
                {"number": "(218)555-0102"},
            ],
        },
    )
    assert await sent(client, ironpeak, record) == ["applied"]
    details = await details_of(road, "10407")
    assert details["service_fee_precollected"] is False
    assert details["equipment"] == [{"manufacturer": "Borea", "installation_date": "2019-04-01"}]
    assert details["suggested_times"] == [
        {"start": "2027-01-05T15:00:00Z", "end": "2027-01-05T17:00:00Z"},
        {"start": "2027-01-06T15:00:00Z", "end": "2027-01-06T17:00:00Z"},
    ]
    phones = details["customer"]["phones"]
    assert [one["number"] for one in phones] == ["+12185550100", "2185550101", "(218)555-0102"]
    assert [one.get("primary") for one in phones] == [True, False, None]


async def test_a_time_without_its_offset_is_not_guessed(client, lakeside):
    record = envelope("appointment", job_id=7, time="2027-01-05T15:00:00")
    [told] = await outcomes(client, lakeside, record)
    assert (told["outcome"], told["reason"], told["field"]) == ("quarantined", "time_without_zone", "record.time")


async def test_header_names_are_read_whatever_their_case_and_gzip_may_be_announced(client, ironpeak):
    raw = gzip.compress(orjson.dumps([work("W-1")]))
    signature = hmac.new(bytes.fromhex(ironpeak["secret"]), raw, hashlib.sha256).hexdigest()
    headers = {
        "x-dispatch-KEY": ironpeak["key"],
        "X-DISPATCH-SIGNATURE": signature,
        "content-encoding": "gzip",
        "messageid": "t-1",
    }
    answer = await client.post("/agent/in", content=raw, headers=headers)
    assert [one["message_id"] for one in answer.json()["records"]] == ["t-1#0"]


@pytest.mark.parametrize("level", [1, 6, 9])
async def test_zlibs_format_is_refused_in_words(client, ironpeak, level):
    raw = zlib.compress(orjson.dumps([work("W-1")]), level)
    answer = await post_in(client, ironpeak, raw, compressed=False)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_gzip")
    assert "gzip" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("record_type", "version", "reason"),
    [
        ("job", "v2", "unknown_version"),
        ("offer", "v3", "unknown_version"),
        ("job", "3", "unknown_version"),
        ("customer", "v3", "unknown_type"),
        ("survey_response", "v3", "unknown_type"),
    ],
)
async def test_types_and_versions_that_nobody_reads_are_kept_for_a_person(
    client, ironpeak, record_type, version, reason
):
    [told] = await outcomes(client, ironpeak, envelope(record_type, version, external_id="W-1"))
    assert (told["outcome"], told["reason"]) == ("quarantined", reason)


async def test_an_offer_of_version_2_names_nobody_and_is_routed_by_the_brand(road, client):
    key = await make_key(road.database, account=EVERGREEN, brand="harborline")
    record = {"external_id": "O-1", "title": "No heat", "customer": CUSTOMER}
    near = envelope("offer", "v2", **record, address={"street_1": "1 Elm", "city": "Duluth", "postal_code": "55802"})
    assert await sent(client, key, near) == ["applied"]
    job = await road.job("O-1")
    assert (job["status"], job["brand"]) == ("offered", "harborline")
    assert job["organization"] == await lakesides_number(road)
    assert await sent(client, key, envelope("offer", "v2", external_id="O-1", status="canceled")) == ["applied"]
    assert await road.status("O-1") == "declined withdrawn"


async def test_a_key_of_one_brand_offers_under_it_where_its_account_has_several(road, client):
    named = await make_key(road.database, account=EVERGREEN, brand="maplegrove")
    unnamed = await make_key(road.database, account=EVERGREEN)
    assert await sent(client, named, work("W-1")) == ["applied"]
    assert (await road.job("W-1"))["brand"] == "maplegrove"
    assert await sent(client, unnamed, work("W-2")) == ["refused brand_required"]


async def test_a_records_own_message_id_outweighs_its_requests(client, ironpeak):
    first = envelope("job", message_id="m-1", **work("W-1")["record"])
    told = await outcomes(client, ironpeak, first, work("W-2"), MessageId="t-1")
    assert [one["message_id"] for one in told] == ["m-1", "t-1#1"]
    assert await sent(client, ironpeak, work("W-9"), first) == ["applied", "ignored repeat"]
    other = envelope("job", message_id="m-1", **work("W-1", title="No water")["record"])
    assert await sent(client, ironpeak, other) == ["quarantined message_conflict"]


@pytest.mark.parametrize("action", ["post", "put", "patch", "delete", "upsert", 7])
async def test_of_the_actions_post_and_none_are_understood(road, client, lakeside, action):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    job = (await road.job())["number"]
    visit = envelope("appointment", job_id=job, external_id="V-1", time=TIME, action=action)
    note = envelope("attachment", job_id=job, description="Gate code", action=action)
    expected = ["applied"] * 2 if action == "post" else ["quarantined bad_value"] * 2
    assert await sent(client, lakeside, visit, note) == expected


@pytest.mark.parametrize(("words", "code"), [("No capacity", "D-CAP"), ("D-CAP", "D-CAP"), ("Dog in the yard", None)])
async def test_a_decline_takes_its_reason_in_the_brands_own_words(road, client, lakeside, words, code):
    await road.receive(offer("A-1"))
    job = (await road.job())["number"]
    declined = envelope("job", id=job, status="rejected", status_message=words)
    assert await sent(client, lakeside, declined) == ["applied"]
    reason = (await road.events(job))[-1]["body"]["reason"]
    assert (reason["text"], reason.get("code")) == (words, code)


@pytest.mark.parametrize(
    ("words", "status", "end"),
    [
        ("Repaired", "complete completed", "applied"),
        ("Waiting for parts", "paused", "applied"),
        ("The moon was full", "scheduled", "unmapped unmapped_reason"),
    ],
)
async def test_a_completion_takes_its_reason_in_the_brands_own_words(road, client, lakeside, words, status, end):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    job = (await road.job())["number"]
    await sent(client, lakeside, envelope("appointment", job_id=job, external_id="V-1", time=TIME))
    complete = envelope("appointment", external_id="V-1", status="complete", status_message=words)
    assert await sent(client, lakeside, complete) == [end]
    assert await road.status() == status


async def test_a_cancellation_told_as_complete_cancels(road, client, lakeside):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    job = (await road.job())["number"]
    told = envelope("job", id=job, status="complete", status_message="Canceled by the customer")
    assert await sent(client, lakeside, told) == ["applied"]
    assert await road.status() == "complete canceled"


@pytest.mark.parametrize("word", ["enroute", "started", "paused"])
async def test_a_new_time_in_the_same_record_as_a_word_is_the_same_decision(road, client, lakeside, word):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    job = (await road.job())["number"]
    await sent(client, lakeside, envelope("appointment", job_id=job, external_id="V-1", time=TIME))
    later = {"time": "2027-01-06T09:30:00Z", "duration": 5400, "external_user_id": "tom"}
    moved = envelope("appointment", external_id="V-1", status=word, **later)
    assert await sent(client, lakeside, moved) == ["applied"]
    last = [one for one in await road.events(job) if not one["type"].startswith("customer.")][-1]
    [visit] = last["body"]["appointments"]
    assert last["type"] == {"enroute": "appointment.en_route"}.get(word, f"appointment.{word}")
    assert (visit["start"], visit["duration_seconds"]) == ("2027-01-06T09:30:00Z", 5400)
    assert (await road.rows(tables.appointment))[0]["technician"] == await tom_of(road)


async def test_times_that_an_account_suggests_stand_under_their_keys(road, client, ironpeak):
    await sent(client, ironpeak, work("W-1"))
    first = {"external_job_id": "W-1", "external_id": "S-1", "duration": 3600}
    times = ["2027-01-05T15:00:00Z", "2027-01-06T15:00:00Z"]
    assert await sent(client, ironpeak, *(envelope("appointment", **first, time=one) for one in times)) == [
        "applied",
        "applied",
    ]
    [suggested] = (await details_of(road, "W-1"))["added_times"]
    assert suggested == {"id": "S-1", "start": "2027-01-06T15:00:00Z", "end": "2027-01-06T16:00:00Z"}
    assert await sent(client, ironpeak, work("W-1")) == ["ignored repeat"]
    assert await road.rows(tables.appointment) == []


async def test_a_suggested_time_is_taken_back_by_its_key(road, client, ironpeak):
    await sent(client, ironpeak, work("W-1"))
    for key, time in (("S-1", "2027-01-05T15:00:00Z"), ("S-2", "2027-01-06T15:00:00Z")):
        await sent(client, ironpeak, envelope("appointment", external_job_id="W-1", external_id=key, time=time))
    gone = envelope("appointment", external_job_id="W-1", external_id="S-1", status="canceled")
    assert await sent(client, ironpeak, gone) == ["applied"]
    assert [one["id"] for one in (await details_of(road, "W-1"))["added_times"]] == ["S-2"]
    assert (await road.told())[-1] == "job.amended"


async def test_photos_are_not_taken_yet(road, client, lakeside):
    await road.receive(offer("A-1"), provider("offer.accept", "A-1"))
    photo = envelope("attachment", job_id=(await road.job())["number"], file_token="1f6a", action="post")
    assert await sent(client, lakeside, photo) == ["refused photos_not_supported"]
