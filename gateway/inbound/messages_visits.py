"""The inbound messages about visits and notes: one model each, of the CloudEvents `data`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.inbound.messages import AboutJob
from gateway.inbound.shapes import Id, IdText, Moment, NoteText, Reason, Seconds, Visible, Window


class AppointmentAdd(AboutJob):
    """`appointment.add`. `id` is the sender's own for the new visit."""

    id: IdText | None = None
    start: Moment
    duration_seconds: Seconds | None = None
    window: Window | None = None
    technician: Id | None = None


class AboutVisit(AboutJob):
    """A message about a visit; its job need not be named."""

    appointment: Id


class AppointmentChange(AboutVisit):
    """`appointment.change`: what is left out stays as it is; `technician: null` takes the technician away."""

    start: Moment | None = None
    duration_seconds: Seconds | None = None
    window: Window | None = None
    technician: Id | None = None


class AppointmentDelete(AboutVisit):
    """`appointment.delete`: for visits not begun."""


class AppointmentCancel(AboutVisit):
    """`appointment.cancel`."""

    reason: Reason | None = None


class AppointmentOnMyWay(AboutVisit):
    """`appointment.on_my_way`, with the minutes to arrival where they are known."""

    minutes: Annotated[int, Field(strict=True, ge=0, le=1440)] | None = None


class AppointmentUndoOnMyWay(AboutVisit):
    """`appointment.undo_on_my_way`."""


class AppointmentStart(AboutVisit):
    """`appointment.start`: the technician is there."""


class AppointmentPause(AboutVisit):
    """`appointment.pause`, with a pausing reason of the brand's or none."""

    reason: Reason | None = None


class AppointmentComplete(AboutVisit):
    """`appointment.complete`: the brand's complete reason decides whether the job is complete or paused."""

    reason: Reason | None = None


class NoteAdd(AboutJob):
    """`note.add`. Private unless it says otherwise. Needs a message id. `id` is the sender's own for the note."""

    id: IdText | None = None
    text: NoteText
    visibility: Visible | None = None


class NoteEdit(AboutJob):
    """`note.edit`."""

    note: Id
    text: NoteText


class NoteSetVisibility(AboutJob):
    """`note.set_visibility`."""

    note: Id
    visibility: Visible
