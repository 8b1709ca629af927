"""What a key may be limited to: a few words, and which of them each command needs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.core.commands import (
    AcceptOffer,
    AddNote,
    ConfirmApplied,
    DeactivateUser,
    DeclineOffer,
    EditNote,
    PutOrganization,
    PutUser,
    ReactivateUser,
    ReportPosition,
    SendReminder,
    SetNoteVisibility,
    SubmitOffer,
    WithdrawOffer,
)

if TYPE_CHECKING:
    from gateway.core.commands import Command


class Scope(StrEnum):
    """A key without any may do all that its kind may do. The words are stable: operators and partners write them."""

    OFFERS = "offers"  # submit, withdraw, remind of, accept and decline offers
    ACTIONS = "actions"  # create and change jobs, and everything about visits
    NOTES = "notes"
    USERS = "users"  # organizations and their users
    READ = "read"  # jobs, activity, and what became of records
    FEED = "feed"  # what is owed: by polling with its acknowledgements, by cursor and live; and what of it was applied
    OPERATIONS = "operations"  # for operators: recovery, previewed, run and reported


_OFFERS = (SubmitOffer, WithdrawOffer, AcceptOffer, DeclineOffer, SendReminder)
_NOTES = (AddNote, EditNote, SetNoteVisibility)
_USERS = (PutOrganization, PutUser, DeactivateUser, ReactivateUser, ReportPosition)


def scope_of(command: Command) -> Scope:
    """The scope that a key needs to send `command`."""
    if isinstance(command, _OFFERS):
        return Scope.OFFERS
    if isinstance(command, _NOTES):
        return Scope.NOTES
    if isinstance(command, ConfirmApplied):
        return Scope.FEED
    return Scope.USERS if isinstance(command, _USERS) else Scope.ACTIONS
