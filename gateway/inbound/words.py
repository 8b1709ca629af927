"""Words of Dispatch Connect whose meaning depends on how the job stands. They end here and never enter the core.

`translate` reads them as far as the record itself goes; whoever has loaded the job settles them, before deciding.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from gateway.core.commands import (
    AddAppointment,
    ChangeAppointment,
    Command,
    RestoreJob,
    UndoOnMyWay,
)
from gateway.core.job import UNDER_WAY, EndedHow, Job, JobStatus, VisitStatus
from gateway.core.outcomes import Ignored, Refused, Why
from gateway.core.values import dataclass, replace

if TYPE_CHECKING:
    from gateway.core.commands import NewVisit, Refs
    from gateway.inbound.translated import Translated

_Settled = tuple[Command, int | None]  # and the visit that it goes to, where only the job could tell


class Meaning(StrEnum):
    """What a word is to be settled as."""

    ACCEPT_OR_NOTHING = "accept_or_nothing"
    ACCEPT_OR_RESTORE = "accept_or_restore"
    PAUSE_THE_VISIT = "pause_the_visit"
    ASSIGN_OR_RESTORE = "assign_or_restore"
    AMEND_ONLY = "amend_only"
    ADD_OR_CHANGE = "add_or_change"
    SUGGEST_ADD_OR_CHANGE = "suggest_add_or_change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A status word with what came with it.

    `visit` and `change` are the two readings of an appointment's time. `says_scheduled`: the status was there, not just
    left out.
    """

    meaning: Meaning
    visit: NewVisit | None = None
    change: ChangeAppointment | None = None
    says_scheduled: bool = False


def settle(reading: Translated, job: Job | None, refs: Refs | None = None) -> Translated | Ignored | Refused:
    """`reading` as its word means it for `job` as it stands (None: not known yet); without a word, `reading` itself.

    `refs` are the reading's with numbers for what is known; the answer carries them, with the visit where the word did
    not say which.
    """
    bound = refs or reading.refs
    if reading.word is None:
        return replace(reading, refs=bound)
    settled = _settle(reading.word, reading, job, bound)
    if isinstance(settled, Ignored | Refused):
        return settled
    command, visit = settled
    refs = bound if visit is None else replace(bound, appointment=visit)
    return replace(reading, command=command, refs=refs, word=None)


def _settle(word: Word, reading: Translated, job: Job | None, refs: Refs) -> _Settled | Ignored | Refused:
    command = reading.command
    match word.meaning:
        case Meaning.ACCEPT_OR_NOTHING:
            return _answer(job, command, restores=False)
        case Meaning.ACCEPT_OR_RESTORE:
            return _answer(job, command, restores=True)
        case Meaning.PAUSE_THE_VISIT:
            return _pause(job, command)
        case Meaning.ASSIGN_OR_RESTORE:
            return (RestoreJob(), None) if _canceled_by(job, reading) else (command, None)
        case Meaning.AMEND_ONLY:
            return (command, None) if job is not None else _not_so("a new job is offered, unscheduled or scheduled")
        case Meaning.SUGGEST_ADD_OR_CHANGE if job is not None and job.status is JobStatus.OFFERED:
            return _suggest(word)
        case Meaning.ADD_OR_CHANGE | Meaning.SUGGEST_ADD_OR_CHANGE:
            return _put_visit(word, command, job, refs)
        case _:
            assert_never(word.meaning)


def _answer(job: Job | None, command: Command, *, restores: bool) -> _Settled | Ignored:
    """An organization's `unscheduled` or `scheduled`: on an offer, it is taken; a job not known yet is waited for."""
    if job is None:
        return command, None
    if job.status is JobStatus.OFFERED:
        return command, None
    if restores and job.canceled:
        return RestoreJob(), None
    return Ignored(why=Why.NO_CHANGE)


def _pause(job: Job | None, command: Command) -> _Settled | Refused:
    """An organization's `paused` says no visit: it can only mean the one in progress."""
    if job is None:
        return command, None
    begun = [visit.number for visit in job.visits if visit.status in UNDER_WAY]
    if len(begun) != 1:
        return _not_so(f"{len(begun)} visits are in progress; pause the appointment instead")
    return command, begun[0]


def _canceled_by(job: Job | None, reading: Translated) -> bool:
    if job is None or job.ended is None or job.ended.how is not EndedHow.CANCELED:
        return False
    return (job.ended.by, job.ended.source) == (reading.side, reading.source)


def _suggest(word: Word) -> _Settled | Refused:
    """An account's appointment on an open offer is a time that suits the customer: the core takes it as that."""
    if word.visit is None:
        return _not_so("on an open offer an appointment is a suggested time: a time is expected")
    return AddAppointment(word.visit), None


def _put_visit(word: Word, command: Command, job: Job | None, refs: Refs) -> _Settled:
    """A new key adds, a known one changes; `scheduled` while the technician is on the way takes that back."""
    visit = refs.appointment
    if not isinstance(visit, int):
        return (AddAppointment(word.visit) if word.visit else command), None
    held = job.find_visit(visit) if job is not None else None
    if word.says_scheduled and held is not None and held.status is VisitStatus.EN_ROUTE:
        return UndoOnMyWay(word.change), None
    return word.change or command, None


def _not_so(detail: str) -> Refused:
    return Refused(why=Why.TRANSITION_NOT_ALLOWED, member="record.status", detail=detail)
