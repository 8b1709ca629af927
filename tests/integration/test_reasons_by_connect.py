"""Reasons both ways by Connect: a provider's words come in as `status_message`, the brand's own words go out."""

import pytest

from gateway.store import tables
from tests.edge import acknowledge, envelope, poll, post_in, put_in, serving
from tests.inbound import START, offer, opened
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


async def told(client, key):
    """Everything that waits, acknowledged: entity, status, reason in the brand's words, its code."""
    seen = []
    while messages := await poll(client, key):
        for message in messages:
            [(entity, members)] = put_in(message).items()
            reason = members.get("status_message"), members.get("status_code")
            seen.append((entity, members.get("status"), *reason))
            assert await acknowledge(client, key, message) == "settled"
    return seen


async def say(client, key, record_type, **record):
    answer = await post_in(client, key, [envelope(record_type, **record)])
    return [one["outcome"] for one in answer.json()["records"]]


@pytest.mark.parametrize("words", ["No capacity", "D-CAP"])
async def test_a_decline_is_told_in_the_brands_words_whether_it_came_as_code_or_label(
    road, client, evergreen, lakeside, words
):
    await road.receive(offer("A-1"))
    await told(client, evergreen)
    number = (await road.job())["number"]
    assert await say(client, lakeside, "job", id=number, status="rejected", status_message=words) == ["applied"]
    reason = "No capacity", "D-CAP"
    assert await told(client, evergreen) == [("job", "rejected", *reason), ("joboffer", "rejected", *reason)]


async def test_a_decline_whose_reason_waits_for_a_mapping_is_told_when_it_has_one(road, client, evergreen, lakeside):
    await road.receive(offer("A-1"))
    await told(client, evergreen)
    number = (await road.job())["number"]
    declined = await say(client, lakeside, "job", id=number, status="rejected", status_message="Truck broke down")
    assert declined == ["applied"]
    assert (await told(client, evergreen), await road.status()) == ([], "declined declined")
    assert [row["state"] for row in await road.rows(tables.delivery, tables.delivery.c.state == "held")] == ["held"]
    await import_polled(road, version=3, added=[("decline_reasons", "{code: D-TRK, label: Truck broke down}")])
    await road.gateway.keeper.refresh()
    reason = "Truck broke down", "D-TRK"
    assert await told(client, evergreen) == [("job", "rejected", *reason), ("joboffer", "rejected", *reason)]
    assert await road.is_balanced()


async def test_a_completed_visits_reason_stands_with_the_visit_and_with_the_job(road, client, evergreen, lakeside):
    await road.receive(offer("A-1"))
    number = (await road.job())["number"]
    await say(client, lakeside, "job", id=number, status="unscheduled")
    visit = {"job_id": number, "external_id": "V-1", "time": START, "duration": 3600}
    assert await say(client, lakeside, "appointment", **visit) == ["applied"]
    await told(client, evergreen)
    done = {"external_id": "V-1", "job_id": number, "status": "complete", "status_message": "WFP"}
    assert await say(client, lakeside, "appointment", **done) == ["applied"]
    reason = "Waiting for parts", "WFP"
    assert await told(client, evergreen) == [("job", "paused", *reason), ("appointment", "complete", *reason)]


async def test_a_cancellation_by_the_source_reaches_the_provider_with_its_reason(road, client, evergreen, lakeside):
    await road.receive(offer("A-1"))
    number = (await road.job())["number"]
    await say(client, lakeside, "job", id=number, status="unscheduled")
    await told(client, lakeside)
    gone = {"external_id": "A-1", "status": "canceled", "status_message": "C-DUP"}
    assert await say(client, evergreen, "job", **gone) == ["applied"]
    assert await told(client, lakeside) == [("job", "canceled", "Duplicate claim", "C-DUP")]
