"""What may be asked of the gateway: one frozen class per command, and the request that carries it.

References to things stand in the request, by role; a command holds only what is to be done with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.core.ids import Ref
from gateway.core.job import DEFAULT_DURATION, Revision, Window
from gateway.core.parties import Actor, Members, Position, Role
from gateway.core.values import dataclass
from gateway.core.visibility import Private, Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVisit:
    """The time asked for; the technician, if any, is the request's `technician`. `external_id` is its sender's key."""

    start: datetime
    duration: timedelta = DEFAULT_DURATION
    window: Window | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOffer:
    """`offer.submit`: a new offer, or new content of one. `details` are merged member by member."""

    details: Members
    customer: Members | None = None
    accept_by: datetime | None = None
    revision: Revision | None = None
    brand: str | None = None


@dataclass(frozen=True, slots=True)
class WithdrawOffer:
    """`offer.withdraw`: takes an open offer back, or cancels the accepted job."""

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptOffer:
    """`offer.accept`, with a first visit or without; `revision` is the one that the provider saw."""

    visit: NewVisit | None = None
    revision: Revision | None = None


@dataclass(frozen=True, slots=True)
class DeclineOffer:
    """`offer.decline`."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ExpireOffer:
    """The clock: nobody answered by `accept_by`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateJob:
    """`job.create`: a provider's own job, or one that an enterprise assigns without an offer."""

    details: Members
    customer: Members | None = None
    visit: NewVisit | None = None
    revision: Revision | None = None
    brand: str | None = None


@dataclass(frozen=True, slots=True)
class CompleteJob:
    """`job.complete`: the job as a whole, not a visit."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CancelJob:
    """`job.cancel`."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RestoreJob:
    """`job.restore`: brings a canceled job and its visits back."""


@dataclass(frozen=True, slots=True)
class AddAppointment:
    """`appointment.add`; of an appointment that is known already, its new time. Before the accept: a suggestion."""

    visit: NewVisit


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAppointment:
    """`appointment.change`: None leaves a member as it is. `unassign` takes the technician away.

    `by_gateway`: the technician was deactivated; customers are not told.
    """

    start: datetime | None = None
    duration: timedelta | None = None
    window: Window | None = None
    unassign: bool = False
    by_gateway: bool = False


@dataclass(frozen=True, slots=True)
class DeleteAppointment:
    """`appointment.delete`: for visits not begun."""


@dataclass(frozen=True, slots=True)
class CancelAppointment:
    """`appointment.cancel`. As with the words of progress, `change` is what the same decision changes besides."""

    reason: str | None = None
    change: ChangeAppointment | None = None


@dataclass(frozen=True, slots=True)
class OnMyWay:
    """`appointment.on_my_way`, with the minutes to arrival where the sender knows them."""

    minutes: int | None = None
    change: ChangeAppointment | None = None


@dataclass(frozen=True, slots=True)
class UndoOnMyWay:
    """`appointment.undo_on_my_way`."""

    change: ChangeAppointment | None = None


@dataclass(frozen=True, slots=True)
class StartAppointment:
    """`appointment.start`: the technician is there."""

    change: ChangeAppointment | None = None


@dataclass(frozen=True, slots=True)
class PauseAppointment:
    """`appointment.pause`, with a pausing reason or none."""

    reason: str | None = None
    change: ChangeAppointment | None = None


@dataclass(frozen=True, slots=True)
class CompleteAppointment:
    """`appointment.complete`: its reason decides whether the job is complete or paused."""

    reason: str | None = None
    change: ChangeAppointment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddNote:
    """`note.add`."""

    text: Private
    visibility: Visibility | None = None


@dataclass(frozen=True, slots=True)
class EditNote:
    """`note.edit`."""

    text: Private


@dataclass(frozen=True, slots=True)
class SetNoteVisibility:
    """`note.set_visibility`."""

    visibility: Visibility


@dataclass(frozen=True, slots=True)
class SendReminder:
    """`reminder.send`: an enterprise asks the provider how a job stands."""

    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSurvey:
    """`survey.answer`: rating 0 to 5."""

    rating: int
    message: str | None = None


class ConfirmedBy(StrEnum):
    """How a brand says that a version of a job stands in its own system. Values are stable."""

    ANSWER = "answer"
    FEED = "feed"
    TOPIC = "topic"


@dataclass(frozen=True, slots=True)
class ConfirmApplied:
    """`feed.applied`: this version of the job stands in the brand's own system."""

    version: int


@dataclass(frozen=True, slots=True)
class PutOrganization:
    """`organization.put`: matches or creates; members are merged where the sender may change them."""

    members: Members


@dataclass(frozen=True, slots=True, kw_only=True)
class PutUser:
    """`user.put`."""

    members: Members
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class DeactivateUser:
    """`user.deactivate`."""


@dataclass(frozen=True, slots=True)
class ReactivateUser:
    """`user.reactivate`."""


@dataclass(frozen=True, slots=True)
class ReportPosition:
    """`user.position`."""

    position: Position


JobCommand = (
    SubmitOffer
    | WithdrawOffer
    | AcceptOffer
    | DeclineOffer
    | ExpireOffer
    | CreateJob
    | CompleteJob
    | CancelJob
    | RestoreJob
    | AddAppointment
    | ChangeAppointment
    | DeleteAppointment
    | CancelAppointment
    | OnMyWay
    | UndoOnMyWay
    | StartAppointment
    | PauseAppointment
    | CompleteAppointment
    | AddNote
    | EditNote
    | SetNoteVisibility
    | SendReminder
    | AnswerSurvey
    | ConfirmApplied
)
PartyCommand = PutOrganization | PutUser | DeactivateUser | ReactivateUser | ReportPosition
Command = JobCommand | PartyCommand

# Notes, amendments, reminders, surveys and confirmations cannot move a job or a visit: they never wait behind a held
# completion.
# On a job that is known already, creating it is an amendment.
NEVER_WAITS = (SubmitOffer, CreateJob, AddNote, EditNote, SetNoteVisibility, SendReminder, AnswerSurvey, ConfirmApplied)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refs:
    """What a request points at, by role: a sender's own id, or a number already known."""

    job: Ref | int | None = None
    appointment: Ref | int | None = None
    organization: Ref | int | None = None
    technician: Ref | int | None = None
    user: Ref | int | None = None
    customer: Ref | int | None = None
    note: Ref | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A command as it was asked: by whom, about what, when it happened and when it arrived.

    `number` is the record's; whatever the command creates takes the same number in its own kind.
    `digest` is over type, subject and content, as hex. `clock_ahead`: `occurred_at` was later than arrival.
    """

    number: int
    actor: Actor
    message_id: str | None
    digest: str
    occurred_at: datetime
    arrived_at: datetime
    command: Command
    refs: Refs = field(default_factory=Refs)
    clock_ahead: bool = False

    @property
    def key(self) -> str:
        """The message id that breaks ties: the sender's, else the digest."""
        return self.message_id or self.digest


Numbers = Mapping[Ref, int]
