"""Commands from validated messages: one short function per message that carries more than its name says."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.core import commands
from gateway.core.document import stamp
from gateway.core.job import DEFAULT_DURATION, Revision, Window
from gateway.core.parties import Json, Members, Position, Role
from gateway.core.values import dataclass
from gateway.core.visibility import Private, Visibility
from gateway.inbound import messages, messages_parties, messages_visits, shapes
from gateway.inbound.references import point_at_customer

DETAILS = tuple(shapes.Details.model_fields)
_USER_MEMBERS = ("name", "first_name", "last_name", "phone", "email", "address")
_ORGANIZATION_MEMBERS = (
    *shapes.OrganizationMembers.model_fields,
    "handle",
    "notes_public",
    "work_topic",
    "booking_page",
)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a builder knows besides the model: the same content as JSON, who sent it, and when.

    `sent_at` is the envelope's time, else its arrival.
    """

    content: dict[str, Json]
    source: str
    sent_at: datetime
    by_gateway: bool


def offer(message: messages.OfferSubmit, scene: Scene) -> commands.SubmitOffer:
    return commands.SubmitOffer(
        details=details(message, scene.content),
        customer=point_at_customer(scene.content.get("customer"), scene.source)[1],
        accept_by=message.accept_by,
        revision=revision(message.revision, message.updated_at),
        brand=message.brand,
    )


def booking(message: messages.BookingRequest, scene: Scene) -> commands.SubmitOffer:
    return commands.SubmitOffer(
        details={**details(message, scene.content), "channel": "booking_page"},
        customer=point_at_customer(scene.content.get("customer"), scene.source)[1],
        accept_by=message.accept_by,
        brand=message.brand,
    )


def job(message: messages.JobCreate, scene: Scene) -> commands.CreateJob:
    return commands.CreateJob(
        details=details(message, scene.content),
        customer=point_at_customer(scene.content.get("customer"), scene.source)[1],
        visit=visit(message.appointment) if message.appointment else None,
        revision=revision(message.revision, message.updated_at),
        brand=message.brand,
    )


def withdrawal(message: messages.OfferWithdraw, _: Scene) -> commands.WithdrawOffer:
    return commands.WithdrawOffer(message.reason)


def acceptance(message: messages.OfferAccept, _: Scene) -> commands.AcceptOffer:
    return commands.AcceptOffer(
        visit=visit(message.appointment) if message.appointment else None,
        revision=revision(message.revision, message.updated_at),
    )


def decline(message: messages.OfferDecline, _: Scene) -> commands.DeclineOffer:
    return commands.DeclineOffer(message.reason)


def job_completion(message: messages.JobComplete, _: Scene) -> commands.CompleteJob:
    return commands.CompleteJob(message.reason)


def job_cancellation(message: messages.JobCancel, _: Scene) -> commands.CancelJob:
    return commands.CancelJob(message.reason)


def restore(_: messages.JobRestore, __: Scene) -> commands.RestoreJob:
    return commands.RestoreJob()


def reminder(message: messages.ReminderSend, _: Scene) -> commands.SendReminder:
    return commands.SendReminder(message.message)


def survey(message: messages.SurveyAnswer, _: Scene) -> commands.AnswerSurvey:
    return commands.AnswerSurvey(rating=message.rating, message=message.message)


def confirmation(message: messages.FeedApplied, _: Scene) -> commands.ConfirmApplied:
    return commands.ConfirmApplied(message.version)


def new_appointment(message: messages_visits.AppointmentAdd, _: Scene) -> commands.AddAppointment:
    return commands.AddAppointment(visit(message))


def change(message: messages_visits.AppointmentChange, scene: Scene) -> commands.ChangeAppointment:
    seconds = message.duration_seconds
    return commands.ChangeAppointment(
        start=message.start,
        duration=timedelta(seconds=seconds) if seconds is not None else None,
        window=window(message.window),
        unassign="technician" in message.model_fields_set and message.technician is None,
        by_gateway=scene.by_gateway,
    )


def deletion(_: messages_visits.AppointmentDelete, __: Scene) -> commands.DeleteAppointment:
    return commands.DeleteAppointment()


def cancellation(message: messages_visits.AppointmentCancel, _: Scene) -> commands.CancelAppointment:
    return commands.CancelAppointment(message.reason)


def on_my_way(message: messages_visits.AppointmentOnMyWay, _: Scene) -> commands.OnMyWay:
    return commands.OnMyWay(message.minutes)


def undo_on_my_way(_: messages_visits.AppointmentUndoOnMyWay, __: Scene) -> commands.UndoOnMyWay:
    return commands.UndoOnMyWay()


def start(_: messages_visits.AppointmentStart, __: Scene) -> commands.StartAppointment:
    return commands.StartAppointment()


def pause(message: messages_visits.AppointmentPause, _: Scene) -> commands.PauseAppointment:
    return commands.PauseAppointment(message.reason)


def completion(message: messages_visits.AppointmentComplete, _: Scene) -> commands.CompleteAppointment:
    return commands.CompleteAppointment(message.reason)


def note(message: messages_visits.NoteAdd, _: Scene) -> commands.AddNote:
    seen = Visibility(message.visibility) if message.visibility else None
    return commands.AddNote(text=Private(message.text), visibility=seen)


def note_edit(message: messages_visits.NoteEdit, _: Scene) -> commands.EditNote:
    return commands.EditNote(Private(message.text))


def note_visibility(message: messages_visits.NoteSetVisibility, _: Scene) -> commands.SetNoteVisibility:
    return commands.SetNoteVisibility(Visibility(message.visibility))


def organization(_: messages_parties.OrganizationPut, scene: Scene) -> commands.PutOrganization:
    return commands.PutOrganization(picked(_ORGANIZATION_MEMBERS, scene.content))


def user(message: messages_parties.UserPut, scene: Scene) -> commands.PutUser:
    return commands.PutUser(
        members=picked(_USER_MEMBERS, scene.content), role=Role(message.role) if message.role else None
    )


def deactivation(_: messages_parties.UserDeactivate, __: Scene) -> commands.DeactivateUser:
    return commands.DeactivateUser()


def reactivation(_: messages_parties.UserReactivate, __: Scene) -> commands.ReactivateUser:
    return commands.ReactivateUser()


def position(message: messages_parties.UserPosition, scene: Scene) -> commands.ReportPosition:
    """Why there is none outweighs a place sent with it: nobody's place is shown who does not share it."""
    why = message.why_none
    return commands.ReportPosition(
        Position(
            at=message.occurred_at or scene.sent_at,
            latitude=None if why else message.latitude,
            longitude=None if why else message.longitude,
            why_none=why,
        )
    )


def details(message: shapes.Details, content: Members) -> dict[str, Json]:
    """The job's details as they were sent, a null included; suggested times in UTC, so that equal ones are equal."""
    told = picked(DETAILS, content)
    if message.suggested_times is not None:
        told["suggested_times"] = [
            {"start": stamp(times.start), "end": stamp(times.end)} for times in message.suggested_times
        ]
    return told


def picked(names: tuple[str, ...], content: Members) -> dict[str, Json]:
    """The members of `content` that have one of `names`."""
    return {name: content[name] for name in names if name in content}


def visit(asked: shapes.NewAppointment | messages_visits.AppointmentAdd) -> commands.NewVisit:
    seconds = asked.duration_seconds
    duration = timedelta(seconds=seconds) if seconds is not None else DEFAULT_DURATION
    return commands.NewVisit(start=asked.start, duration=duration, window=window(asked.window), external_id=asked.id)


def window(asked: shapes.Window | None) -> Window | None:
    return Window(asked.start, asked.end) if asked else None


def revision(number: int | None, updated_at: datetime | None) -> Revision | None:
    """A number outweighs a moment; a moment is told in microseconds since 1970."""
    if number is not None:
        return Revision("revision", number)
    return Revision("updated_at", (updated_at - _EPOCH) // _MICROSECOND) if updated_at else None
