"""Senders' own ids: each sender's are its own, and none is given away while another thing has it."""

from gateway.core.ids import Kind, canonical_id
from gateway.store.tables import organization, reference
from tests.edge import bearer, serving
from tests.inbound import BOOKINGS, EVERGREEN, LAKESIDE, START, cloud_event, enterprise, offer, provider
from tests.keys import make_key


async def one_by_one(road, *messages):
    return [end for message in messages for end in await road.receive(message)]


async def test_the_id_of_another_jobs_visit_is_not_given_to_a_first_visit(road):
    first = {"id": "V-1", "start": START}
    ends = await one_by_one(
        road,
        offer("A-1"),
        offer("A-2"),
        provider("offer.accept", "A-1", appointment=first),
        provider("offer.accept", "A-2", appointment=first),
        provider("appointment.start", appointment="V-1"),
    )
    assert ends == ["applied", "applied", "applied", "refused already_exists", "applied"]
    assert (await road.status("A-1"), await road.status("A-2")) == ("in_progress", "offered")


def booking(subject, **data):
    content = {"brand": "harborline", "organization": {"handle": LAKESIDE}, "customer": {"name": "Bo"}, **data}
    return cloud_event(BOOKINGS, "booking.request", subject, "page-harborline", **content)


async def test_a_booking_sent_again_is_a_repeat_on_a_brands_page_too(road):
    assert await one_by_one(road, booking("B-1"), booking("B-1")) == ["applied", "ignored repeat"]
    assert await one_by_one(road, booking("B-1", title="Leaks")) == ["applied"]
    assert await road.told() == ["job.offered", "job.amended"]


async def test_a_booking_on_a_brands_page_takes_no_id_of_its_enterprise(road):
    assert await one_by_one(road, offer("A-1"), booking("A-1"), enterprise("offer.withdraw", "A-1")) == ["applied"] * 3
    offered, booked = (await road.jobs())["A-1"]
    assert (offered["closure"], booked["status"]) == ("withdrawn", "offered")
    withdrawal = enterprise("offer.withdraw", canonical_id(Kind.JOB, booked["number"]))
    assert await road.receive(withdrawal) == ["applied"], "the enterprise is the source for every right"


async def test_no_organization_is_called_by_anothers_number(road):
    (lakeside,) = await road.rows(organization, organization.c.handle == LAKESIDE)
    taken = canonical_id(Kind.ORGANIZATION, lakeside["number"])
    put = enterprise("organization.put", None, handle=taken, name="Mallory's")
    assert await road.receive(put) == ["refused already_exists"]


async def test_who_is_refused_for_what_they_are_learns_of_no_job(road):
    async with serving(road) as client:
        await road.receive(offer("A-1"))
        rival = bearer(await make_key(road.database, account="rival-warranty"))
        other = bearer(await make_key(road.database, organization="northshore"))
        await road.gateway.keeper.refresh()
        (tom,) = await road.rows(reference, reference.c.external_id == "tom")
        by_tom = {"user": canonical_id(Kind.USER, tom["number"])}
        for job in ("A-1", "A-404"):
            named = {"job": {"id": job, "source": EVERGREEN}}
            told = (
                await client.patch("/v1/notes/n-1", json={**named, "text": "?"}, headers=rival),
                await client.post("/v1/appointments/V-1/start", json={**named, **by_tom}, headers=other),
            )
            assert [(one.status_code, one.json()["code"]) for one in told] == [
                (403, "not_allowed"),
                (403, "not_your_user"),
            ]
            for answer in told:
                assert "job" not in answer.json()
        for headers in (rival, other):
            kept = (await client.get("/v1/records", headers=headers)).json()["items"]
            assert [one.get("job") for one in kept] == [None, None]
