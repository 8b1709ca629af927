"""Edits a profile's YAML text so that a reviewer sees a diff of one or two lines.

Comments, order and all other lines stay byte for byte. What was written is read again: the outcome is a profile with
exactly the change asked for, or a sentence that says what to do by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import yaml

from gateway.core.reasons import DEFAULT_COMPLETE, Reason, ReasonKind
from gateway.core.values import dataclass
from gateway.mapping.profile import Profile, parse_profile
from gateway.mapping.source import BYTE_ORDER_MARK, MAX_CHARACTERS, Source, compose, read_source
from gateway.mapping.yaml_edits import Written, find_list, with_items, with_member, with_value, without_member

if TYPE_CHECKING:
    from gateway.mapping.codes import Standing
    from gateway.mapping.problems import Problem

_Entry: TypeAlias = dict[str, Written]
_Change: TypeAlias = Callable[[str, yaml.SequenceNode], str]

_BY_HAND = "the file is written in a way that is not known here: make the change by hand"


@dataclass(frozen=True, slots=True)
class CannotEdit:
    """The text cannot be edited; `why` tells the operator what to do."""

    why: str


def with_text(text: str, kind: ReasonKind, code: str, more: str, *, version: int) -> str | CannotEdit:
    """The next version of the profile `text`: the reason `code` of that list is also called `more`."""
    name = _list_of(kind)
    entries = _read_entries(text, name)
    if isinstance(entries, CannotEdit):
        return entries
    refused = _find_refusal(entries, kind, (), (more,))
    if refused is not None:
        return refused
    living = {str(each["code"]): place for place, each in enumerate(entries) if not each.get("retired")}
    place = living.get(code)
    if place is None:
        codes = ", ".join(living)
        return CannotEdit(f"no reason of {name} has the code {code!r}: give one of {codes}")
    also = entries[place].get("also", ())
    wanted = [*entries]
    wanted[place] = {**entries[place], "also": [*(also if isinstance(also, list) else ()), more]}

    def change(text: str, listed: yaml.SequenceNode) -> str:
        reason = listed.value[place]
        texts = find_list(reason, "also")
        return with_member(text, reason, "also", [more]) if texts is None else with_items(text, texts, [more])

    return _edited(text, version, name, wanted, change)


def with_reason(text: str, kind: ReasonKind, reason: Reason, *, version: int) -> str | CannotEdit:
    """The next version of the profile `text`: that list ends with `reason`."""
    name = _list_of(kind)
    entries = _read_entries(text, name)
    if isinstance(entries, CannotEdit):
        return entries
    refused = _find_refusal(entries, kind, (reason.code, reason.label), reason.also)
    if refused is not None:
        return refused
    added = _members_of(reason)
    return _edited(text, version, name, [*entries, added], _appending(added))


def with_status_code(text: str, standing: Standing, code: str | int, *, version: int) -> str | CannotEdit:
    """The next version of the profile `text`: its status codes end with `code` for a standing that had none."""
    rows = _read_entries(text, "status_codes")
    if isinstance(rows, CannotEdit):
        return rows
    members = {"status": standing.status, "closure": standing.closure, "appointment_status": standing.visit}
    given = {name: value for name, value in members.items() if value is not None}
    for row in rows:
        if {name: row[name] for name in members if row.get(name) is not None} == given:
            return CannotEdit(f"{standing} has a row in status_codes already: change it by hand")
    added: _Entry = {**given, "code": code}
    return _edited(text, version, "status_codes", [*rows, added], _appending(added))


def _appending(added: _Entry) -> _Change:
    return lambda text, listed: with_items(text, listed, [added])


def _list_of(kind: ReasonKind) -> str:
    return f"{kind.value}_reasons"


def _members_of(reason: Reason) -> _Entry:
    members: _Entry = {"code": reason.code, "label": reason.label}
    if reason.outcome is not None:
        members["outcome"] = reason.outcome.value
    if reason.also:
        members["also"] = list(reason.also)
    return members


def _read_entries(text: str, name: str) -> list[_Entry] | CannotEdit:
    """The entries of a list as the file has them; the default pair where there are no complete reasons."""
    profile = parse_profile(text, file="")
    if not isinstance(profile, Profile):
        return CannotEdit(f"this is no profile: {_said(profile)}")
    written = _members_in(text).get(name)
    entries: list[_Entry] = [*written] if isinstance(written, list) else []
    if not entries and name == _list_of(ReasonKind.COMPLETE):
        return [_members_of(reason) for reason in DEFAULT_COMPLETE]
    return entries


def _find_refusal(
    entries: Sequence[_Entry], kind: ReasonKind, names: Sequence[str], further: Sequence[str]
) -> CannotEdit | None:
    """Why a reason cannot have these as its code and label, and those as further texts."""
    if not entries:
        return CannotEdit(f"the profile has no {_list_of(kind)}: any words are taken as they are, and need no mapping")
    for place, entry in enumerate(entries):
        if entry.get("retired"):
            # Nothing else of it stays taken, nor that for further texts.
            if entry["code"] in names:
                return CannotEdit(
                    f"{entry['code']!r} is the code of a retired reason of {_list_of(kind)}, and stays so"
                )
            continue
        also = entry.get("also", ())
        named = {entry["code"], entry["label"], *(also if isinstance(also, list) else ())}
        known = next((text for text in (*names, *further) if text in named), None)
        if known is not None:
            return CannotEdit(f"{known!r} stands for the reason number {place + 1} of {_list_of(kind)} already")
    return None


def _edited(text: str, version: int, name: str, wanted: list[_Entry], change: _Change) -> str | CannotEdit:
    """`text` as that version, in force as soon as it is activated, with `change` made to its list `name`.

    `wanted` are the entries that the list is to have afterwards.
    """
    bare = text.removeprefix(BYTE_ORDER_MARK)
    try:
        made = text[: len(text) - len(bare)] + _with_change(_with_version(bare, version), name, wanted, change)
    except yaml.YAMLError:
        return CannotEdit(_BY_HAND)
    if len(made) > MAX_CHARACTERS:
        return CannotEdit(
            f"the profile would be longer than {MAX_CHARACTERS} characters: take out what it does not need"
        )
    again = parse_profile(made, file="")
    if not isinstance(again, Profile):
        return CannotEdit(f"that would not be a profile: {_said(again)}")
    meant = {**_members_in(text), "version": version, name: wanted}
    meant.pop("effective_at", None)
    return made if _members_in(made) == meant else CannotEdit(_BY_HAND)


def _members_in(text: str) -> dict[str, object]:
    source = read_source(text, file="")
    return source.members if isinstance(source, Source) else {}


def _with_version(text: str, version: int) -> str:
    text = without_member(text, _root(text), "effective_at")
    return with_value(text, _root(text), "version", version)


def _with_change(text: str, name: str, wanted: list[_Entry], change: _Change) -> str:
    """A list that the text does not have is written out."""
    root = _root(text)
    listed = find_list(root, name)
    if listed is None:
        return with_member(text, root, name, wanted, after="version", like=find_list(root, "status_codes"))
    return change(text, listed) if listed.value else with_items(text, listed, wanted)


def _root(text: str) -> yaml.MappingNode:
    root = compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise yaml.YAMLError
    return root


def _said(problems: Sequence[Problem]) -> str:
    return "; ".join(f"{problem.member}: {problem.what}" if problem.member else problem.what for problem in problems)
