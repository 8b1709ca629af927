"""The decision: what becomes of one request about one job (or one party), given the facts.

Order: a repeat of the sender's latest word · who may · what refers to something unknown · what waits behind a held
completion · the command's own rules.
Every way out is a value of `outcomes`; nothing is raised for a business reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gateway.core import closing, offers, remarks, visits
from gateway.core.commands import (
    NEVER_WAITS,
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
    DeactivateUser,
    DeclineOffer,
    DeleteAppointment,
    EditNote,
    ExpireOffer,
    OnMyWay,
    PauseAppointment,
    PutOrganization,
    PutUser,
    ReactivateUser,
    ReportPosition,
    Request,
    RestoreJob,
    SendReminder,
    SetNoteVisibility,
    StartAppointment,
    SubmitOffer,
    UndoOnMyWay,
    WithdrawOffer,
)
from gateway.core.job import JobStatus
from gateway.core.notes import Note
from gateway.core.outcomes import Applied, Ignored, Outcome, Parked, Refused, Why
from gateway.core.parties import Side
from gateway.core.permissions import refuse_actor, refuse_sender
from gateway.core.staff import decide_organization, decide_user
from gateway.core.unresolved import find_unresolved
from gateway.core.values import replace

if TYPE_CHECKING:
    from gateway.core.commands import JobCommand
    from gateway.core.facts import Facts
    from gateway.core.job import Job

_BEGINS_A_JOB = (SubmitOffer, CreateJob)


def decide(job: Job | None, request: Request, facts: Facts) -> Outcome:
    """What becomes of `request`. `job` is the one it is about, None where its reference is not known.

    The answer holds new states; saving them, numbering events and telling anybody is the caller's. A held job's record
    that is decided again (its number is the job's `held_by`) ends the waiting, whatever becomes of it: the job in the
    answer says so.
    """
    match request.command:
        case PutOrganization() as command:
            return decide_organization(request, facts, command)
        case PutUser() | DeactivateUser() | ReactivateUser() | ReportPosition() as party_command:
            return decide_user(request, facts, party_command)
        case command:
            return _decide_job(job, request, facts, command)


def _decide_job(job: Job | None, request: Request, facts: Facts, command: JobCommand) -> Outcome:
    released = None
    if job is not None and job.held_by == request.number:
        job = released = replace(job, held_by=None)
    if job is not None and _is_repeat(job, request, facts):
        outcome: Outcome = Ignored(why=Why.REPEAT)
    else:
        outcome = _allowed(job, request, facts, command)
    if released is not None and isinstance(outcome, Ignored | Refused) and outcome.job is None:
        return replace(outcome, job=released)
    return outcome


def _allowed(job: Job | None, request: Request, facts: Facts, command: JobCommand) -> Outcome:
    refusal = refuse_sender(request)
    if refusal is None and job is not None:
        refusal = refuse_actor(job, request)
    if refusal is not None:
        return refusal
    if isinstance(command, CancelAppointment) and job is not None and request.actor.side is not Side.PROVIDER:
        taken_back = offers.take_back(job, request, facts)
        if taken_back is not None:
            return _remember(taken_back, request)
    unknown = None if isinstance(command, ConfirmApplied) else find_unresolved(request)
    if unknown is not None and (job is None or unknown != request.refs.job):
        return Parked(ref=unknown)
    if job is None and not isinstance(command, _BEGINS_A_JOB):
        return Refused(why=Why.NOT_YOUR_JOB, member="subject", detail="no such job")
    if job is not None and job.held_by is not None and not isinstance(command, NEVER_WAITS):
        return Parked(ref=None, why=Why.JOB_HELD)
    return _remember(_by_command(job, request, facts, command), request)


def _by_command(job: Job | None, request: Request, facts: Facts, command: JobCommand) -> Outcome:  # noqa: C901 - one line per command
    if isinstance(command, SubmitOffer | CreateJob):
        return offers.submit(job, request, facts, command)
    if job is None:
        return Refused(why=Why.NOT_YOUR_JOB, member="subject", detail="no such job")
    match command:
        case WithdrawOffer():
            return offers.withdraw(job, request, facts, command)
        case AcceptOffer():
            return offers.accept(job, request, facts, command)
        case DeclineOffer():
            return offers.decline(job, request, facts, command)
        case ExpireOffer():
            return offers.expire(job, request, facts)
        case CompleteJob(reason):
            return closing.complete(job, request, facts, reason)
        case CancelJob(reason):
            return closing.cancel(job, request, facts, reason)
        case RestoreJob():
            return closing.restore(job, request, facts)
        case AddAppointment(visit) if job.status is JobStatus.OFFERED and request.actor.side is not Side.PROVIDER:
            return offers.suggest(job, request, facts, visit)
        case AddAppointment(visit):
            return visits.add(job, request, facts, visit)
        case ChangeAppointment():
            return visits.change(job, request, facts, command)
        case DeleteAppointment() | CancelAppointment():
            return visits.take_away(job, request, facts, command)
        case OnMyWay() | UndoOnMyWay() | StartAppointment() | PauseAppointment() | CompleteAppointment():
            return visits.progress(job, request, facts, command)
        case AddNote():
            return remarks.add_note(job, request, facts, command)
        case EditNote():
            return remarks.edit_note(job, request, facts, command)
        case SetNoteVisibility():
            return remarks.set_visibility(job, request, facts, command)
        case SendReminder():
            return remarks.remind(job, request, facts, command)
        case AnswerSurvey():
            return remarks.answer_survey(job, request, facts, command)
        case ConfirmApplied(version) if version > job.jobversion:
            return Refused(why=Why.UNKNOWN_JOBVERSION, member="data.version", detail="the job has not come so far")
        case ConfirmApplied():
            # Nothing of the job changes: the receiver notes it.
            return Applied()
        case _:
            assert_never(command)


def _is_repeat(job: Job, request: Request, facts: Facts) -> bool:
    """A record without a message id repeats its source's latest word about the same thing."""
    if request.message_id is not None:
        return False
    latest = job.latest
    if isinstance(request.refs.appointment, int):
        visit = job.find_visit(request.refs.appointment)
        latest = visit.latest if visit else {}
    elif isinstance(request.refs.note, int):
        latest = facts.note.latest if facts.note else {}
    return latest.get(request.actor.source) == request.digest


def _remember(outcome: Outcome, request: Request) -> Outcome:
    """Notes the request as its source's latest word about the job, and about the visit or note it names or makes.

    A word about a visit is one about its job too: what is said of the job again after it is another happening.
    """
    if not isinstance(outcome, Applied) or outcome.job is None:
        return outcome
    word = {request.actor.source: request.digest}
    job = replace(outcome.job, latest={**outcome.job.latest, **word})
    about = {request.refs.appointment, request.number}
    for visit in job.visits:
        if visit.number in about:
            job = job.with_visit(replace(visit, latest={**visit.latest, **word}))
    saved = tuple(replace(it, latest={**it.latest, **word}) if isinstance(it, Note) else it for it in outcome.saved)
    return replace(outcome, job=job, saved=saved)
