"""The shapes that messages share: ids, texts, times, people, places, visits. Pydantic; strict about JSON's types.

Every bound on a value is here, so that nothing which a database would choke on passes. Only ids are at most
`MAX_ID` long: the reason `id_too_long` is told by that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    PlainValidator,
    StrictBool,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gateway.core.ids import MAX_NUMBER
from gateway.core.outcomes import Quarantined
from gateway.inbound.moments import read_moment
from gateway.inbound.parsing import find_flaw
from gateway.inbound.unreadable import Unreadable

MAX_ID = 200
MAX_NOTE = 10_000
MAX_DURATION_SECONDS = 31 * 24 * 3600


class Shape(BaseModel):
    """A JSON object whose members are all known."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise PydanticCustomError("wrong_type", "a text is expected")
    moment = read_moment(value)
    if isinstance(moment, datetime):
        return moment
    if moment is Unreadable.TIME_WITHOUT_ZONE:
        raise PydanticCustomError("time_without_zone", "the time must carry its offset from UTC")
    raise PydanticCustomError("bad_time", "an RFC 3339 time of the years 1970 to 9999 is expected")


def _free(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    flaw = find_flaw(value)
    if flaw is not None:
        raise _flawed(flaw)
    return value


def free_list(value: list[JsonValue]) -> list[JsonValue]:
    """A validator for a list of any JSON."""
    flaw = find_flaw(value)
    if flaw is not None:
        raise _flawed(flaw)
    return value


def _flawed(flaw: Quarantined) -> PydanticCustomError:
    where = {"at": flaw.member or ""}
    if flaw.why is Unreadable.TOO_DEEP:
        return PydanticCustomError("too_deep", "nested too deep", where)
    if flaw.why is Unreadable.BAD_TEXT:
        return PydanticCustomError("bad_text", "NUL and lone surrogates are not stored", where)
    return PydanticCustomError("number_out_of_range", "a number of at most 63 bits is expected", where)


IdText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Line = Annotated[str, StringConstraints(max_length=500)]
Text = Annotated[str, StringConstraints(max_length=20_000)]
NoteText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NOTE)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Url = Annotated[str, StringConstraints(max_length=2_000)]
Number = Annotated[int, Field(strict=True, ge=0, le=MAX_NUMBER)]
Money = Annotated[float, Field(strict=True, ge=0, le=1e12, allow_inf_nan=False)]
Seconds = Annotated[int, Field(strict=True, ge=60, le=MAX_DURATION_SECONDS)]
Latitude = Annotated[float, Field(strict=True, ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(strict=True, ge=-180, le=180, allow_inf_nan=False)]
Date = Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Free = Annotated[dict[str, JsonValue], AfterValidator(_free)]
Visible = Literal["private", "public"]
RoleWord = Literal["dispatcher", "technician", "both"]


class Named(Shape):
    """A thing by one source's own id, taken literally; the sender's own where no `source` is named."""

    id: IdText
    source: IdText | None = None


def _form(value: object) -> str | None:
    if isinstance(value, str):
        return "<text>"
    return "<object>" if isinstance(value, dict) else None


# A canonical id (`job-12`), the sender's own id, or an object.
Id = Annotated[
    Annotated[IdText, Tag("<text>")] | Annotated[Named, Tag("<object>")],
    Discriminator(_form),
]


class Address(Shape):
    """A place. Postal codes and states as the country writes them."""

    street_1: Line | None = None
    street_2: Line | None = None
    city: Line | None = None
    state: Line | None = None
    postal_code: Name | None = None
    country: Name | None = None
    timezone: Name | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None


class Phone(Shape):
    """A telephone number; texts go to the primary one."""

    number: Name
    type: Name | None = None
    primary: StrictBool | None = None


class Customer(Shape):
    """Who has the work done: a person or a company."""

    id: IdText | None = None
    name: Line | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    company: Line | None = None
    email: Line | None = None
    phones: Annotated[list[Phone], Field(max_length=20)] | None = None
    address: Address | None = None


class OrganizationMembers(Shape):
    """What may be said of a service company."""

    name: Line | None = None
    phone: Line | None = None
    email: Line | None = None
    address: Address | None = None


class OrganizationNamed(OrganizationMembers):
    """A service company by the gateway's `handle`, by an id, or by its members: then it is matched or created."""

    id: IdText | None = None
    source: IdText | None = None
    handle: IdText | None = None

    @model_validator(mode="after")
    def _says_something(self) -> OrganizationNamed:
        if not self.model_fields_set - {"source"}:
            raise PydanticCustomError("missing_member", "an id, a handle or members are expected", {"at": "id"})
        return self


Organization = Annotated[
    Annotated[IdText, Tag("<text>")] | Annotated[OrganizationNamed, Tag("<object>")],
    Discriminator(_form),
]
CustomerNamed = Annotated[
    Annotated[IdText, Tag("<text>")] | Annotated[Customer, Tag("<object>")],
    Discriminator(_form),
]


class Window(Shape):
    """From when until when."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _runs_forward(self) -> Window:
        if self.end < self.start:
            raise PydanticCustomError("bad_value", "it ends before it starts", {"at": "end"})
        return self


class Machine(Shape):
    """What every sender says alike of a machine."""

    manufacturer: Line | None = None
    model_name: Line | None = None
    model_number: Line | None = None
    serial_number: Line | None = None
    location: Line | None = None
    problem: Text | None = None
    symptom: Text | None = None
    custom_fields: Free | None = None


class Equipment(Machine):
    """A machine that the job is about."""

    type: Line | None = None
    installation_date: Date | None = None


class Task(Shape):
    """What every sender says alike of what is to be done."""

    title: Line | None = None
    description: Text | None = None
    service_type: Line | None = None
    service_instructions: Text | None = None
    symptom: Text | None = None
    custom_fields: Free | None = None


class Details(Task):
    """What is to be done, where and on what. A null takes a member away again."""

    address: Address | None = None
    service_fee: Money | None = None
    service_fee_precollected: StrictBool | None = None
    equipment: Annotated[list[Equipment], Field(max_length=100)] | None = None
    suggested_times: Annotated[list[Window], Field(max_length=3)] | None = None


class NewAppointment(Shape):
    """A first visit, asked for together with what makes the job. `id` is the sender's own for it."""

    id: IdText | None = None
    start: Moment
    duration_seconds: Seconds | None = None
    window: Window | None = None
    technician: Id | None = None
