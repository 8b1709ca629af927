"""What is wrong with a brand profile, and where it says so."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from gateway.core.values import dataclass


class Level(StrEnum):
    """A profile with an error is not used; one with warnings is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """`member` is a dotted path into the profile (`status_codes.3.code`), empty for the file as a whole."""

    file: str
    line: int
    member: str
    what: str
    level: Level = Level.ERROR

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: {self.level.value}"
        return f"{place}: {self.member}: {self.what}" if self.member else f"{place}: {self.what}"


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether any of them keeps the profile from being used."""
    return any(problem.level is Level.ERROR for problem in problems)
