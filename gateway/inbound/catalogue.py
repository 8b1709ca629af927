"""Every inbound message of version 1: its model, its builder, who may send it, and what its subject is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from gateway.core.commands import Command
from gateway.core.ids import Kind
from gateway.core.parties import Side
from gateway.core.values import dataclass
from gateway.inbound import building, messages, messages_parties, messages_visits
from gateway.inbound.building import Scene
from gateway.inbound.messages import Dated

VERSION = 1
PHOTOS = frozenset({"photo.add", "photo.set_visibility"})

M = TypeVar("M", bound=Dated)
Built = tuple[Command, datetime | None]


@dataclass(frozen=True, slots=True)
class MessageType:
    """`build` validates the content (raising pydantic's error), makes the command and tells when it happened.

    `subject` is the kind that the envelope's subject names, `member` the member of `data` that may name it instead.
    `needs_id`: repeats cannot be told apart without a message id.
    """

    model: type[Dated]
    build: Callable[[Scene], Built]
    sides: frozenset[Side]
    subject: Kind = Kind.JOB
    member: str = "job"
    needs_id: bool = False


def _message(
    model: type[M],
    builder: Callable[[M, Scene], Command],
    *sides: Side,
    subject: Kind = Kind.JOB,
    needs_id: bool = False,
) -> MessageType:
    member = "job" if subject is Kind.JOB else "id"
    build = _reader(model, builder)
    return MessageType(model, build, frozenset(sides), subject, member, needs_id)


def _reader(model: type[M], builder: Callable[[M, Scene], Command]) -> Callable[[Scene], Built]:
    def build(scene: Scene) -> Built:
        message = model.model_validate(scene.content)
        return builder(message, scene), message.occurred_at

    return build


_E, _P, _G = Side.ENTERPRISE, Side.PROVIDER, Side.GATEWAY

CATALOGUE: dict[str, MessageType] = {
    "offer.submit": _message(messages.OfferSubmit, building.offer, _E),
    "offer.withdraw": _message(messages.OfferWithdraw, building.withdrawal, _E),
    "offer.accept": _message(messages.OfferAccept, building.acceptance, _P),
    "offer.decline": _message(messages.OfferDecline, building.decline, _P),
    "job.create": _message(messages.JobCreate, building.job, _E, _P),
    "job.complete": _message(messages.JobComplete, building.job_completion, _P),
    "job.cancel": _message(messages.JobCancel, building.job_cancellation, _E, _P),
    "job.restore": _message(messages.JobRestore, building.restore, _E, _P),
    "reminder.send": _message(messages.ReminderSend, building.reminder, _E, needs_id=True),
    "booking.request": _message(messages.BookingRequest, building.booking, Side.BOOKING_PAGE),
    "survey.answer": _message(messages.SurveyAnswer, building.survey, Side.SURVEYS, Side.BOOKING_PAGE),
    "feed.applied": _message(messages.FeedApplied, building.confirmation, _E),
    "appointment.add": _message(messages_visits.AppointmentAdd, building.new_appointment, _E, _P),
    "appointment.change": _message(messages_visits.AppointmentChange, building.change, _E, _P, _G),
    "appointment.delete": _message(messages_visits.AppointmentDelete, building.deletion, _P),
    "appointment.cancel": _message(messages_visits.AppointmentCancel, building.cancellation, _P),
    "appointment.on_my_way": _message(messages_visits.AppointmentOnMyWay, building.on_my_way, _P),
    "appointment.undo_on_my_way": _message(messages_visits.AppointmentUndoOnMyWay, building.undo_on_my_way, _P),
    "appointment.start": _message(messages_visits.AppointmentStart, building.start, _P),
    "appointment.pause": _message(messages_visits.AppointmentPause, building.pause, _P),
    "appointment.complete": _message(messages_visits.AppointmentComplete, building.completion, _P),
    "note.add": _message(messages_visits.NoteAdd, building.note, _E, _P, needs_id=True),
    "note.edit": _message(messages_visits.NoteEdit, building.note_edit, _P),
    "note.set_visibility": _message(messages_visits.NoteSetVisibility, building.note_visibility, _P),
    "organization.put": _message(
        messages_parties.OrganizationPut,
        building.organization,
        _E,
        _P,
        subject=Kind.ORGANIZATION,
    ),
    "user.put": _message(messages_parties.UserPut, building.user, _E, _P, subject=Kind.USER),
    "user.deactivate": _message(messages_parties.UserDeactivate, building.deactivation, _E, _P, subject=Kind.USER),
    "user.reactivate": _message(messages_parties.UserReactivate, building.reactivation, _E, _P, subject=Kind.USER),
    "user.position": _message(
        messages_parties.UserPosition, building.position, _E, _P, subject=Kind.USER, needs_id=True
    ),
}
