"""The booking page on real databases: what customers see and type, and what becomes of it."""

import asyncio
from datetime import timedelta

import pytest

from gateway.inbound.http.booking.form import MOST_BYTES
from gateway.store import codec, tables
from tests.booking import FILLED, LAKESIDES_PAGE, Visitor, fields_of, parsed, said, told_beside
from tests.edge import serving
from tests.inbound import LAKESIDE, provider


@pytest.fixture
async def client(road, desk):
    async with serving(road, booking=desk) as client:
        yield client


async def jobs(road):
    return await road.rows(tables.job)


async def details(road):
    [row] = await jobs(road)
    return codec.decode(row["state"])["details"]


async def test_a_booking_becomes_an_offer_to_whom_the_brand_routes_it(road, visitor):
    answer = await visitor.book(day_1="2027-03-15", part_1="morning", day_2="03/16/2027", part_2="any")
    page = await visitor.follow(answer)
    [job] = await jobs(road)
    assert (job["status"], job["brand"], job["account"] is not None) == ("offered", "harborline", True)
    assert await details(road) == {
        "title": "The dishwasher leaks.",
        "description": "The dishwasher leaks.\nSince Monday.",
        "service_type": "appliance",
        "channel": "booking_page",
        "address": {
            "street_1": "12 Lake Avenue",
            "street_2": "Apt 4",
            "city": "Duluth",
            "state": "MN",
            "postal_code": "55802",
            "country": "US",
        },
        "customer": {
            "name": "Bo Berg",
            "email": "bo@example.com",
            "phones": [{"number": "+12185550123", "primary": True}],
        },
        # Chicago leaves winter time on March 14th.
        "suggested_times": [
            {"start": "2027-03-15T13:00:00Z", "end": "2027-03-15T17:00:00Z"},
            {"start": "2027-03-16T13:00:00Z", "end": "2027-03-17T01:00:00Z"},
        ],
        "custom_fields": {
            "consent": "I agree that Harborline Home Warranty and the company that it sends may use what I entered to "
            "arrange this visit, and may call, text or e-mail me about it."
        },
    }
    assert job["external_id"] in said(page)
    assert "Waiting for an answer" in said(page)
    assert "+1 218 555 0142" not in said(page), "a number is shown as people there write it"
    assert "(218) 555-0142" in said(page)
    assert await road.is_balanced()


async def test_an_organizations_page_offers_to_that_organization_without_a_brand(road, client):
    put = provider("organization.put", None, handle=LAKESIDE, booking_page=LAKESIDES_PAGE)
    assert await road.receive(put) == ["applied"]
    visitor = Visitor(client, LAKESIDE)
    page = await visitor.open()
    assert "Lakeside Appliance" in said(page)
    assert "service_type" not in fields_of(page)
    assert (await visitor.book(postal_code="90210", state="CA")).status_code == 303
    [job] = await jobs(road)
    assert (job["brand"], job["account"], job["source"]) == (None, None, f"/book/{LAKESIDE}")
    assert "service_type" not in await details(road)


@pytest.mark.parametrize("page", ["sunfield", "ironpeak", LAKESIDE, "nobody", "%00", "a%2Fb", "x" * 300, "nobody/more"])
async def test_a_page_that_nobody_asked_for_is_not_there(client, page):
    answer = await client.get(f"/book/{page}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "There is no such page" in said(answer)


async def test_an_organization_may_take_its_page_away_again(road, client):
    visitor = Visitor(client, LAKESIDE)
    await road.receive(provider("organization.put", None, handle=LAKESIDE, booking_page=LAKESIDES_PAGE))
    assert (await visitor.open()).status_code == 200
    await road.receive(provider("organization.put", None, handle=LAKESIDE, booking_page=None))
    assert (await visitor.open()).status_code == 404


async def test_what_cannot_be_taken_is_said_beside_its_field_and_nothing_typed_is_lost(road, visitor):
    wrong = {
        "service_type": "",
        "problem": "x" * 5001,
        "name": "",
        "phone": "555-01",
        "email": "bo@",
        "street_1": "",
        "street_2": "y" * 101,
        "city": " ",
        "state": "ZZ",
        "postal_code": "5580",
        "day_1": "tomorrow",
        "part_1": "evening",
        "day_2": "2027-03-11",
        "day_3": "2028-03-14",
        "consent": "",
    }
    answer = await visitor.book(**wrong)
    assert answer.status_code == 422
    page = parsed(answer)
    assert page.attributes["summary"]["role"] == "alert"
    for field in wrong.keys() - {"part_1"}:
        message = told_beside(answer, field)
        assert message
        assert message in page.by_id["summary"]
        assert f'<a href="#{field}">' in answer.text
    typed = {name: text.strip() for name, text in wrong.items() if name not in {"state", "consent"}}
    assert {name: page.fields[name] for name in typed} == typed
    assert await jobs(road) == []
    good = {**page.fields, **FILLED, "day_1": "2027-03-15", "day_2": "", "day_3": ""}
    assert (await visitor.send(good)).status_code == 303


async def test_one_fault_leaves_the_other_fields_in_peace(visitor):
    answer = await visitor.book(name="", day_1="2027-03-15", part_1="evening")
    assert [name for name in FILLED if told_beside(answer, name)] == ["name"]
    kept = {**FILLED, "name": "", "day_1": "2027-03-15", "part_1": "evening"}
    assert fields_of(answer).items() >= kept.items()


async def test_today_may_be_chosen_until_the_time_is_over(visitor):
    today = "2027-03-12"
    assert told_beside(await visitor.book(day_1=today, part_1="morning"), "day_1")
    assert (await visitor.book(day_1=today, part_1="afternoon")).status_code == 303


async def test_a_canadian_address_has_a_canadian_postal_code(road, client):
    await road.receive(provider("organization.put", None, handle=LAKESIDE, booking_page=LAKESIDES_PAGE))
    visitor = Visitor(client, LAKESIDE)
    wrong = await visitor.book(state="ON")
    assert told_beside(wrong, "postal_code") == "Enter the postal code, such as K1A 0B1."
    assert (await visitor.book(state="ON", postal_code="k1a0b1")).status_code == 303
    assert (await details(road))["address"] | {"street_1": "", "street_2": "", "city": ""} == {
        **dict.fromkeys(("street_1", "street_2", "city"), ""),
        "state": "ON",
        "postal_code": "K1A 0B1",
        "country": "CA",
    }


async def test_where_nobody_comes_the_page_says_whom_to_call(road, visitor):
    answer = await visitor.book(postal_code="90210", state="CA")
    assert answer.status_code == 409
    assert "We have nobody who could come to this address" in said(answer)
    assert "(218) 555-0142" in parsed(answer).by_id["summary"]
    assert fields_of(answer)["problem"] == FILLED["problem"]
    assert [row["reason"] for row in await road.records(tables.inbound_record.c.door == "http.bookings")] == [
        "no_provider"
    ]
    again = await visitor.send({**fields_of(answer), "postal_code": "55802", "state": "MN"})
    assert again.status_code == 303, "the same form, corrected"
    assert len(await jobs(road)) == 1


async def test_the_same_form_sent_twice_is_one_offer(road, visitor, clock):
    form = {**FILLED, "token": fields_of(await visitor.open())["token"]}
    answers = await asyncio.gather(visitor.send(form), visitor.send(form), visitor.send(form))
    assert len({answer.headers["Location"] for answer in answers}) == 1
    clock.now += timedelta(minutes=5)
    await visitor.send(form)
    assert len(await jobs(road)) == 1
    assert await road.told() == ["job.offered"]


async def test_a_form_sent_again_with_a_correction_corrects_the_offer(road, visitor):
    form = {**FILLED, "token": fields_of(await visitor.open())["token"]}
    for problem in ("It leaks.", "It leaks, and smells.", "It leaks."):
        assert (await visitor.send({**form, "problem": problem})).status_code == 303
    assert await road.told() == ["job.offered", "job.amended", "job.amended"]
    assert (await details(road))["description"] == "It leaks."


async def test_two_forms_are_two_offers(road, visitor):
    await visitor.book()
    await visitor.book()
    assert len(await jobs(road)) == 2


async def test_whoever_fills_in_what_nobody_sees_is_thanked_and_nothing_is_kept(road, visitor):
    answer = await visitor.book(subject="Cheap watches")
    page = await visitor.follow(answer)
    assert "Thank you, your request has been sent." in said(page)
    assert "Received" in said(page)
    assert await jobs(road) == []
    assert await road.records(tables.inbound_record.c.door == "http.bookings") == []


async def test_without_keys_the_page_says_that_it_cannot_be_used_and_whom_to_call(road, desk):
    async with serving(road, booking=lambda gathering: desk(gathering, keys=())) as client:
        answer = await Visitor(client).open()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "(218) 555-0142" in said(answer)


async def test_forms_that_are_never_right_are_not_read_for_ever(visitor, clock):
    clock.now += timedelta(seconds=43)
    answers = [await visitor.send({"token": ""}) for _ in range(31)]
    assert {answer.status_code for answer in answers[:30]} == {403}
    assert answers[30].status_code == 429
    assert answers[30].headers["Retry-After"] == "17", "until the minute is over"


async def test_a_form_that_is_too_large_is_not_read(visitor):
    answer = await visitor.send({**FILLED, "problem": "x" * MOST_BYTES})
    assert answer.status_code == 413
    assert "Too much text" in said(answer)
    assert "(218) 555-0142" in said(answer)


async def test_what_is_no_form_is_answered_by_a_page(client):
    for send, status in (
        (client.post("/book/harborline", json={"name": "Bo"}), 415),
        (client.post("/book/harborline", data={f"f{n}": "1" for n in range(99)}), 400),
        (client.delete("/book/harborline"), 405),
        (client.post("/book/harborline/requests/x"), 405),
    ):
        answer = await send
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert parsed(answer).texts


async def test_while_the_database_is_away_nothing_typed_is_lost(road, desk):
    async def away(_records):
        raise OSError("the database is away")

    async with serving(road, away, booking=desk) as client:
        answer = await Visitor(client).book()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "could not be kept just now" in said(answer)
    assert fields_of(answer).items() >= FILLED.items()


@pytest.mark.parametrize("field", [name for name in FILLED if name != "consent"])
async def test_nothing_that_is_typed_becomes_part_of_the_page(visitor, field):
    typed = """"></textarea><script>alert(1)</script>{{ 97*89 }}'onfocus='x"""
    answer = await visitor.book(**{"consent": "", field: typed})
    assert answer.status_code == 422
    assert "<script" not in answer.text
    assert "8633" not in answer.text
    if field not in {"state", "service_type"}:
        assert fields_of(answer)[field] == typed


async def test_answers_let_no_script_and_no_strangers_frame_in(road, client):
    visitor = Visitor(client)
    form, sent = await visitor.open(), await visitor.book()
    state, nowhere = await visitor.follow(sent), await client.get("/book/nobody")
    for answer in (form, sent, state, nowhere):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "'unsafe" not in policy
        assert (answer.headers["Referrer-Policy"], answer.headers["X-Content-Type-Options"]) == (
            "no-referrer",
            "nosniff",
        )
        assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "frame-ancestors https://www.harborline.example" in state.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in nowhere.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in (await Visitor(client, "maplegrove").open()).headers["Content-Security-Policy"]
    assert [one.headers["Cache-Control"] for one in (form, sent, state)] == [
        "private, no-cache",
        "no-store",
        "no-store",
    ]


async def test_an_embedded_page_stays_embedded(visitor):
    form = await visitor.open(embedded="1")
    assert "<header>" not in form.text
    sent = await visitor.send({**FILLED, "token": fields_of(form)["token"]}, embedded="1")
    state = await visitor.follow(sent)
    assert "<header>" not in state.text
    assert "<header>" in (await visitor.open()).text
