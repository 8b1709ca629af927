"""What a booking page lets nobody do: send what it did not hand out, or more than its share. On real databases."""

from datetime import timedelta

import pytest

from gateway.inbound.http.booking.desk import Limits
from gateway.inbound.http.booking.tokens import FORM_LIVES
from gateway.store import tables
from tests.booking import FILLED, NOON, OTHER_KEY, Visitor, fields_of, parsed, said
from tests.edge import serving
from tests.keys import SEALING_KEY


@pytest.fixture
async def client(road, desk):
    async with serving(road, booking=desk) as client:
        yield client


async def jobs(road):
    return await road.rows(tables.job)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "",
        lambda token: "nonsense",
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: "0000-0000-0000" + token[14:],
        lambda token: token.replace(".", ".9", 1),
        lambda token: f"{token}é",
    ],
    ids=["none", "nonsense", "signature", "number", "time", "letters"],
)
async def test_a_token_that_the_page_did_not_make_is_not_taken_and_nothing_typed_is_lost(road, visitor, spoil):
    token = fields_of(await visitor.open())["token"]
    answer = await visitor.send({**FILLED, "token": spoil(token)})
    assert answer.status_code == 403
    assert "Your request has not been sent" in said(answer)
    assert await jobs(road) == []
    kept = fields_of(answer)
    assert kept.items() >= FILLED.items()
    assert (await visitor.send(kept)).status_code == 303, "with the token that came instead"


async def test_a_token_is_good_on_its_own_page_only(road, client):
    foreign = fields_of(await Visitor(client, "maplegrove").open())["token"]
    assert (await Visitor(client).send({**FILLED, "token": foreign})).status_code == 403
    assert await jobs(road) == []


async def test_a_form_may_be_open_for_hours_and_not_for_days(visitor, clock):
    form = {**FILLED, "token": fields_of(await visitor.open())["token"]}
    clock.now = NOON + FORM_LIVES + timedelta(seconds=1)
    assert (await visitor.send(form)).status_code == 403
    clock.now = NOON + FORM_LIVES
    assert (await visitor.send(form)).status_code == 303


async def test_forms_and_links_of_an_older_key_are_good_while_it_is_kept(road, desk):
    async with serving(road, booking=lambda gathering: desk(gathering, keys=(OTHER_KEY,))) as client:
        form = {**FILLED, "token": fields_of(await Visitor(client).open())["token"]}
    async with serving(road, booking=lambda gathering: desk(gathering, keys=(SEALING_KEY, OTHER_KEY))) as client:
        assert (await Visitor(client).send(form)).status_code == 303
    async with serving(road, booking=desk) as client:
        assert (await Visitor(client).send(form)).status_code == 403


async def test_an_address_may_book_so_often_in_an_hour(road, desk, clock):
    def make(gathering):
        return desk(gathering, limits=Limits(per_address=2))

    async with serving(road, booking=make) as client:
        visitor = Visitor(client)
        assert (await visitor.book(name="")).status_code == 422, "what is not taken does not count"
        assert [(await visitor.book()).status_code for _ in range(3)] == [303, 303, 429]
        answer = await visitor.book()
        assert answer.headers["Retry-After"] == "3600"
        assert "Too many requests" in said(answer)
        assert "(218) 555-0142" in parsed(answer).by_id["summary"]
        assert fields_of(answer)["problem"] == FILLED["problem"]
        async with serving(road, booking=make, address="203.0.113.9") as elsewhere:
            assert (await Visitor(elsewhere).book()).status_code == 303
        # Counted for all processes together.
        async with serving(road, booking=make) as other_process:
            assert (await Visitor(other_process).book()).status_code == 429
        clock.now = NOON + timedelta(hours=1)
        assert (await visitor.book()).status_code == 303
    assert {row["hour"] for row in await road.rows(tables.metadata.tables["booking_count"])} == {
        int(clock.now.timestamp()) // 3600
    }


async def test_a_network_of_the_sixth_version_counts_as_one_address(road, desk):
    def make(gathering):
        return desk(gathering, limits=Limits(per_address=1))

    ends = []
    for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
        async with serving(road, booking=make, address=address) as client:
            ends.append((await Visitor(client).book()).status_code)
    assert ends == [303, 429, 303]


async def test_a_page_takes_so_many_bookings_in_an_hour(road, desk):
    def make(gathering):
        return desk(gathering, limits=Limits(per_page=1))

    async with serving(road, booking=make) as client:
        assert (await Visitor(client).book()).status_code == 303
        assert (await Visitor(client).book()).status_code == 429
        other = await Visitor(client, "maplegrove").book()
    assert other.status_code == 409, "nobody is routed to there, but the page has not had its share"


async def test_addresses_are_not_kept(road, desk):
    async with serving(road, booking=desk, address="203.0.113.9") as client:
        await Visitor(client).book()
    kept = await road.rows(tables.metadata.tables["booking_count"])
    assert len(kept) == 2
    assert "203.0.113.9" not in str(kept)
