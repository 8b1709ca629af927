"""What a request refers to that nobody has named yet: it waits for that, and is decided when it appears."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.commands import AcceptOffer, AddAppointment, AddNote, CreateJob, SubmitOffer
from gateway.core.ids import Ref

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.core.commands import Request

# A command that makes a thing may name it by an id that is new.
_MAKES_JOB = (SubmitOffer, CreateJob)
_MAKES_VISIT = (AcceptOffer, CreateJob, AddAppointment)


def find_unresolved(request: Request) -> Ref | None:
    """The first reference of a command about a job that has no number yet and is not of what the command makes.

    None where there is none.
    """
    return next((ref for ref in _needed(request) if isinstance(ref, Ref)), None)


def _needed(request: Request) -> Iterator[Ref | int | None]:
    refs, command = request.refs, request.command
    if not isinstance(command, _MAKES_JOB):
        yield refs.job
    yield refs.organization
    if not isinstance(command, _MAKES_JOB) or not command.customer:
        yield refs.customer
    yield refs.user
    yield refs.technician
    if not isinstance(command, _MAKES_VISIT):
        yield refs.appointment
    if not isinstance(command, AddNote):
        yield refs.note
