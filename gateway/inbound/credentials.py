"""What the key that sent a record adds to what the record says: who acts, for which brand, and whether it is a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.commands import PutOrganization
from gateway.core.outcomes import Refused, Why
from gateway.core.sandbox import as_test, is_test
from gateway.core.scopes import Scope, scope_of
from gateway.core.values import replace
from gateway.inbound.pointing import USER_COMMANDS
from gateway.inbound.words import Meaning

if TYPE_CHECKING:
    from gateway.inbound.record import RawRecord
    from gateway.inbound.translated import Translated

_CHANGES_PARTIES = (PutOrganization, *USER_COMMANDS)


def as_sent(reading: Translated, raw: RawRecord) -> Translated | Refused:
    """`reading` as its sender's key has it, or why that key does not carry it.

    Scopes are judged when a record comes in, and not again when it is decided later.
    """
    missing = sorted(_needed(reading) - raw.scopes) if raw.scopes else ()
    if missing:
        return Refused(why=Why.SCOPE_MISSING, detail=f"the key has no scope {missing[0]}")
    if raw.user is not None:
        reading = replace(reading, credential=raw.user)
    if raw.brand is not None and reading.brand is None:
        reading = replace(reading, brand=raw.brand)
    return _as_test(reading) if is_test(reading.source) else reading


def _needed(reading: Translated) -> set[str]:
    """Where the word may mean either, by how the job stands, both are needed."""
    either = reading.word is not None and reading.word.meaning is Meaning.ACCEPT_OR_RESTORE
    return {scope_of(reading.command), *((Scope.ACTIONS,) if either else ())}


def _as_test(reading: Translated) -> Translated | Refused:
    if isinstance(reading.command, _CHANGES_PARTIES):
        return Refused(why=Why.NOT_ALLOWED, member="type", detail="a test key changes no organization and no user")
    if isinstance(reading.refs.customer, int):
        return Refused(
            why=Why.NOT_ALLOWED, member="data.customer", detail="a test key names customers by ids of its own"
        )
    return replace(reading, refs=as_test(reading.refs))
