"""The page that tells a customer how the request stands: it follows the job, and shows nothing that is not theirs."""

import pytest

from gateway.core.ids import Kind, canonical_id
from tests.booking import FILLED, LAKESIDES_PAGE, Visitor, fields_of, said
from tests.inbound import LAKESIDE, enterprise, provider

# Nine in the morning in Duluth.
NINE = "2027-01-05T15:00:00Z"


@pytest.fixture
async def booked(road, client):
    """A booking at Harborline, which routes it to Lakeside."""
    return await Booked.at(road, Visitor(client))


class Booked:
    """One booking: its state page, and what its parties do about it."""

    def __init__(self, road, visitor, address):
        self.road, self.visitor, self.address = road, visitor, address

    @classmethod
    async def at(cls, road, visitor, **changed):
        answer = await visitor.book(**changed)
        return cls(road, visitor, answer.url.join(answer.headers["Location"]))

    async def look(self):
        answer = await self.visitor.client.get(self.address, params={})
        assert answer.status_code == 200
        return answer

    async def job_id(self):
        [[job]] = (await self.road.jobs()).values()
        return canonical_id(Kind.JOB, job["number"])

    async def act(self, kind, **told):
        """What the provider does to the job or, where `appointment` is named, to the visit."""
        subject = None if isinstance(told.get("appointment"), str) else await self.job_id()
        assert await self.road.receive(provider(kind, subject, **told)) == ["applied"], kind

    async def is_told(self, label, colour):
        page = await self.look()
        assert f'<span class="label {colour}">{label}</span>' in page.text, said(page)
        return said(page)


async def test_the_page_follows_the_job(booked):
    told = await booked.is_told("Waiting for an answer", "green")
    assert "Lakeside" not in told, "who comes is told once somebody has said so"
    await booked.act("offer.accept")
    assert "Who comes Lakeside Appliance" in await booked.is_told("Accepted", "red")
    window = {"start": NINE, "end": "2027-01-05T18:00:00Z"}
    await booked.act("appointment.add", id="V-1", start=NINE, window=window)
    told = await booked.is_told("Scheduled", "blue")
    assert "Tuesday, January 5, 2027 , arrival between 9:00 am and 12:00 pm Scheduled" in told
    assert "(Chicago)" in told
    await booked.act("appointment.on_my_way", appointment="V-1")
    await booked.is_told("On the way", "orange")
    await booked.act("appointment.start", appointment="V-1")
    await booked.is_told("Under way", "orange")
    await booked.act("appointment.pause", appointment="V-1", reason="WFP")
    await booked.is_told("On hold", "yellow")
    await booked.act("appointment.add", id="V-2", start="2027-01-07T20:30:00Z")
    told = await booked.is_told("Scheduled", "blue")
    assert "Thursday, January 7, 2027 , 2:30 pm Scheduled" in told
    await booked.act("appointment.complete", appointment="V-2", reason="REP")
    told = await booked.is_told("Finished", "gray")
    assert "Send another request" in told


async def test_a_visit_that_is_off_is_not_shown(booked):
    await booked.act("offer.accept", appointment={"id": "V-1", "start": NINE})
    assert "January 5" in (await booked.is_told("Scheduled", "blue"))
    await booked.act("appointment.cancel", appointment="V-1", reason="C-CUST")
    assert "January" not in said(await booked.look())
    await booked.act("job.cancel", reason="C-CUST")
    await booked.is_told("Canceled", "gray")


async def test_notes_reasons_and_people_are_never_on_the_page(booked):
    await booked.act("offer.accept", appointment={"id": "V-1", "start": NINE, "technician": "tom"})
    for number, visibility in enumerate(("private", "public")):
        await booked.act("note.add", id=f"N-{number}", text=f"Smells of {visibility} smoke", visibility=visibility)
    note = enterprise("note.add", await booked.job_id(), id="N-9", text="A difficult smoker")
    assert await booked.road.receive(note) == ["applied"]
    await booked.act("appointment.pause", appointment="V-1", reason="AUT", user="tom")
    told = (await booked.look()).text.partition("<body")[2]
    assert not [word for word in ("smok", "Smell", "AUT", "authorization", "Tom", "tom") if word in told]
    customer = ("Bo Berg", "555-0123", "bo@example.com", "Lake Avenue", "leaks")
    assert not [word for word in customer if word in told], "the address of the page alone opens it"


async def test_what_is_declined_and_offered_to_somebody_else_is_told_of_by_the_same_page(road, booked):
    assert await road.receive(provider("organization.put", None, source="northshore", name="Northshore")) == ["applied"]
    await booked.act("offer.decline", reason="D-CAP")
    told = await booked.is_told("Not accepted", "none")
    assert "capacity" not in told
    job = await booked.job_id()
    anew = enterprise("offer.submit", job, organization={"handle": "northshore"}, revision=2)
    assert await road.receive(anew) == ["applied"]
    await booked.is_told("Waiting for an answer", "green")
    second = canonical_id(Kind.JOB, (await road.jobs())[reference_on(await booked.look())][-1]["number"])
    assert await road.receive(provider("offer.accept", second, source="northshore")) == ["applied"]
    assert "Who comes Northshore" in await booked.is_told("Accepted", "red")


def reference_on(answer):
    return said(answer).partition("Reference ")[2].split(" ")[0]


async def test_what_is_corrected_after_it_was_declined_is_a_new_offer_on_the_same_page(road, client):
    assert await road.receive(provider("organization.put", None, handle=LAKESIDE, booking_page=LAKESIDES_PAGE)) == [
        "applied"
    ]
    visitor = Visitor(client, LAKESIDE)
    form = {**FILLED, "token": fields_of(await visitor.open())["token"]}
    answer = await visitor.send(form)
    booked = Booked(road, visitor, answer.url.join(answer.headers["Location"]))
    await booked.act("offer.decline", reason="No time")
    assert "No time" not in await booked.is_told("Not accepted", "none")
    await visitor.send({**form, "problem": "It can wait a month."})
    await booked.is_told("Waiting for an answer", "green")


async def test_a_link_that_the_page_did_not_make_opens_nothing(client, booked):
    token = booked.address.path.rpartition("/")[2]
    number, _, signature = token.rpartition(".")
    form = fields_of(await booked.visitor.open())["token"]
    guesses = ("x", number, f"{number}.", f"0000-0000-0000.{signature}", f"{token}A", form, f"{token}%C3%A9")
    for guess in guesses:
        answer = await client.get(f"/book/harborline/requests/{guess}")
        assert (answer.status_code, number in answer.text) == (404, False), guess
    assert (await client.get(f"/book/maplegrove/requests/{token}")).status_code == 404
    assert (await client.get(f"/book/harborline/requests/{token}")).status_code == 200


async def test_what_parties_call_themselves_does_not_become_part_of_the_page(road, client):
    evil = "<script>alert(1)</script>{{ 97*89 }}"
    told = {**LAKESIDES_PAGE, "title": evil, "intro": evil, "consent": evil, "phone": evil}
    assert await road.receive(provider("organization.put", None, handle=LAKESIDE, name=evil, booking_page=told)) == [
        "applied"
    ]
    booked = await Booked.at(road, Visitor(client, LAKESIDE))
    await booked.act("offer.accept")
    for page in (await booked.look(), await booked.visitor.open(), await booked.visitor.book(name="")):
        assert "<script" not in page.text
        assert "8633" not in page.text
    assert f"Who comes {evil}" in said(await booked.look())
