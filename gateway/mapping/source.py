"""Reads YAML strictly: plain values with the line of each member; no anchors, tags or duplicate keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from typing import TypeAlias

import yaml

from gateway.core.values import dataclass
from gateway.mapping.problems import Problem

Path: TypeAlias = tuple[str | int, ...]

MAX_CHARACTERS = 512 * 1024
MAX_DEPTH = 32
# Of a value that cannot be read.
_TOLD = 60
BYTE_ORDER_MARK = "\ufeff"

_DECIMAL = re.compile(r"-?(0|[1-9]\d*)\.\d+", re.ASCII)

_NULL, _TEXT = "tag:yaml.org,2002:null", "tag:yaml.org,2002:str"

# libyaml where the wheel has it: ten times faster, with the same marks.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML file as values; `lines` has the first line of every member by its path.

    `plain` has what is written where YAML reads something else than text: NO, 010, 2026-01-01.
    """

    file: str
    members: dict[str, object]
    lines: dict[Path, int]
    plain: dict[Path, str]

    def problem(self, path: Path, what: str) -> Problem:
        return Problem(self.file, line_of(self.lines, path), dotted(path), what)


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest member around it that the file has."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def compose(text: str) -> yaml.Node | None:
    """The nodes of `text` with their marks, whose `index` counts characters; not those of a byte order mark."""
    return yaml.compose(text.removeprefix(BYTE_ORDER_MARK), Loader=_Loader)


def find_members(text: str) -> dict[Path, str | None]:
    """The members of the first two levels of a text that was checked before; None for what is not plain text.

    Sooner than `read_source`, and empty where the text is no YAML mapping.
    """
    try:
        return dict(_members(compose(text), (), 2))
    except yaml.YAMLError:
        return {}


def _members(node: yaml.Node | None, path: Path, levels: int) -> Iterator[tuple[Path, str | None]]:
    if not isinstance(node, yaml.MappingNode) or not levels:
        return
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and value.tag != _NULL:
            here = (*path, key.value)
            yield here, value.value if value.tag == _TEXT else None
            yield from _members(value, here, levels - 1)


def read_source(text: str, *, file: str) -> Source | tuple[Problem, ...]:
    """The mapping that `text` holds, or everything that speaks against reading it."""
    if len(text) > MAX_CHARACTERS:
        what = f"longer than {MAX_CHARACTERS} characters: a profile has some hundred lines, is this the right file?"
        return (Problem(file, 1, "", what),)
    try:
        refused = _refused_marks(text, file)
        if refused:
            return refused
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if not isinstance(root, yaml.MappingNode):
                return (Problem(file, 1, "", "not a YAML mapping: a profile begins with `brand: <its name>`"),)
            reading = _Reading(file, loader)
            members = reading.mapping(root, ())
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        return (_yaml_problem(error, text, file),)
    return tuple(reading.problems) or Source(file, members, reading.lines, reading.plain)


def _refused_marks(text: str, file: str) -> tuple[Problem, ...]:
    """Looks at the stream of events first, so that no alias is followed and no depth is recursed into."""
    problems: list[Problem] = []
    opened: list[_Opened] = []
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            opened.pop()
        if not isinstance(event, yaml.NodeEvent):
            continue
        path = opened[-1].path_of(event) if opened else ()
        place = file, _line(event), dotted(path)
        if event.anchor is not None:
            problems.append(Problem(*place, "anchors and aliases are not allowed: write the value out"))
        tag = getattr(event, "tag", None)
        if tag is not None:
            what = f"tags are not allowed: write the value without {tag}, in quotes if it is text"
            problems.append(Problem(*place, what))
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append(_Opened(path, isinstance(event, yaml.MappingStartEvent)))
            if len(opened) > MAX_DEPTH:
                return (*problems, Problem(*place, f"nested deeper than {MAX_DEPTH} levels: no member goes so deep"))
    return tuple(problems)


@dataclass(slots=True)
class _Opened:
    """A list or mapping in a stream of events that has begun: how many nodes of it have come, and the last key."""

    path: Path
    is_mapping: bool
    seen: int = 0
    key: str = ""

    def path_of(self, node: yaml.NodeEvent) -> Path:
        """Where the next node of it stands; a key stands where its value does."""
        place, self.seen = self.seen, self.seen + 1
        if not self.is_mapping:
            return (*self.path, place)
        if place % 2 == 0:
            self.key = node.value if isinstance(node, yaml.ScalarEvent) else ""
        return (*self.path, self.key) if self.key else self.path


def _line(marked: yaml.Event | yaml.Node) -> int:
    return marked.start_mark.line + 1 if marked.start_mark else 1


def _yaml_problem(error: Exception, text: str, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(file, line, "", "not valid YAML: a character that cannot be printed: take it out")
    what = getattr(error, "problem", None) or "a value cannot be read"
    todo = next((todo for said, todo in _REMEDIES.items() if said in what), _ANY_REMEDY)
    return Problem(file, mark.line + 1 if mark else 1, "", f"not valid YAML: {what}: {todo}")


# What usually lies behind what libyaml and PyYAML say.
_REMEDIES = {
    "cannot start any token": "indent with spaces, and put text that begins with a sign such as % or @ in quotes",
    "mapping values are not allowed": "put text that holds a colon in quotes, and indent members alike",
    "did not find expected ',' or": "close the bracket, and put text that holds a comma or a colon in quotes",
    "but found another document": "one file is one profile: take the lines from `---` on out",
}
_ANY_REMEDY = "look at this line, and at the end of the one before it"


@dataclass(slots=True)
class _Reading:
    file: str
    loader: yaml.SafeLoader
    lines: dict[Path, int] = field(default_factory=dict)
    plain: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def value(self, node: yaml.Node, path: Path) -> object:
        self.lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        return self.scalar(node, path)

    def scalar(self, node: yaml.Node, path: Path) -> object:
        """What a scalar says; what reads otherwise than it looks is a problem, wherever it stands."""
        written: str = node.value
        try:
            made: object = self.loader.construct_object(node)
        except ValueError:
            told = written if len(written) <= _TOLD else f"{written[:_TOLD]}…"
            self._add(node, path, f"{told} cannot be read: put it in quotes if it is text")
            return None
        if isinstance(made, str):
            return made
        self.plain[path] = written
        if _looks_like(written, made):
            return made
        if isinstance(made, bool):
            plainly = str(made).lower()
            self._add(node, path, f"YAML reads {written} as {plainly}: write {plainly}, or '{written}' if it is text")
        else:
            self._add(node, path, f"YAML reads {written} as {made}: write {made}, or '{written}' if it is text")
        return made

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        members: dict[str, object] = {}
        for key_node, child in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(key_node, path, "a key must be a plain word: write `name: value`")
                continue
            key = key_node.value
            here = (*path, key)
            if key in members:
                self._add(key_node, here, f"the key is there twice, first in line {self.lines[here]}: keep one of them")
                continue
            self.lines[here] = _line(key_node)
            members[key] = self.value(child, here)
        return members

    def _add(self, node: yaml.Node, path: Path, what: str) -> None:
        self.problems.append(Problem(self.file, _line(node), dotted(path), what))


def _looks_like(written: str, made: object) -> bool:
    """Whether a reader takes it for what YAML does: unlike `yes`, which is true, and 010, which is 8."""
    if isinstance(made, bool):
        return written in {"true", "false"}
    if isinstance(made, int):
        return written == str(made)
    return not isinstance(made, float) or _DECIMAL.fullmatch(written) is not None
