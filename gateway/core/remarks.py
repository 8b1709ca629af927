"""What touches no status: notes and who may see them, reminders, answers to surveys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.closing import refuse_ended
from gateway.core.commands import AddNote, AnswerSurvey, EditNote, Request, SendReminder, SetNoteVisibility
from gateway.core.events import EventType
from gateway.core.job import Job, JobStatus
from gateway.core.notes import Note
from gateway.core.outcomes import Applied, Ignored, Outcome, Refused, Why
from gateway.core.parties import Json, Side
from gateway.core.telling import happened
from gateway.core.values import replace
from gateway.core.visibility import Visibility

if TYPE_CHECKING:
    from gateway.core.facts import Facts


def add_note(job: Job, request: Request, facts: Facts, command: AddNote) -> Outcome:
    """A note: private unless it, or its organization's default, says otherwise. An enterprise's is for the provider."""
    if job.status is JobStatus.DECLINED:
        return refuse_ended(job)
    by_enterprise = request.actor.side is not Side.PROVIDER
    note = Note(
        number=request.number,
        job=job.number,
        source=request.actor.source,
        by_enterprise=by_enterprise,
        user=request.actor.user.number if request.actor.user else None,
        visibility=Visibility.PUBLIC if by_enterprise else command.visibility or _default_visibility(facts),
        text=command.text,
        created_at=request.occurred_at,
    )
    return _saved(job, note, request, facts, EventType.NOTE_ADDED)


def edit_note(job: Job, request: Request, facts: Facts, command: EditNote) -> Outcome:
    """Another text: the note's next revision."""
    note = _find_note(job, request, facts)
    if not isinstance(note, Note):
        return note
    if command.text == note.text:
        return Ignored(why=Why.NO_CHANGE)
    edited = replace(note, text=command.text, revision=note.revision + 1)
    return _saved(job, edited, request, facts, EventType.NOTE_EDITED)


def set_visibility(job: Job, request: Request, facts: Facts, command: SetNoteVisibility) -> Outcome:
    """Publishes a private note, or retracts a public one."""
    note = _find_note(job, request, facts)
    if not isinstance(note, Note):
        return note
    if command.visibility is note.visibility:
        return Ignored(why=Why.NO_CHANGE)
    changed = replace(note, visibility=command.visibility, revision=note.revision + 1)
    return _saved(job, changed, request, facts, EventType.NOTE_RETRACTED)


def remind(job: Job, request: Request, facts: Facts, command: SendReminder) -> Outcome:
    """Asks the provider how the job stands, while there is anything to ask."""
    if job.status in {JobStatus.COMPLETE, JobStatus.DECLINED}:
        return refuse_ended(job)
    details: dict[str, Json] = {"message": command.message} if command.message else {}
    return Applied(job=job, events=(happened(EventType.REMINDER_SENT, job, job, request, facts, details=details),))


def answer_survey(job: Job, request: Request, facts: Facts, command: AnswerSurvey) -> Outcome:
    """The customer's rating, 0 to 5, and words."""
    details: dict[str, Json] = {"rating": command.rating, "message": command.message}
    ref = request.refs.appointment
    if isinstance(ref, int) and job.find_visit(ref) is None:
        return Refused(why=Why.NOT_YOUR_JOB, member="data.appointment", detail="not an appointment of this job")
    return Applied(job=job, events=(happened(EventType.SURVEY_ANSWERED, job, job, request, facts, details=details),))


def _saved(job: Job, note: Note, request: Request, facts: Facts, otherwise: EventType) -> Applied:
    """The note as it is now; `otherwise` is the event where it is not public."""
    is_public = note.visibility is Visibility.PUBLIC
    note = replace(note, published=note.published or is_public)
    kind = EventType.NOTE_PUBLISHED if is_public else otherwise
    return Applied(job=job, saved=(note,), events=(happened(kind, job, job, request, facts, note=note),))


def _default_visibility(facts: Facts) -> Visibility:
    members = facts.organization.members if facts.organization else {}
    return Visibility.PUBLIC if members.get("notes_public") is True else Visibility.PRIVATE


def _find_note(job: Job, request: Request, facts: Facts) -> Note | Outcome:
    note = facts.note
    if note is None or note.job != job.number:
        return Refused(why=Why.NOT_YOUR_JOB, member="data.note", detail="not a note of this job")
    if note.by_enterprise != (request.actor.side is not Side.PROVIDER):
        return Refused(why=Why.NOT_YOUR_NOTE, member="data.note")
    user = request.actor.user
    if user is not None and not user.role.dispatches and note.user != user.number:
        return Refused(why=Why.NOT_YOUR_NOTE, member="data.note")
    return note
