"""What a customer typed, field by field: what is said beside it, and what becomes of it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.inbound.http.booking.form import Faults, read_booking
from gateway.inbound.http.booking.pages import Page
from gateway.mapping.booking_page import WorkOffered
from tests.booking import FILLED

# A Friday noon in Duluth.
NOON = datetime(2027, 3, 12, 18, 0, tzinfo=UTC)


def page(**changed) -> Page:
    usual = {
        "slug": "harborline",
        "title": "Harborline",
        "phone": None,
        "intro": None,
        "consent": "I agree.",
        "zone": ZoneInfo("America/Chicago"),
        "country": "US",
        "service_types": (WorkOffered(code="appliance", label="Appliance"),),
        "frame_ancestors": (),
        "whose": {"brand": "harborline"},
        "organization": None,
    }
    return Page(**{**usual, **changed})


def read(*, at=NOON, on=None, **typed):
    return read_booking({**FILLED, **typed}, on or page(), at)


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("name", "", "Enter your name."),
        ("name", "x" * 101, "This is too long: at most 100 characters."),
        ("phone", "", "Enter a phone number."),
        ("phone", "555-01", "Enter a phone number with its area code, such as (218) 555-0100."),
        ("phone", "call me", "Enter a phone number with its area code, such as (218) 555-0100."),
        ("phone", "2" * 1000, "Enter a phone number with its area code, such as (218) 555-0100."),
        ("email", "bo@", "Enter an e-mail address such as name@example.com, or leave this empty."),
        ("email", "bo@example", "Enter an e-mail address such as name@example.com, or leave this empty."),
        ("email", "b o@example.com", "Enter an e-mail address such as name@example.com, or leave this empty."),
        ("email", f"{'x' * 250}@example.com", "Enter an e-mail address such as name@example.com, or leave this empty."),
        ("street_1", "", "Enter the street and number."),
        ("street_2", "x" * 101, "This is too long: at most 100 characters."),
        ("city", "", "Enter the city."),
        ("state", "", "Choose the state or province."),
        ("state", "ZZ", "Choose the state or province."),
        ("postal_code", "5580", "Enter the ZIP code: five digits, such as 55802."),
        ("postal_code", "٥٥٨٠٢", "Enter the ZIP code: five digits, such as 55802."),
        ("service_type", "", "Choose what the visit is about."),
        ("service_type", "roofing", "Choose what the visit is about."),
        ("problem", "", "Tell us what is wrong, in a few words."),
        ("problem", "x" * 5001, "This is too long: at most 5,000 characters."),
        ("day_1", "tomorrow", "Enter a date as month/day/year, such as 12/31/2027."),
        ("day_1", "20270315", "Enter a date as month/day/year, such as 12/31/2027."),
        ("day_2", "2027-02-30", "Enter a date as month/day/year, such as 12/31/2027."),
        ("day_2", "13/01/2027", "Enter a date as month/day/year, such as 12/31/2027."),
        ("day_3", "2027-03-11", "That time is over: choose a later one."),
        ("day_3", "0001-01-01", "That time is over: choose a later one."),
        ("day_1", "2028-03-14", "That is more than a year away: choose an earlier day."),
        ("day_1", "9999-12-31", "That is more than a year away: choose an earlier day."),
        ("consent", "", "Tick the box: without your consent nobody may call you about the visit."),
        ("consent", "no", "Tick the box: without your consent nobody may call you about the visit."),
    ],
)
def test_what_cannot_be_taken_is_told(field, typed, message):
    assert read(**{field: typed}) == Faults({field: message})


def test_a_time_of_day_asks_for_its_day():
    assert read(part_2="evening") == Faults({"day_2": "Choose the day, too."})
    assert "suggested_times" not in read(part_2="any")


def test_a_time_of_day_that_is_none_is_not_taken():
    assert "day_1" in read(day_1="2027-03-15", part_1="midnight").by_field


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("(218) 555-0123", "+12185550123"),
        ("218.555.0123", "+12185550123"),
        ("1-218-555-0123", "+12185550123"),
        ("+44 20 7946 0018", "+442079460018"),
        ("218 555 0123 ext. 7", "+12185550123"),
    ],
)
def test_a_phone_number_is_kept_in_one_form(written, number):
    assert read(phone=written)["customer"]["phones"] == [{"number": number, "primary": True}]


def test_a_canadian_page_takes_canadian_addresses_as_they_are_written_there():
    on = page(country="CA")
    assert read(state="ON", postal_code="k1a0b1", on=on)["address"]["postal_code"] == "K1A 0B1"
    assert read(state="ON", on=on) == Faults({"postal_code": "Enter the postal code, such as K1A 0B1."})
    assert read(state="ON", postal_code="K1A-0B1")["address"]["country"] == "CA", "an American page, too"
    assert read(postal_code="55802-1234", on=on)["address"]["postal_code"] == "55802"


def test_what_need_not_be_told_is_left_out():
    told = read(email="", street_2="", on=page(service_types=()))
    assert "email" not in told["customer"]
    assert "street_2" not in told["address"]
    assert not told.keys() & {"service_type", "suggested_times"}


def test_times_are_those_of_the_pages_zone():
    on = page(zone=ZoneInfo("America/Los_Angeles"))
    assert read(day_1="03/13/2027", part_1="morning", on=on)["suggested_times"] == [
        {"start": "2027-03-13T16:00:00Z", "end": "2027-03-13T20:00:00Z"}
    ]


def test_a_time_given_twice_is_one_time():
    twice = {"day_1": "2027-03-15", "part_1": "morning", "day_3": "03/15/2027", "part_3": "morning"}
    assert len(read(**twice)["suggested_times"]) == 1


def test_the_same_form_says_the_same_later():
    typed = {"day_1": "2027-04-01", "part_1": "evening"}
    assert read(**typed) == read(at=datetime(2027, 3, 20, tzinfo=UTC), **typed)


def test_a_long_first_line_is_cut_at_a_word():
    title = read(problem=f"{'leaking ' * 20}\nbadly")["title"]
    assert len(title) <= 80
    assert title.endswith("leaking…")
    assert read(problem="x" * 200)["title"] == f"{'x' * 79}…"


def test_faults_are_told_in_the_order_of_the_form():
    told = read_booking({"day_1": "tomorrow"}, page(), NOON)
    assert list(told.by_field) == [
        *("service_type", "problem", "name", "phone", "street_1", "city", "state", "postal_code", "day_1", "consent"),
    ]
