"""Connect's messages read as strict clients read them: members of fixed types, into none of which a null fits.

A member without a default is one that such a client reaches into without asking.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, StringConstraints

from gateway.core.document import KeptJob
from gateway.core.values import replace
from gateway.core.visibility import Audience
from gateway.mapping.connect_entities import milliseconds
from gateway.mapping.connect_out import Entity, parts, put
from gateway.mapping.examples import examples

Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class Strict(BaseModel):
    """What it does not know it passes over."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Address(Strict):
    street_1: str = ""
    street_2: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    timezone: str = ""
    latitude: float = 0.0
    longitude: float = 0.0


class Customer(Strict):
    first_name: str
    last_name: str
    email: str
    city: str
    phone_number: str


class Equipment(Strict):
    manufacturer: str = ""
    model_number: str = ""
    serial_number: str = ""
    equipment_type: str = ""
    installation_date: str = ""


class Job(Strict):
    id: int
    title: str
    status: str
    created_at: Moment
    updated_at: Moment
    address: Address
    customer: Customer
    equipment_descriptions: list[Equipment]
    external_id: str = ""
    external_ids: list[str]
    service_type: str = ""
    service_fee: float = 0.0
    service_fee_pre_collected: float = 0.0
    symptom: str = ""
    timezone: str = ""
    custom_fields: dict[str, object]
    status_message: str = ""


class Appointment(Strict):
    id: int
    status: str
    job_id: int
    start_time: Moment
    end_time: Moment
    status_message: str = ""


class OfferedJob(Strict):
    external_id: str = ""


class Offer(Strict):
    status: str
    job_id: int
    job: OfferedJob
    status_message: str = ""


class Attachment(Strict):
    id: int = 0
    job_id: int
    description: str


READERS = {Entity.JOB: Job, Entity.APPOINTMENT: Appointment, Entity.OFFER: Offer, Entity.ATTACHMENT: Attachment}

WHOLE = {
    "title": "Dishwasher does not drain",
    "service_type": "dishwasher",
    "symptom": "hums",
    "service_fee": 89,
    "service_fee_precollected": False,
    "address": {
        "street_1": "214 Alder Street",
        "street_2": "2",
        "city": "Duluth",
        "state": "MN",
        "postal_code": "55802",
        "country": "United States",
        "timezone": "America/Chicago",
        "latitude": 46,
        "longitude": -92.1,
    },
    "customer": {"name": "Jordan Ellis", "email": "jordan@example.org", "phones": [{"number": "555-0100"}]},
    "equipment": [
        {
            "type": "dishwasher",
            "manufacturer": "Borea",
            "model_number": "D-1",
            "serial_number": "77",
            "installation_date": "2021-04-01",
        }
    ],
    "suggested_times": [{"start": "2026-03-03T15:00:00.5Z", "end": "2026-03-03T17:00:00Z"}],
    "custom_fields": {"gate": "4411"},
}
NULLS = {
    **dict.fromkeys(WHOLE),
    "address": dict.fromkeys(WHOLE["address"]),
    "customer": {"name": None, "phones": [{"number": None, "type": None}]},
    "equipment": [{"manufacturer": None, "serial_number": "5"}],
}
FULL = KeptJob(
    number=1041,
    external_id="WO-88213",
    status="offered",
    closure=None,
    details=WHOLE,
    created_at=datetime(2026, 3, 1, 8, 0, 0, 123456, tzinfo=UTC),
)
KEPT = {"whole": FULL, "nulls": replace(FULL, details=NULLS), "empty": replace(FULL, details={}), "gone": None}
ALL = [one for one in examples() if one.audience is not Audience.CUSTOMER]


def entities(one, audience, kept, **changed):
    stored = replace(one.stored, body={**one.stored.body, **changed})
    for part in parts(stored, audience):
        yield part.entity, put(part, stored, audience=audience, kept=kept, note_text=one.note_text)["Put"][part.entity]


def has_null(value):
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(has_null, members))


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("audience", [Audience.ENTERPRISE, Audience.PROVIDER])
@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.stored.type}-{one.name}")
def test_clients_with_fixed_types_read_every_message_and_no_member_is_null(one, audience, kept):
    for entity, members in entities(one, audience, KEPT[kept]):
        assert not has_null(members)
        if entity in READERS:
            READERS[entity].model_validate(members)


def test_such_clients_find_every_member_that_they_know_of_a_job_of_which_everything_is_known():
    accepted = next(one for one in ALL if one.stored.type == "job.accepted")
    job = dict(entities(accepted, Audience.PROVIDER, FULL))[Entity.JOB]
    read = Job.model_validate(job)
    assert Job.model_fields.keys() - read.model_fields_set == {"status_message"}
    assert read.address.model_fields_set == Address.model_fields.keys()
    assert read.equipment_descriptions[0].model_fields_set == Equipment.model_fields.keys()
    assert (read.service_fee, read.service_fee_pre_collected) == (89.0, 0.0)
    assert (read.created_at, read.customer.phone_number) == ("2026-03-01T08:00:00.123Z", "555-0100")
    assert job["suggested_times"][0]["start_time"] == "2026-03-03T15:00:00.500Z"


def test_an_unknown_fee_is_left_out_and_not_nothing_to_pay():
    accepted = next(one for one in ALL if one.stored.type == "job.accepted")
    for kept in ("nulls", "empty"):
        job = dict(entities(accepted, Audience.PROVIDER, KEPT[kept]))[Entity.JOB]
        assert not {"service_fee", "service_fee_precollected", "service_fee_pre_collected"} & job.keys()


def test_a_job_without_an_external_id_has_an_empty_list_of_them():
    accepted = next(one for one in ALL if one.stored.type == "job.accepted")
    nameless = {**accepted.stored.body["job"], "external_id": None}
    job = dict(entities(accepted, Audience.PROVIDER, FULL, job=nameless))[Entity.JOB]
    assert (job["external_ids"], "external_id" in job) == ([], False)


def test_moments_are_told_in_utc_whatever_they_were_given_in():
    there = datetime(2026, 3, 1, 8, 0, tzinfo=timezone(timedelta(hours=-6)))
    assert milliseconds(there) == "2026-03-01T14:00:00.000Z"
