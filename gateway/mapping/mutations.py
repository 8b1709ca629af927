"""Whether the golden files would notice: each rule of a profile is changed in turn, and its files made again.

A change is noticed where a message, a refusal or a translation comes out differently; other names are not enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import ValidationError

from gateway.core.reasons import Ending
from gateway.core.values import dataclass
from gateway.mapping.examples import examples
from gateway.mapping.expression_changes import changed_expressions
from gateway.mapping.goldens import messages, translations, understood_reasons
from gateway.mapping.problems import Problem
from gateway.mapping.profile import CanceledAs, Profile
from gateway.mapping.profile_roads import Some
from gateway.mapping.source import dotted, line_of

if TYPE_CHECKING:
    from gateway.mapping.examples import Example
    from gateway.mapping.goldens import Golden, OwnDocument
    from gateway.mapping.source import Path, Source

_OTHER: Final[Mapping[object, str]] = {
    Ending.COMPLETES.value: Ending.PAUSES.value,
    Ending.PAUSES.value: Ending.COMPLETES.value,
    CanceledAs.CANCELED.value: CanceledAs.COMPLETE.value,
    CanceledAs.COMPLETE.value: CanceledAs.CANCELED.value,
    Some.ALL.value: Some.STATUS_CHANGES_ONLY.value,
    Some.STATUS_CHANGES_ONLY.value: Some.ALL.value,
}
_LONGEST = 200


class _Removed:
    """In the place of an element that is taken out of its list."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """The member at `path` made `value`; `what` says so, `below` on which line after the member's first."""

    path: Path
    value: object
    what: str
    below: int = 0


class Tried(NamedTuple):
    """How many `changes` were made, and those that no golden file would notice."""

    changes: int
    unnoticed: tuple[Problem, ...]


def try_mutations(source: Source, documents: Sequence[OwnDocument]) -> Tried:
    """Changes each rule of the profile in `source`, which has to have passed its check."""
    profile = Profile.model_validate(source.members)
    kept = _Kept(documents, examples(profile), profile)
    count = 0
    unnoticed: list[Problem] = []
    for mutation in mutations(source.members):
        count += 1
        if not _is_noticed(source.members, mutation, kept):
            line = line_of(source.lines, mutation.path) + mutation.below
            unnoticed.append(Problem(source.file, line, dotted(mutation.path), mutation.what))
    return Tried(count, tuple(unnoticed))


def mutations(members: Mapping[str, object]) -> Iterator[Mutation]:
    """A change of each rule that says what a message looks like or who gets it.

    Not of what has no message: routing, periods, the booking page, addresses and limits of destinations; nor of
    `features.photos`, since no event of a photo exists.
    """
    for path, value in _leaves(members, ()):
        yield from _changes_of(path, value)


def _changes_of(path: Path, value: object) -> Iterator[Mutation]:
    match path:
        case ("complete_reasons" | "decline_reasons" | "cancel_reasons", int(), "code" | "label"):
            yield _another_text(path, value)
        case ("complete_reasons" | "decline_reasons" | "cancel_reasons", int(), "also", int()):
            yield _another_text(path, value)
            yield Mutation(path, _Removed, f"{value} taken from the list")
        case ("status_codes", int(), "code") | ("tables", str(), str()) | ("feed", "content_type"):
            yield _another_text(path, value)
        case ("status_codes", int(), "refuse") | ("connect", str(), str()):
            yield Mutation(path, _shortened(value) + "_x", f"{value} changed to another word")
        case ("complete_reasons", int(), "outcome") | ("canceled_as",) | ("destinations", int(), "events"):
            yield Mutation(path, _OTHER[value], f"{value} changed to {_OTHER[value]}")
        case ("features", "notes") | ("complete_reasons" | "decline_reasons" | "cancel_reasons", int(), "retired"):
            yield Mutation(path, not value, f"{value} changed to {not value}")
        case ("destinations", int(), "events", int()):
            yield Mutation(path, _Removed, f"{value} taken from the list")
        case (
            ("feed", "key")
            | ("feed", "events", str())
            | ("inbound" | "custom", *_, "type" | "id" | "subject" | "time")
            | ("inbound" | "custom", *_, "data", str())
        ):
            for change in changed_expressions(str(value)):
                yield Mutation(path, change.text, change.what, change.below)
        case _:
            return


def _another_text(path: Path, value: object) -> Mutation:
    if isinstance(value, int):
        return Mutation(path, value + 1, f"{value} changed to {value + 1}")
    return Mutation(path, _shortened(value) + "~", f"{value} changed to another text")


def _shortened(value: object) -> str:
    return str(value)[: _LONGEST - 2]


def _leaves(value: object, path: Path) -> Iterator[tuple[Path, object]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _leaves(element, (*path, index))
    else:
        yield path, value


class _Kept:
    """What there is to compare with: the texts that the profile itself makes of its documents and its examples."""

    def __init__(self, documents: Sequence[OwnDocument], told: Sequence[Example], profile: Profile) -> None:
        self.documents, self.told = documents, told
        self._understood = understood_reasons(profile)
        self._read = Counter(text for _, text in translations(profile, documents))
        self._sent = Counter(text for _, text in messages(profile, told))

    def reads_as(self, mutant: Profile) -> bool:
        return _are(self._read, translations(mutant, self.documents))

    def understands_as(self, mutant: Profile) -> bool:
        return self._understood == understood_reasons(mutant)

    def sends_as(self, mutant: Profile, told: Sequence[Example]) -> bool:
        return _are(self._sent, messages(mutant, told))


def _are(kept: Counter[str], made: Iterator[Golden]) -> bool:
    left = Counter(kept)
    for _, text in made:
        if left[text] == 0:
            return False
        left[text] -= 1
    return left.total() == 0


def _is_noticed(members: Mapping[str, object], mutation: Mutation, kept: _Kept) -> bool:
    try:
        mutant = Profile.model_validate(_changed(members, mutation.path, mutation.value))
    except ValidationError:
        # Nobody could import it.
        return True
    section = str(mutation.path[0])
    if section in {"inbound", "custom"}:
        return not kept.reads_as(mutant)
    if section == "tables" and not kept.reads_as(mutant):
        return True
    if section.endswith("_reasons"):
        return not kept.understands_as(mutant)
    # Examples are made with the reasons of the profile, and with nothing else that is changed here.
    return not kept.sends_as(mutant, kept.told)


def _changed(value: object, path: Path, to: object) -> object:
    """A copy of `value` with `to` at `path`; what is beside the path is shared."""
    if not path:
        return to
    first, rest = path[0], path[1:]
    if isinstance(value, list):
        if not rest and to is _Removed:
            return [each for index, each in enumerate(value) if index != first]
        return [_changed(each, rest, to) if index == first else each for index, each in enumerate(value)]
    if isinstance(value, dict):
        return {name: _changed(each, rest, to) if name == first else each for name, each in value.items()}
    raise TypeError(f"nothing at {dotted(path)}")
