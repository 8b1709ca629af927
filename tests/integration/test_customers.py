"""Whose customers are whose: a source names its own, and no others', by whatever road and id."""

import pytest

from gateway.core.ids import Kind, canonical_id
from gateway.store import tables
from tests.edge import bearer, envelope, post_in
from tests.inbound import BOOKINGS, LAKESIDE, cloud_event, offer, provider
from tests.keys import make_key

RIVAL = "rival-warranty"
NEW_JOB = {"title": "Leaks", "organization": {"handle": LAKESIDE}}


@pytest.fixture
async def keys(road):
    """Of another account, and of the organization that does the work."""
    made = [await make_key(road.database, account=RIVAL), await make_key(road.database, organization=LAKESIDE)]
    await road.gateway.keeper.refresh()
    return made


@pytest.fixture
async def anothers(road):
    """Evergreen's customer, by number."""
    assert await road.receive(offer("A-1", customer={"name": "Bo Berg", "email": "bo@example.org"})) == ["applied"]
    (row,) = await road.rows(tables.customer)
    return row["number"]


@pytest.mark.parametrize("told", [{}, {"name": "Mallory"}], ids=["by number", "with members"])
async def test_a_customer_of_another_source_is_unknown_by_every_road(road, client, keys, anothers, told):
    before = await road.rows(tables.customer)
    canonical = canonical_id(Kind.CUSTOMER, anothers)
    named = {"id": canonical, **told} if told else canonical
    ends = await road.receive(
        offer("R-1", source=RIVAL, brand=None, customer=named),
        provider("job.create", title="Leaks", customer=named),
        cloud_event(BOOKINGS, "booking.request", "B-1", "page", **NEW_JOB, customer=named),
    )
    assert ends == ["refused unknown_customer"] * 3
    for key, path in zip(keys, ("/v1/offers", "/v1/jobs"), strict=True):
        answer = await client.post(path, json={**NEW_JOB, "job": "R-2", "customer": named}, headers=bearer(key))
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_customer")
        nested = {"customer": {"first_name": "Mallory"}} if told or key is keys[1] else {}
        job = envelope("job", external_id="C-1", customer_id=anothers, organization={"name": "Rival's"}, **nested)
        told_of = (await post_in(client, key, [job])).json()["records"]
        assert [one["reason"] for one in told_of] == ["unknown_customer"]
    assert await road.rows(tables.customer) == before


async def test_a_customer_is_named_again_by_its_source(road, anothers):
    again = offer("A-2", customer={"id": canonical_id(Kind.CUSTOMER, anothers), "name": "Bo B. Berg"})
    assert await road.receive(again) == ["applied"]
    (row,) = await road.rows(tables.customer)
    assert "Bo B. Berg" in row["members"]
    assert "bo@example.org" in row["members"]
