"""Who sees what: the only place that opens private text, and only for a named audience.

Text of notes travels as `Private`, which no renderer, logger or serializer accepts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn

from gateway.core.values import dataclass

if TYPE_CHECKING:
    from gateway.core.notes import Note


class Audience(StrEnum):
    """Who a document is for."""

    ENTERPRISE = "enterprise"
    PROVIDER = "provider"
    TECHNICIAN = "technician"
    CUSTOMER = "customer"
    OPS = "ops"


class Visibility(StrEnum):
    """Of a note or photo."""

    PRIVATE = "private"
    PUBLIC = "public"


class Private:
    """Text that must not leave by accident: it cannot be printed, formatted, pickled, joined or serialized."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def __repr__(self) -> str:
        return "<private>"

    def __str__(self) -> NoReturn:
        raise TypeError("private text is opened by core.visibility only")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("private text is opened by core.visibility only")

    def __reduce__(self) -> NoReturn:
        raise TypeError("private text is not serialized")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Private) and _open(self) == _open(other)

    def __hash__(self) -> int:
        return hash(_open(self))


def _open(private: Private) -> str:
    text: str = private._Private__text  # type: ignore[attr-defined]  # noqa: SLF001 - the one opening
    return text


@dataclass(frozen=True, slots=True)
class Withheld:
    """Stands in for text that the audience may not see (any more)."""

    why: str = "withheld"


def may_see(note: Note, audience: Audience, *, assigned: bool = False) -> bool:
    """Whether `audience` may see the text of `note` as it is now.

    `assigned`: for a technician, whether a visit of the note's job is theirs.
    """
    match audience:
        case Audience.CUSTOMER | Audience.OPS:
            return False
        case Audience.ENTERPRISE:
            return note.visibility is Visibility.PUBLIC or note.by_enterprise
        case Audience.TECHNICIAN:
            return assigned
        case Audience.PROVIDER:
            return True


def open_for(note: Note, audience: Audience, *, revision: int, assigned: bool = False) -> str | Withheld:
    """The text of `note` for `audience`, or `Withheld`.

    An older revision is withheld too: what was edited away is not sent again.
    """
    if note.revision != revision or not may_see(note, audience, assigned=assigned):
        return Withheld()
    return _open(note.text)


def open_for_storage(private: Private) -> str:
    """The text for the column that keeps it. Called by `store` only (checked by a test of the tree)."""
    return _open(private)
