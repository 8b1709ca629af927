"""From an envelope to a command: the one way in for CloudEvents; Connect's records go on to `connect`.

Quarantined: the content cannot be read as the message it claims to be. Refused: it can, and is not allowed; only what
no state is needed for is refused here. Nothing is raised.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from gateway.core.commands import Command, CreateJob, PutOrganization, Refs
from gateway.core.ids import Kind, Ref, find_number
from gateway.core.outcomes import Quarantined, Refused, Why
from gateway.core.parties import Json, Side
from gateway.inbound.building import Scene
from gateway.inbound.catalogue import CATALOGUE, PHOTOS, VERSION, MessageType
from gateway.inbound.connect import translate_connect
from gateway.inbound.envelope import Envelope, Form
from gateway.inbound.faults import quarantine_for
from gateway.inbound.references import Pointer, agree, point, point_at_customer, point_at_organization
from gateway.inbound.translated import Translated, digest_of
from gateway.inbound.unreadable import Unreadable, unreadable


def translate(envelope: Envelope, side: Side, arrived_at: datetime) -> Translated | Quarantined | Refused:
    """The command in `envelope`, sent by `side`; `arrived_at` stands in where no time of happening was given."""
    if envelope.flaw is not None:
        return envelope.flaw
    if envelope.form is Form.CONNECT:
        return translate_connect(envelope, side)
    message = _find_message(envelope, side)
    return _translate(envelope, message, side, arrived_at) if isinstance(message, MessageType) else message


def _find_message(envelope: Envelope, side: Side) -> MessageType | Quarantined | Refused:
    if envelope.type in PHOTOS:
        return Refused(why=Why.PHOTOS_NOT_SUPPORTED, member="type", detail="photos are not taken yet")
    message = CATALOGUE.get(envelope.type)
    if message is None:
        return unreadable(Unreadable.UNKNOWN_TYPE, "type")
    if envelope.version != VERSION:
        return unreadable(Unreadable.UNKNOWN_VERSION, "type", f"only version {VERSION} is read")
    if side not in message.sides:
        return Refused(why=Why.NOT_ALLOWED, member="type", detail=f"not for a {side.value.replace('_', ' ')} to send")
    return message


def _translate(
    envelope: Envelope, message: MessageType, side: Side, arrived_at: datetime
) -> Translated | Quarantined | Refused:
    content, source = envelope.data, envelope.source
    try:
        command, occurred_at = message.build(
            Scene(
                content=content,
                source=source,
                sent_at=envelope.time or arrived_at,
                by_gateway=side is Side.GATEWAY,
            )
        )
    except ValidationError as error:
        return quarantine_for(error, "data")
    about = agree(message.subject, envelope.subject, content.get(message.member), source, message.member)
    if isinstance(about, Quarantined):
        return about
    organization, members = point_at_organization(content.get("organization"), source)
    visit = _visit_of(content)
    refs = _refs(envelope, message, about, organization, visit.get("technician"))
    wrong = _find_wrong(envelope, message, side, command, refs)
    if wrong is not None:
        return wrong
    return Translated(
        command=command,
        refs=refs,
        side=Side.SURVEYS if envelope.type == "survey.answer" else side,
        source=source,
        message_id=envelope.id,
        digest=digest_of(envelope.type, envelope.version, envelope.subject, content),
        occurred_at=occurred_at or envelope.time,
        person=_text(content.get("person")),
        new_visit=_own(Kind.APPOINTMENT, visit, source),
        new_note=_own(Kind.NOTE, content, source) if envelope.type == "note.add" else None,
        organization_members=members,
        brand=_text(content.get("brand")),
    )


def _visit_of(content: dict[str, Json]) -> dict[str, Json]:
    """Where the new visit's members stand: in `appointment` where that is an object with a start, else at the top."""
    nested = content.get("appointment")
    if isinstance(nested, dict) and "start" in nested:
        return nested
    return content if "start" in content or "technician" in content else {}


def _refs(envelope: Envelope, message: MessageType, about: Pointer, organization: Pointer, technician: Json) -> Refs:
    content, source = envelope.data, envelope.source
    kind = message.subject
    nested = content.get("appointment")
    visit = None if isinstance(nested, dict) and "start" in nested else nested
    return Refs(
        job=about if kind is Kind.JOB else None,
        appointment=point(Kind.APPOINTMENT, visit, source),
        organization=about if kind is Kind.ORGANIZATION else organization,
        technician=about if kind is Kind.USER else point(Kind.USER, technician, source),
        user=point(Kind.USER, content.get("user"), source),
        customer=point_at_customer(content.get("customer"), source)[0],
        note=point(Kind.NOTE, content.get("note"), source),
    )


def _find_wrong(
    envelope: Envelope, message: MessageType, side: Side, command: Command, refs: Refs
) -> Quarantined | Refused | None:
    content = envelope.data
    if content.get("person") is not None and side is not Side.ENTERPRISE:
        return unreadable(Unreadable.UNKNOWN_MEMBER, "data.person", "an enterprise names its people; others a user")
    if refs.user is not None and side is not Side.PROVIDER:
        return unreadable(Unreadable.UNKNOWN_MEMBER, "data.user", "a provider names its users; an enterprise a person")
    canonical = _find_canonical(envelope.type, content)
    if canonical is not None:
        return unreadable(Unreadable.BAD_VALUE, canonical, "an own id must not look like one of the gateway's")
    if message.needs_id and envelope.id is None:
        return Refused(why=Why.MESSAGE_ID_REQUIRED, member="id", detail="repeats could not be told apart")
    if _lacks_subject(envelope, side, command, refs):
        return unreadable(Unreadable.MISSING_MEMBER, "subject")
    return None


def _lacks_subject(envelope: Envelope, side: Side, command: Command, refs: Refs) -> bool:
    """Whether nothing says what the message is about.

    A visit or a note implies its job; a provider's own job may do with a message id; an organization's own system may
    mean its own, and an enterprise one that is told by its members.
    """
    if refs.job is not None or refs.appointment is not None or refs.note is not None:
        return False
    if isinstance(command, CreateJob) and side is Side.PROVIDER:
        return envelope.id is None
    if isinstance(command, PutOrganization):
        return refs.organization is None and not command.members
    return refs.technician is None or CATALOGUE[envelope.type].subject is not Kind.USER


def _find_canonical(kind: str, content: dict[str, Json]) -> str | None:
    """The field of an id that the sender gives to a new visit or note, where it has the form of a canonical one."""
    if kind == "note.add":
        return "data.id" if _is_canonical(Kind.NOTE, content) else None
    if kind == "appointment.add":
        return "data.id" if _is_canonical(Kind.APPOINTMENT, content) else None
    return "data.appointment.id" if _is_canonical(Kind.APPOINTMENT, _visit_of(content)) else None


def _is_canonical(kind: Kind, content: dict[str, Json]) -> bool:
    own = content.get("id")
    return isinstance(own, str) and find_number(kind, own) is not None


def _own(kind: Kind, content: dict[str, Json], source: str) -> Ref | None:
    own = content.get("id")
    return Ref(kind, source, own) if isinstance(own, str) else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
