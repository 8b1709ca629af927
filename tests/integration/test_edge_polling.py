"""Connect both ways by HTTP: an account's offer is polled by its provider, answered, and the answer polled back."""

import pytest

from gateway.store import tables
from tests.edge import acknowledge, envelope, poll, post_in, post_signed, put_in, serving
from tests.inbound import EVERGREEN, offer, opened
from tests.keys import make_key
from tests.polling import import_polled


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        await import_polled(road)
        yield road


@pytest.fixture
async def client(road, evergreen, lakeside):
    await road.gateway.keeper.refresh()
    async with serving(road) as client:
        yield client


async def drained(client, key):
    told = []
    while messages := await poll(client, key):
        for message in messages:
            [(entity, members)] = put_in(message).items()
            told.append((entity, members.get("status")))
            assert await acknowledge(client, key, message, "Success") == "settled"
    return told


async def test_an_offer_its_acceptance_and_the_visit_go_by_connect_alone(road, client, evergreen, lakeside):
    await road.receive(offer("A-1"))
    [message] = await poll(client, lakeside)
    job = put_in(message)["job"]
    assert job["status"] == "offered"
    assert await acknowledge(client, lakeside, message) == "settled"
    answer = await post_in(client, lakeside, [envelope("job", id=job["id"], status="unscheduled")])
    assert [one["outcome"] for one in answer.json()["records"]] == ["applied"]
    assert await drained(client, evergreen) == [("job", "offered"), ("job", "unscheduled"), ("joboffer", "accepted")]
    assert await drained(client, lakeside) == []
    assert await road.is_balanced()


async def test_what_was_handed_out_is_handed_to_nobody_else_meanwhile(road, client, lakeside):
    await road.receive(offer("A-1"), offer("A-2"))
    assert len(await poll(client, lakeside, most=1)) == 1
    assert len(await poll(client, lakeside)) == 1
    assert await poll(client, lakeside) == []


async def test_an_error_with_quotes_in_it_is_understood_and_the_message_comes_again_later(road, client, lakeside):
    await road.receive(offer("A-1"))
    [message] = await poll(client, lakeside)
    assert await acknowledge(client, lakeside, message, "error", 'no "customer" here, sorry') == "failed"
    assert await acknowledge(client, lakeside, message) == "not_yours_or_old"
    [row] = await road.rows(tables.attempt)
    assert row["detail"] == 'no "customer" here, sorry'


async def test_a_brand_may_say_that_an_error_is_final(staffed_url):
    async with opened(staffed_url) as road:
        await import_polled(road, on_error="dead")
        key = await make_key(road.database, account=EVERGREEN)
        await road.gateway.keeper.refresh()
        async with serving(road) as client:
            await road.receive(offer("A-1"))
            [message] = await poll(client, key)
            assert await acknowledge(client, key, message, "error", 'no "customer" here') == "failed"
        [row] = await road.rows(tables.delivery, tables.delivery.c.state == "dead")
        assert (row["reason"], row["detail"]) == ("refused", 'no "customer" here')
        assert await road.is_balanced()


async def test_nobody_settles_what_is_anothers(road, client, evergreen, lakeside):
    await road.receive(offer("A-1"))
    [message] = await poll(client, lakeside)
    assert await acknowledge(client, evergreen, message) == "not_yours_or_old"
    assert await acknowledge(client, lakeside, message) == "settled"


@pytest.mark.parametrize("body", [b'{"maxNumberOfMessages": 0}', b'{"maxNumberOfMessages": "10"}', b"[]", b"{no"])
async def test_a_poll_that_cannot_be_read_is_told_so(client, lakeside, body):
    answer = await post_signed(client, "/agent/out", lakeside, body)
    assert (answer.status_code, answer.json()["code"] in {"bad_value", "not_json"}) == (400, True)


@pytest.mark.parametrize("body", [b"{no", b"{}", b'{"Receipt": "x", "Result": "perhaps"}', b'{"Receipt": 5}'])
async def test_an_acknowledgement_that_cannot_be_read_is_told_so(client, lakeside, body):
    answer = await post_signed(client, "/agent/ack", lakeside, body)
    assert answer.status_code == 400
    assert answer.json()["field"] in {"Receipt", "Result"}
