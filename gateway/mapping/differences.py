"""How two readings of one thing differ: kinds of difference, members that changed, and groups that are counted.

Examples are for operators' eyes: texts of customers and notes stand in them disguised.
"""

from __future__ import annotations

import re
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.core.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.core.parties import Json

# By member, with its place: what it was and what it becomes. What is not there on one side is missing.
Changes: TypeAlias = "dict[str, dict[str, Json]]"

_PLACE = re.compile(r"\[\d+\]")
_LETTER, _DIGIT = re.compile(r"[^\W\d_]"), re.compile(r"\d")


class Kind(StrEnum):
    """Kinds of difference. Values are stable."""

    NEWLY_FAILS = "newly_fails"
    NEWLY_PASSES = "newly_passes"
    FAILS_OTHERWISE = "fails_otherwise"
    NO_LONGER_WANTED = "no_longer_wanted"
    NEWLY_WANTED = "newly_wanted"
    CODE_CHANGED = "code_changed"
    REASON_CHANGED = "reason_changed"
    MEMBERS_CHANGED = "members_changed"
    KEY_CHANGED = "key_changed"
    CONTENT_TYPE_CHANGED = "content_type_changed"
    # of what comes in
    NEWLY_NOT_UNDERSTOOD = "newly_not_understood"
    NEWLY_UNDERSTOOD = "newly_understood"
    NOT_UNDERSTOOD_OTHERWISE = "not_understood_otherwise"
    COMMAND_CHANGED = "command_changed"


# What must not happen unnoticed.
FAILING = frozenset({Kind.NEWLY_FAILS, Kind.NEWLY_NOT_UNDERSTOOD})


class Difference(NamedTuple):
    """One kind of difference in its particular form; `destination` is empty for what comes in."""

    kind: Kind
    what: str
    destination: str = ""


class Example(NamedTuple):
    """One message or record that differs so, by its id. `changes` has a member without values where none are shown."""

    id: str
    job: str | None
    changes: Changes


@dataclass(slots=True)
class Group:
    """How many messages or records differ in one way, with the first few of them."""

    count: int = 0
    examples: list[Example] = field(default_factory=list)


class Groups:
    """Differences as they are found, grouped; examples are made only where one is still wanted."""

    def __init__(self, examples: int) -> None:
        self._examples = examples
        self._groups: dict[Difference, Group] = {}

    def add(self, found: Difference, make_example: Callable[[], Example]) -> None:
        group = self._groups.setdefault(found, Group())
        group.count += 1
        if len(group.examples) < self._examples:
            group.examples.append(make_example())

    @property
    def ordered(self) -> list[tuple[Difference, Group]]:
        """By kind, as the kinds stand; of each the most frequent first."""
        kinds = list(Kind)
        return sorted(self._groups.items(), key=lambda one: (kinds.index(one[0].kind), -one[1].count, one[0]))

    @property
    def has_failing(self) -> bool:
        """Whether something fails, or is not understood, that did or was before."""
        return any(one.kind in FAILING for one in self._groups)


def changes_between(was: Json, becomes: Json, path: str = "") -> Changes:
    """The members in which two documents differ; lists of different lengths differ as a whole."""
    if isinstance(was, dict) and isinstance(becomes, dict):
        found: Changes = {}
        for name in dict.fromkeys((*was, *becomes)):
            inner = f"{path}.{name}" if path else name
            if name not in becomes:
                found[inner] = {"before": was[name]}
            elif name not in was:
                found[inner] = {"after": becomes[name]}
            else:
                found |= changes_between(was[name], becomes[name], inner)
        return found
    if isinstance(was, list) and isinstance(becomes, list) and len(was) == len(becomes):
        pairs = enumerate(zip(was, becomes, strict=True))
        return {
            member: change
            for place, (one, other) in pairs
            for member, change in changes_between(one, other, f"{path}[{place}]").items()
        }
    is_same = type(was) is type(becomes) and was == becomes
    return {} if is_same else {path: {"before": was, "after": becomes}}


def without_places(member: str) -> str:
    """`data.appointments[2].status` as a member of every appointment."""
    return _PLACE.sub("[]", member)


def disguised(value: Json) -> Json:
    """A value of the same shape that says nothing: letters are x, digits 1."""
    if isinstance(value, str):
        return _DIGIT.sub("1", _LETTER.sub(lambda sign: "X" if sign[0].isupper() else "x", value))
    if isinstance(value, dict):
        return {name: disguised(member) for name, member in value.items()}
    if isinstance(value, list):
        return [disguised(member) for member in value]
    if value is None or isinstance(value, bool):
        return value
    return int("1" * len(str(abs(value)))) if isinstance(value, int) else 1.1
