"""What a customer typed: read as a booking, or answered by a message for each field that needs another look."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from gateway.core.document import stamp
from gateway.core.values import dataclass
from gateway.inbound.http.booking.places import find_country, find_postal_code
from gateway.inbound.phones import find_e164
from gateway.web.bodies import read_body
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.inbound.http.booking.pages import Page

MOST_BYTES = 32 * 1024
MOST_FIELDS = 60
FURTHEST = timedelta(days=365)
CHOICES = (1, 2, 3)
# Nobody sees this field: whoever fills it in fills in everything.
TRAP = "subject"
# By field: how much may be typed.
MOST = {
    "name": 100,
    "phone": 40,
    "email": 254,
    "street_1": 100,
    "street_2": 100,
    "city": 100,
    "postal_code": 12,
    "problem": 5_000,
}
_TITLE = 80
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_AMERICAN_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


class Part(NamedTuple):
    """A part of the day that may suit."""

    label: str
    start: time
    end: time


PARTS = {
    "any": Part("Any time (8 am to 8 pm)", time(8), time(20)),
    "morning": Part("Morning (8 am to 12 pm)", time(8), time(12)),
    "afternoon": Part("Afternoon (12 pm to 5 pm)", time(12), time(17)),
    "evening": Part("Evening (5 pm to 8 pm)", time(17), time(20)),
}


@dataclass(frozen=True, slots=True)
class Faults:
    """What to say beside which field."""

    by_field: Mapping[str, str]


class Fault(NamedTuple):
    """What is wrong with one field."""

    message: str


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form without what nobody types. Ends the request where it is none, or too large."""
    body = await read_body(request, most=MOST_BYTES)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_a_form")
    try:
        fields = parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "too_many_fields") from None
    return {name: _CONTROL.sub("", text).strip() for name, text in reversed(fields)}


def read_booking(typed: Mapping[str, str], page: Page, now: datetime) -> dict[str, Json] | Faults:
    """The members of a `booking.request`, or what to say instead, in the order of the form.

    The same form makes the same members at any time.
    """
    faults: dict[str, str] = {}

    def field(name: str, read: str | Fault | None) -> str | None:
        if isinstance(read, Fault):
            faults[name] = read.message
            return None
        return read

    def text(name: str, missing: str | None = None) -> str | None:
        return field(name, _text(typed.get(name, ""), MOST[name], missing))

    work = field("service_type", _kind_of_work(typed.get("service_type", ""), page))
    problem = text("problem", "Tell us what is wrong, in a few words.")
    name = text("name", "Enter your name.")
    phone = field("phone", _phone(typed.get("phone", ""), page.country))
    email = field("email", _email(typed.get("email", "")))
    street = text("street_1", "Enter the street and number.")
    street_2 = text("street_2")
    city = text("city", "Enter the city.")
    region = typed.get("state", "")
    country = find_country(region)
    if country is None:
        faults["state"] = "Choose the state or province."
    code = field("postal_code", _postal_code(typed.get("postal_code", ""), country or page.country))
    times = _times(typed, page, now, faults)
    if typed.get("consent") != "yes":
        faults["consent"] = "Tick the box: without your consent nobody may call you about the visit."
    if faults:
        return Faults(faults)
    address: dict[str, Json] = {
        "street_1": street,
        "street_2": street_2,
        "city": city,
        "state": region,
        "postal_code": code,
        "country": country,
    }
    customer: dict[str, Json] = {"name": name, "email": email, "phones": [{"number": phone, "primary": True}]}
    booking: dict[str, Json] = {
        "title": _title(problem or ""),
        "description": problem,
        "service_type": work,
        "address": _told(address),
        "customer": _told(customer),
        "suggested_times": times or None,
        "custom_fields": {"consent": page.consent},
    }
    return {**_told(booking), **page.whose}


def _told(members: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in members.items() if value is not None}


def _text(typed: str, most: int, missing: str | None) -> str | Fault | None:
    if not typed:
        return Fault(missing) if missing else None
    if len(typed) > most:
        return Fault(f"This is too long: at most {most:,} characters.")
    return typed


def _phone(typed: str, region: str) -> str | Fault:
    if not typed:
        return Fault("Enter a phone number.")
    number = find_e164(typed, region)
    return number or Fault("Enter a phone number with its area code, such as (218) 555-0100.")


def _email(typed: str) -> str | Fault | None:
    if not typed:
        return None
    if len(typed) > MOST["email"] or not _EMAIL.fullmatch(typed):
        return Fault("Enter an e-mail address such as name@example.com, or leave this empty.")
    return typed


def _postal_code(typed: str, country: str) -> str | Fault:
    code = find_postal_code(typed, country)
    if code is not None:
        return code
    if country == "CA":
        return Fault("Enter the postal code, such as K1A 0B1.")
    return Fault("Enter the ZIP code: five digits, such as 55802.")


def _kind_of_work(typed: str, page: Page) -> str | Fault | None:
    if not page.service_types:
        return None
    known = any(typed == each.code for each in page.service_types)
    return typed if known else Fault("Choose what the visit is about.")


def _times(typed: Mapping[str, str], page: Page, now: datetime, faults: dict[str, str]) -> list[Json]:
    """Windows in UTC, in the order of the customer's choice."""
    times: list[Json] = []
    for choice in CHOICES:
        day, part = typed.get(f"day_{choice}", ""), typed.get(f"part_{choice}", "")
        window = _window(day, part, page, now)
        if isinstance(window, Fault):
            faults[f"day_{choice}"] = window.message
        elif window is not None and window not in times:
            times.append(window)
    return times


def _window(day: str, part: str, page: Page, now: datetime) -> dict[str, Json] | Fault | None:
    if not day:
        return Fault("Choose the day, too.") if part and part != "any" else None
    on, of_day = find_day(day), PARTS.get(part or "any")
    if on is None or of_day is None:
        return Fault("Enter a date as month/day/year, such as 12/31/2027.")
    start, end = (datetime.combine(on, each, page.zone) for each in (of_day.start, of_day.end))
    if end <= now:
        return Fault("That time is over: choose a later one.")
    if start > now + FURTHEST:
        return Fault("That is more than a year away: choose an earlier day.")
    return {"start": stamp(start.astimezone(UTC)), "end": stamp(end.astimezone(UTC))}


def find_day(typed: str) -> date | None:
    """A day as browsers send it, or as people type it where a browser offers no calendar."""
    american = _AMERICAN_DATE.fullmatch(typed)
    try:
        if american:
            return date(int(american[3]), int(american[1]), int(american[2]))
        return date.fromisoformat(typed) if len(typed) == len("2027-12-31") else None
    except ValueError:
        return None


def _title(problem: str) -> str:
    """The first line of what is wrong, cut at a word where it is long."""
    line = problem.partition("\n")[0].strip()
    if len(line) <= _TITLE:
        return line
    return f"{line[: _TITLE - 1].rsplit(' ', 1)[0]}…"
