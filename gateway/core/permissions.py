"""Who may do what: by side, by whose job it is, and by the role of the user who acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.commands import (
    AcceptOffer,
    AddAppointment,
    AddNote,
    AnswerSurvey,
    CancelAppointment,
    CancelJob,
    ChangeAppointment,
    CompleteAppointment,
    CompleteJob,
    ConfirmApplied,
    CreateJob,
    DeclineOffer,
    DeleteAppointment,
    EditNote,
    ExpireOffer,
    OnMyWay,
    PauseAppointment,
    Request,
    RestoreJob,
    SendReminder,
    SetNoteVisibility,
    StartAppointment,
    SubmitOffer,
    UndoOnMyWay,
    WithdrawOffer,
)
from gateway.core.outcomes import Refused, Why
from gateway.core.parties import Side, User
from gateway.core.sandbox import is_test

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.core.commands import Command
    from gateway.core.job import Job, Visit
    from gateway.core.parties import Actor

# What a technician does in the field, on visits and jobs that are theirs; everything else is a dispatcher's.
PROGRESS = (OnMyWay, UndoOnMyWay, StartAppointment, PauseAppointment, CompleteAppointment)
_FIELD_WORK = (*PROGRESS, AddNote, EditNote)

_ALLOWED: dict[Side, tuple[type, ...]] = {
    Side.ENTERPRISE: (
        SubmitOffer,
        WithdrawOffer,
        CreateJob,
        CancelJob,
        RestoreJob,
        AddAppointment,
        ChangeAppointment,
        CancelAppointment,
        *PROGRESS,
        SendReminder,
        AddNote,
        ConfirmApplied,
    ),
    Side.PROVIDER: (
        AcceptOffer,
        DeclineOffer,
        CreateJob,
        CancelJob,
        RestoreJob,
        CompleteJob,
        AddAppointment,
        ChangeAppointment,
        DeleteAppointment,
        CancelAppointment,
        *PROGRESS,
        AddNote,
        EditNote,
        SetNoteVisibility,
    ),
    Side.BOOKING_PAGE: (SubmitOffer,),
    Side.SURVEYS: (AnswerSurvey,),
    Side.GATEWAY: (ExpireOffer, ChangeAppointment),
}

# Whose keys may be test keys: those touch test jobs alone, and the others none of them.
_SENDERS = (Side.ENTERPRISE, Side.PROVIDER)


def refuse_sender(request: Request) -> Refused | None:
    """Why the actor may not do this to any job; None where nothing speaks against it."""
    actor, command = request.actor, request.command
    if not isinstance(command, _ALLOWED[actor.side]):
        return Refused(why=Why.NOT_ALLOWED, member="type", detail=f"not for the side {actor.side.value}")
    if actor.side is Side.ENTERPRISE and request.refs.technician is not None and not actor.first_party:
        return Refused(why=Why.NOT_ALLOWED, member="data.technician", detail="the provider assigns its technicians")
    if actor.user is None:
        return None
    refusal = refuse_user(actor.user, request)
    if refusal is None and not actor.user.role.dispatches and not isinstance(command, _FIELD_WORK):
        return Refused(why=Why.ROLE_NOT_ALLOWED, member="data.user", detail="a dispatcher does this")
    return refusal


def refuse_actor(job: Job, request: Request) -> Refused | None:
    """Why the actor, who may do such things, may not do this to `job`; None where nothing speaks against it."""
    if not is_theirs(job, request.actor, request.command):
        return Refused(why=Why.NOT_YOUR_JOB, member="subject")
    user = request.actor.user
    return None if user is None or user.role.dispatches else _refuse_unassigned(job, user, request)


def is_theirs(job: Job, actor: Actor, command: Command) -> bool:
    """Whether `job` is among those that the actor may send such a command about; of others they learn nothing."""
    if actor.side in _SENDERS and is_test(actor.source) != is_test(job.source):
        return False
    match actor.side:
        case Side.ENTERPRISE:
            return job.account is not None and job.account == actor.account
        case Side.PROVIDER if isinstance(command, CreateJob):
            # Only the details of its own jobs are a provider's to amend.
            return job.organization == actor.organization and job.side is Side.PROVIDER
        case Side.PROVIDER:
            return job.organization == actor.organization
        case Side.BOOKING_PAGE:
            return job.source == actor.source
        case Side.SURVEYS | Side.GATEWAY:
            return True


def refuse_user(user: User, request: Request) -> Refused | None:
    """Whether the user may act at all: at arrival with their own credential, else when it occurred."""
    if user.organization != request.actor.organization:
        return Refused(why=Why.NOT_YOUR_USER, member="data.user")
    if user.active:
        return None
    if user.deactivated_at is not None and _judged_at(request) < user.deactivated_at:
        return None
    return Refused(why=Why.USER_DEACTIVATED, member="data.user")


def _refuse_unassigned(job: Job, user: User, request: Request) -> Refused | None:
    number = request.refs.appointment
    if isinstance(request.command, PROGRESS):
        visit = job.find_visit(number) if isinstance(number, int) else None
        theirs = visit is None or _is_assigned(visit, user, request)
    else:
        theirs = any(_is_assigned(visit, user, request) for visit in job.visits)
    return None if theirs else Refused(why=Why.NOT_ASSIGNED, member="data.user")


def _is_assigned(visit: Visit, user: User, request: Request) -> bool:
    return visit.technician == user.number or visit.was_of(user.number, _judged_at(request))


def _judged_at(request: Request) -> datetime:
    """What a user sends is judged by what they were when it arrived; what their system sends, when it occurred."""
    return request.arrived_at if request.actor.own_credential else request.occurred_at
