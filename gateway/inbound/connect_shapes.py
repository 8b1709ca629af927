"""Records of Dispatch Connect, as loosely as its clients write them: unknown members are passed over, numbers taken
for texts, 0 and 1 for booleans. What passes is bounded as everywhere.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from gateway.core.ids import MAX_NUMBER
from gateway.inbound.shapes import (
    MAX_DURATION_SECONDS,
    Address,
    IdText,
    Line,
    Machine,
    Moment,
    Name,
    NoteText,
    Phone,
    Task,
    Text,
    Url,
    free_list,
)

Number = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
FreeList = Annotated[list[JsonValue], Field(max_length=100), AfterValidator(free_list)]


class Record(BaseModel):
    """One object of Connect."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True, hide_input_in_errors=True)


class Sent(Record):
    """What can be a record by itself. Of actions only `post` is known: whatever else it asks for, it is not that."""

    action: Literal["post"] | None = None


# `Record` comes last: it is as loose with what a stricter shape says too.
class Location(Address, Record):
    """A place."""


class PhoneNumber(Phone, Record):
    """A telephone number."""

    primary: bool | None = None


class ConnectCustomer(Record):
    external_id: IdText | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    company_name: Line | None = None
    notes: Text | None = None
    email: Line | None = None
    phone_numbers: Annotated[list[PhoneNumber], Field(max_length=20)] | None = None
    home_address: Location | None = None
    billing_address: Location | None = None


class ConnectOrganization(Sent):
    """`always_create`: it is another one, however like one that is known."""

    id: Number | None = None
    external_id: IdText | None = None
    external_ids: Annotated[list[IdText], Field(max_length=20)] | None = None
    name: Line | None = None
    email: Line | None = None
    phone_number: Line | None = None
    address: Location | None = None
    always_create: bool | None = None


class EquipmentDescription(Machine, Record):
    """A machine that the job is about."""

    equipment_type: Line | None = None
    installation_date: Name | None = None


class SuggestedTime(Record):
    start_time: Moment
    end_time: Moment


class ConnectJob(Task, Sent):
    """`job` v3, and `offer` v2, which names no organization."""

    id: Number | None = None
    external_id: IdText | None = None
    external_ids: Annotated[list[IdText], Field(max_length=20)] | None = None
    organization_id: Number | None = None
    external_organization_id: IdText | None = None
    organization: ConnectOrganization | None = None
    status: Name | None = None
    status_message: Line | None = None
    address: Location | None = None
    customer: ConnectCustomer | None = None
    customer_id: Number | None = None
    service_fee: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] | None = None
    service_fee_precollected: bool | None = None
    equipment_descriptions: Annotated[list[EquipmentDescription], Field(max_length=100)] | None = None
    marketing_attributions: FreeList | None = None
    contacts: FreeList | None = None
    suggested_times: Annotated[list[SuggestedTime], Field(max_length=3)] | None = None
    updated_at: Moment | None = None


class ConnectAppointment(Sent):
    """`appointment` v3. `duration` is in seconds."""

    id: Number | None = None
    external_id: IdText | None = None
    job_id: Number | None = None
    external_job_id: IdText | None = None
    user_id: Number | None = None
    external_user_id: IdText | None = None
    time: Moment | None = None
    duration: Annotated[int, Field(ge=60, le=MAX_DURATION_SECONDS)] | None = None
    status: Name | None = None
    status_message: Line | None = None


class ConnectAttachment(Sent):
    """`attachment` v3: a note; with a file, a photo."""

    job_id: Number | None = None
    external_job_id: IdText | None = None
    description: NoteText | None = None
    file_token: Url | None = None
    visibility: Literal["private", "public"] | None = None


class ConnectUser(Sent):
    """`user` v3."""

    id: Number | None = None
    external_id: IdText | None = None
    organization_id: Number | None = None
    external_organization_id: IdText | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    phone_number: Line | None = None
    email: Line | None = None
    roles: Annotated[list[Literal["dispatcher", "technician"]], Field(max_length=10)] | None = None
    address: Location | None = None
