"""Connect's `appointment`: a new time, a change, or a word of progress."""

from __future__ import annotations

from datetime import timedelta

from gateway.core.commands import (
    AddAppointment,
    CancelAppointment,
    ChangeAppointment,
    Command,
    CompleteAppointment,
    NewVisit,
    OnMyWay,
    PauseAppointment,
    Refs,
    StartAppointment,
)
from gateway.core.ids import Kind, Ref
from gateway.core.job import DEFAULT_DURATION
from gateway.core.outcomes import Quarantined, Refused, Why
from gateway.core.parties import Side
from gateway.inbound.connect_members import pointer
from gateway.inbound.connect_shapes import ConnectAppointment
from gateway.inbound.envelope import Envelope
from gateway.inbound.readings import Reading
from gateway.inbound.unreadable import Unreadable, unreadable
from gateway.inbound.words import Meaning, Word


def read_appointment(envelope: Envelope, side: Side) -> Reading | Quarantined | Refused:
    """Without a word, or `scheduled`: add or change, by whether its key is known. Else the progress that it names."""
    record = ConnectAppointment.model_validate(envelope.data)
    visit = pointer(Kind.APPOINTMENT, record.id, record.external_id, envelope.source)
    refs = Refs(
        job=pointer(Kind.JOB, record.job_id, record.external_job_id, envelope.source),
        appointment=visit,
        technician=pointer(Kind.USER, record.user_id, record.external_user_id, envelope.source),
    )
    if refs.job is None and refs.appointment is None:
        return unreadable(Unreadable.MISSING_MEMBER, "record.job_id")
    if record.status is None or record.status == "scheduled":
        return _read_time(record, refs, side)
    command = _progress(record)
    if not isinstance(command, Command):
        return command
    if visit is None:
        return unreadable(Unreadable.MISSING_MEMBER, "record.external_id")
    return Reading(command=command, refs=refs)


def _read_time(record: ConnectAppointment, refs: Refs, side: Side) -> Reading | Quarantined:
    asked, visit = _asked(record), refs.appointment
    if asked is None and visit is None:
        return unreadable(Unreadable.MISSING_MEMBER, "record.time")
    change = _change(record)
    adds = asked is not None and not isinstance(visit, int)
    word = Word(
        meaning=Meaning.SUGGEST_ADD_OR_CHANGE if side is Side.ENTERPRISE else Meaning.ADD_OR_CHANGE,
        visit=asked,
        change=change,
        says_scheduled=record.status is not None,
    )
    return Reading(
        command=AddAppointment(asked) if adds and asked else change,
        refs=refs,
        new_visit=visit if adds and isinstance(visit, Ref) else None,
        word=word,
    )


def _asked(record: ConnectAppointment) -> NewVisit | None:
    if record.time is None:
        return None
    duration = timedelta(seconds=record.duration) if record.duration is not None else DEFAULT_DURATION
    return NewVisit(start=record.time, duration=duration, external_id=record.external_id)


def _change(record: ConnectAppointment) -> ChangeAppointment:
    seconds = record.duration
    return ChangeAppointment(start=record.time, duration=timedelta(seconds=seconds) if seconds is not None else None)


def _progress(record: ConnectAppointment) -> Command | Quarantined | Refused:
    """The word, with what else the same record says of the visit: one decision."""
    reason = record.status_message or None
    tells_more = record.time or record.duration or record.user_id or record.external_user_id
    change = _change(record) if tells_more else None
    match record.status:
        case "enroute":
            return OnMyWay(change=change)
        case "started":
            return StartAppointment(change)
        case "paused":
            return PauseAppointment(reason, change)
        case "complete":
            return CompleteAppointment(reason, change)
        case "canceled":
            return CancelAppointment(reason, change)
        case "draft":
            return Refused(why=Why.TRANSITION_NOT_ALLOWED, member="record.status", detail="no drafts of appointments")
        case _:
            return unreadable(Unreadable.BAD_VALUE, "record.status")
