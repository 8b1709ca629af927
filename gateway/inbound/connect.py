"""Dispatch Connect: what a record of an account or an organization asks for, as far as the record itself says.

Where that depends on how the job stands, the result carries a `Word` for `words.settle`. Fields are named from
`record`. Folding an acceptance with the first appointment of the same request is the HTTP edge's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError

from gateway.core.commands import (
    AcceptOffer,
    AddNote,
    CancelJob,
    Command,
    CompleteJob,
    CreateJob,
    DeclineOffer,
    PauseAppointment,
    PutOrganization,
    PutUser,
    Refs,
    SubmitOffer,
    WithdrawOffer,
)
from gateway.core.ids import Kind
from gateway.core.outcomes import Quarantined, Refused, Why
from gateway.core.parties import Side
from gateway.core.visibility import Private, Visibility
from gateway.inbound import connect_shapes as shapes
from gateway.inbound.building import revision
from gateway.inbound.connect_members import (
    customer_members,
    job_details,
    organization_members,
    other_names,
    point_at_company,
    point_at_job,
    point_at_organization,
    pointer,
    role_of,
    user_members,
)
from gateway.inbound.connect_visits import read_appointment
from gateway.inbound.envelope import Envelope
from gateway.inbound.faults import quarantine_for
from gateway.inbound.parsing import find_flaw
from gateway.inbound.readings import Reading, translated
from gateway.inbound.translated import Translated
from gateway.inbound.unreadable import Unreadable, unreadable
from gateway.inbound.words import Meaning, Word

R = TypeVar("R", bound=shapes.Record)
_Word = tuple[Command, Meaning | None]
Read = Callable[[Envelope, Side], Reading | Quarantined | Refused]


def translate_connect(envelope: Envelope, side: Side) -> Translated | Quarantined | Refused:
    """The command in a Connect envelope without flaw. An account is an enterprise, an organization a provider."""
    known = _RECORDS.get(envelope.type)
    if known is None:
        return unreadable(Unreadable.UNKNOWN_TYPE, "header.record_type")
    version, sides, read_record = known
    if envelope.version != version:
        return unreadable(Unreadable.UNKNOWN_VERSION, "header.version", f"only v{version} is read")
    if side not in sides:
        return Refused(why=Why.NOT_ALLOWED, member="header.record_type")
    flaw = find_flaw(envelope.data, ("record",))  # numbers are taken for texts here: none may have lost its digits
    if flaw is not None:
        return flaw
    try:
        reading = read_record(envelope, side)
    except ValidationError as error:
        return quarantine_for(error, "record")
    return translated(envelope, side, reading) if isinstance(reading, Reading) else reading


def _read_job(envelope: Envelope, side: Side) -> Reading | Quarantined | Refused:
    record = shapes.ConnectJob.model_validate(envelope.data)
    job = point_at_job(record, envelope.source)
    if job is None:
        return unreadable(Unreadable.MISSING_MEMBER, "record.external_id")
    organization = point_at_organization(record, envelope.source)
    customer = record.customer.external_id if record.customer else None
    refs = Refs(
        job=job,
        organization=organization,
        customer=pointer(Kind.CUSTOMER, record.customer_id, customer, envelope.source),
    )
    read = _account_word(record) if side is Side.ENTERPRISE else _organization_word(record)
    if not isinstance(read, tuple):
        return read
    command, meaning = read
    return Reading(
        command=command,
        refs=refs,
        organization_members=organization_members(record.organization) if record.organization else None,
        organization_names=other_names(record.organization, envelope.source) if record.organization else (),
        word=Word(meaning=meaning) if meaning else None,
    )


def _read_offer(envelope: Envelope, side: Side) -> Reading | Quarantined | Refused:
    """`offer` v2 names no organization: the brand's routing finds one."""
    read = _read_job(envelope, side)
    if isinstance(read, Reading) and isinstance(read.command, CreateJob):
        return Refused(why=Why.TRANSITION_NOT_ALLOWED, member="record.status", detail="an offer is offered or canceled")
    return read


def _account_word(record: shapes.ConnectJob) -> _Word | Quarantined | Refused:
    match record.status or "offered":
        case "offered":
            return _offer(record), None
        case "unscheduled":
            return _assigned(record), None
        case "scheduled":
            return _assigned(record), Meaning.ASSIGN_OR_RESTORE
        case "canceled":
            return WithdrawOffer(record.status_message or None), None
        case "paused" | "complete" | "rejected" | "draft":
            return _offer(record), Meaning.AMEND_ONLY
        case _:
            return unreadable(Unreadable.BAD_VALUE, "record.status")


def _organization_word(record: shapes.ConnectJob) -> _Word | Quarantined | Refused:
    """A job under the organization's own number, with its customer, is one that it makes for itself."""
    reason = record.status_message or None
    own = record.id is None and record.customer is not None
    match record.status:
        case None | "unscheduled" | "scheduled" if own:
            return _assigned(record), None
        case None:
            return unreadable(Unreadable.MISSING_MEMBER, "record.status")
        case "unscheduled":
            return AcceptOffer(), Meaning.ACCEPT_OR_NOTHING
        case "scheduled":
            return AcceptOffer(), Meaning.ACCEPT_OR_RESTORE
        case "rejected":
            return DeclineOffer(reason), None
        case "paused":
            return PauseAppointment(reason), Meaning.PAUSE_THE_VISIT
        case "complete":
            return CompleteJob(reason), None
        case "canceled":
            return CancelJob(reason), None
        case "offered" | "draft":
            return Refused(why=Why.TRANSITION_NOT_ALLOWED, member="record.status", detail="not for an organization")
        case _:
            return unreadable(Unreadable.BAD_VALUE, "record.status")


def _offer(record: shapes.ConnectJob) -> SubmitOffer:
    return SubmitOffer(
        details=job_details(record),
        customer=customer_members(record.customer),
        revision=revision(None, record.updated_at),
    )


def _assigned(record: shapes.ConnectJob) -> CreateJob:
    return CreateJob(
        details=job_details(record),
        customer=customer_members(record.customer),
        revision=revision(None, record.updated_at),
    )


def _read_attachment(envelope: Envelope, _: Side) -> Reading | Quarantined | Refused:
    record = shapes.ConnectAttachment.model_validate(envelope.data)
    if record.file_token is not None:
        return Refused(why=Why.PHOTOS_NOT_SUPPORTED, member="record.file_token", detail="photos are not taken yet")
    job = pointer(Kind.JOB, record.job_id, record.external_job_id, envelope.source)
    if job is None:
        return unreadable(Unreadable.MISSING_MEMBER, "record.job_id")
    if record.description is None:
        return unreadable(Unreadable.MISSING_MEMBER, "record.description")
    visibility = Visibility(record.visibility) if record.visibility else None
    return Reading(
        command=AddNote(text=Private(record.description), visibility=visibility),
        refs=Refs(job=job),
        repeat_by_text=envelope.id is None,
    )


def _read_organization(envelope: Envelope, side: Side) -> Reading | Quarantined | Refused:
    record = shapes.ConnectOrganization.model_validate(envelope.data)
    organization, members = point_at_company(record, envelope.source), organization_members(record)
    if organization is None and not members and side is Side.ENTERPRISE:
        return unreadable(Unreadable.MISSING_MEMBER, "record.external_id")
    return Reading(
        command=PutOrganization(members),
        refs=Refs(organization=organization),
        organization_names=other_names(record, envelope.source) if side is Side.ENTERPRISE else (),
    )


def _read_user(envelope: Envelope, _: Side) -> Reading | Quarantined | Refused:
    record = shapes.ConnectUser.model_validate(envelope.data)
    user = pointer(Kind.USER, record.id, record.external_id, envelope.source)
    if user is None:
        return unreadable(Unreadable.MISSING_MEMBER, "record.external_id")
    organization = pointer(Kind.ORGANIZATION, record.organization_id, record.external_organization_id, envelope.source)
    return Reading(
        command=PutUser(members=user_members(record), role=role_of(record.roles)),
        refs=Refs(technician=user, organization=organization),
    )


_BOTH = frozenset({Side.ENTERPRISE, Side.PROVIDER})
_RECORDS: dict[str, tuple[int, frozenset[Side], Read]] = {
    "job": (3, _BOTH, _read_job),
    "offer": (2, frozenset({Side.ENTERPRISE}), _read_offer),
    "appointment": (3, _BOTH, read_appointment),
    "attachment": (3, _BOTH, _read_attachment),
    "organization": (3, _BOTH, _read_organization),
    "user": (3, _BOTH, _read_user),
}
