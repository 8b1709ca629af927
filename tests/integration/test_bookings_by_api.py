"""Bookings from booking systems of others: bound to the caller's own brands, or its own organization."""

import pytest

from tests.edge import bearer
from tests.inbound import EVERGREEN, LAKESIDE
from tests.keys import make_key

BOOKING = {"customer": {"name": "Bo Berg"}, "title": "Leaks", "address": {"postal_code": "55802"}}


async def test_an_organizations_booking_system_books_at_its_own(road, client):
    lakeside = bearer(await make_key(road.database, organization=LAKESIDE))
    body = {**BOOKING, "organization": {"handle": "northshore"}}
    first = await client.post("/v1/bookings/B-1", json=body, headers=lakeside)
    again = await client.post("/v1/bookings/B-1", json=body, headers=lakeside)
    other = await client.post("/v1/bookings/B-1", json={**body, "title": "Smells"}, headers=lakeside)
    assert [one.json().get("reason") for one in (first, again, other)] == [None, "repeat", None]
    assert await road.told() == ["job.offered", "job.amended"]
    assert (await road.job("B-1"))["account"] is None
    answer = await client.post("/v1/bookings/B-2", json={**BOOKING, "brand": "harborline"}, headers=lakeside)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


async def test_an_accounts_booking_system_books_for_its_own_brands(road, client):
    evergreen = bearer(await make_key(road.database, account=EVERGREEN))
    answers = [
        await client.post(f"/v1/bookings/B-{number}", json={**BOOKING, **brand}, headers=evergreen)
        for number, brand in enumerate(({"brand": "harborline"}, {"brand": "ironpeak"}, {"brand": "nobody"}, {}))
    ]
    told = [(one.status_code, one.json().get("code")) for one in answers]
    assert told == [(200, None), (422, "unknown_brand"), (422, "unknown_brand"), (422, "brand_required")]
    assert (await road.job("B-0"))["brand"] == "harborline"
    assert await road.is_balanced()


async def test_a_booking_needs_a_key(client):
    assert (await client.post("/v1/bookings/B-1", json=BOOKING)).status_code == 401


@pytest.mark.parametrize("brand", [{"brand": "harborline"}, {}], ids=["on a brand's page", "on none"])
async def test_nobody_of_an_organization_books_with_their_own_key(road, client, brand):
    dee = bearer(await make_key(road.database, organization=LAKESIDE, user="dee"))
    answer = await client.post("/v1/bookings/B-1", json={**BOOKING, **brand}, headers=dee)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert await road.jobs() == {}
