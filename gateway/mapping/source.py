"""Reads YAML strictly: plain values with the line of each member; no anchors, tags or duplicate keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import TypeAlias

import yaml

from gateway.core.values import dataclass
from gateway.mapping.problems import Problem

Path: TypeAlias = tuple[str | int, ...]

MAX_CHARACTERS = 512 * 1024
MAX_DEPTH = 16

_NULL, _TEXT = "tag:yaml.org,2002:null", "tag:yaml.org,2002:str"

# libyaml where the wheel has it: ten times faster, with the same marks.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Source:
    """A YAML file as values; `lines` has the first line of every member by its path."""

    file: str
    members: dict[str, object]
    lines: dict[Path, int]

    def problem(self, path: Path, what: str) -> Problem:
        return Problem(self.file, line_of(self.lines, path), dotted(path), what)


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of `path`, or of the nearest member around it that the file has."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def find_members(text: str) -> dict[Path, str | None]:
    """The members of the first two levels of a text that was checked before; None for what is not plain text.

    Sooner than `read_source`, and empty where the text is no YAML mapping.
    """
    try:
        return dict(_members(yaml.compose(text, Loader=_Loader), (), 2))
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
        return (Problem(file, 1, "", f"longer than {MAX_CHARACTERS} characters"),)
    try:
        refused = _refused_marks(text, file)
        if refused:
            return refused
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if not isinstance(root, yaml.MappingNode):
                return (Problem(file, 1, "", "not a YAML mapping"),)
            reading = _Reading(file, loader)
            members = reading.mapping(root, ())
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        return (_yaml_problem(error, file),)
    return tuple(reading.problems) or Source(file, members, reading.lines)


def _refused_marks(text: str, file: str) -> tuple[Problem, ...]:
    """Looks at the stream of events first, so that no alias is followed and no depth is recursed into."""
    problems, depth = [], 0
    for event in yaml.parse(text, Loader=_Loader):
        line = _line(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problems.append(Problem(file, line, "", "anchors and aliases are not allowed: write the value out"))
        tag = getattr(event, "tag", None)
        if tag is not None:
            problems.append(Problem(file, line, "", f"tags are not allowed: {tag}"))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return (*problems, Problem(file, line, "", f"nested deeper than {MAX_DEPTH} levels"))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return tuple(problems)


def _line(marked: yaml.Event | yaml.Node) -> int:
    return marked.start_mark.line + 1 if marked.start_mark else 1


def _yaml_problem(error: Exception, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or "a value cannot be read"
    return Problem(file, mark.line + 1 if mark else 1, "", f"not valid YAML: {what}")


@dataclass(slots=True)
class _Reading:
    file: str
    loader: yaml.SafeLoader
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def value(self, node: yaml.Node, path: Path) -> object:
        self.lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        made: object = self.loader.construct_object(node)
        return made

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        members: dict[str, object] = {}
        for key_node, child in node.value:
            line = _line(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(self.file, line, dotted(path), "a key must be a plain word"))
                continue
            key = key_node.value
            here = (*path, key)
            if key in members:
                what = f"the key is there twice, first in line {self.lines[here]}"
                self.problems.append(Problem(self.file, line, dotted(here), what))
                continue
            self.lines[here] = line
            members[key] = self.value(child, here)
        return members
