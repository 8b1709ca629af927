"""Small edits of YAML text at the marks of its nodes: every line but the touched ones stays as it is.

The text has no byte order mark, its nodes are those of `source.compose`, and what is added is written in the style of
what it stands by. Whether the outcome reads as it should is for the caller to see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import yaml

from gateway.core.values import dataclass
from gateway.mapping.source import Source, read_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Written: TypeAlias = str | int | Sequence["Written"] | Mapping[str, "Written"]
_Element: TypeAlias = tuple[yaml.Node, yaml.Node]

_BREAKS = "\r\n\x85\u2028\u2029"
_BREAK = re.compile(f"\r\n|[{_BREAKS}]")
_LINE_END = re.compile(f"[^{_BREAKS}]*")
_ONLY_COMMENT = re.compile(f"[ \t]*(#[^{_BREAKS}]*)?(?=[{_BREAKS}]|\\Z)")
_COMMENT_LINE = re.compile(f"(?:\r\n|[{_BREAKS}])( *)#[^{_BREAKS}]*")
_NO_TOKEN = re.compile(f"(?:[ \t{_BREAKS}]|#[^{_BREAKS}]*)*")


@dataclass(frozen=True, slots=True)
class _Style:
    """Whether names and texts stand in quotes that need none, and whether braces have a space inside."""

    quoted: bool = False
    padded: bool = False


def find_list(members: yaml.MappingNode, name: str) -> yaml.SequenceNode | None:
    """The list that is the member `name`."""
    values = (value for key, value in members.value if key.value == name)
    return next((value for value in values if isinstance(value, yaml.SequenceNode)), None)


def with_value(text: str, members: yaml.MappingNode, name: str, value: str | int) -> str:
    """`text` with `value` in the place of the scalar that is the member `name`."""
    node = _element(members, name)[1]
    return text[: node.start_mark.index] + _written(value, _Style()) + text[node.end_mark.index :]


def with_items(text: str, items: yaml.SequenceNode, values: Sequence[Written]) -> str:
    """`text` with further items at the end of a list."""
    if not items.flow_style:
        return _with_lines(text, items.value[-1], _item_lines(text, items, values), items.start_mark.column)
    last = items.value[-1] if items.value else None
    style = _style_of(text, last)
    piece = ", ".join(_written(value, style) for value in values)
    return _with_piece(text, items, piece, None if last is None else (last, last))


def with_member(
    text: str,
    members: yaml.MappingNode,
    name: str,
    values: Sequence[Written],
    *,
    after: str | None = None,
    like: yaml.SequenceNode | None = None,
) -> str:
    """`text` with the list `values` as a new member, behind the member `after` or as the last one.

    The list stands in brackets, unless `like`, another list of the same members, stands in lines.
    """
    behind = members.value[-1] if after is None else _element(members, after)
    style = _style_of(text, members)
    piece = f"{_written(name, style)}: {_written(values, style)}"
    if members.flow_style:
        return _with_piece(text, members, piece, behind)
    column = members.start_mark.column
    lines = [" " * column + piece]
    if like is not None and not like.flow_style:
        lines = [" " * column + f"{_written(name, style)}:", *_item_lines(text, like, values)]
    return _with_lines(text, behind[1], lines, column)


def without_member(text: str, members: yaml.MappingNode, name: str) -> str:
    """`text` without a member, if it has it: without its lines, and a comment behind it, where it stands alone."""
    place = next((place for place, (key, _) in enumerate(members.value) if key.value == name), None)
    if place is None:
        return text
    key, value = members.value[place]
    start, end = key.start_mark.index, _end(text, value)
    if members.flow_style:
        comma = _next_token(text, end)
        if text.startswith(",", comma):
            end = comma + 1
        elif place:
            comma = _next_token(text, _end(text, members.value[place - 1][1]))
            text, start, end = text[:comma] + text[comma + 1 :], start - 1, end - 1
    line = _line_start(text, start)
    alone = _ONLY_COMMENT.match(text, end)
    if alone and (not members.flow_style or not text[line:start].strip()):
        behind = _BREAK.match(text, alone.end()) or alone
        return text[:line] + text[behind.end() :]
    return text[:start].rstrip(" \t") + text[end:]


def _element(members: yaml.MappingNode, name: str) -> _Element:
    return next((key, value) for key, value in members.value if key.value == name)


def _with_lines(text: str, behind: yaml.Node, lines: Iterable[str], column: int) -> str:
    """`text` with `lines` below the line in which `behind` ends, and below the comments that are indented to it."""
    at = _line_end(text, _end(text, behind))
    while (comment := _COMMENT_LINE.match(text, at)) and len(comment[1]) > column:
        at = comment.end()
    line_break = _line_break(text)
    return text[:at] + "".join(line_break + line for line in lines) + text[at:]


def _with_piece(text: str, collection: yaml.CollectionNode, piece: str, behind: _Element | None) -> str:
    """`text` with `piece` in a collection with brackets: in a line of its own where `behind` begins one."""
    if behind is None:
        at = collection.start_mark.index + 1
        return text[:at] + piece + text[at:]
    start, end = behind[0].start_mark.index, _end(text, behind[1])
    comma = _next_token(text, end)
    closed = text.startswith(",", comma)
    between, rest = (text[end : comma + 1], comma + 1) if closed else (",", end)
    added = piece + "," * closed
    indent = text[_line_start(text, start) : start]
    if indent.strip():
        return f"{text[:end]}{between} {added}{text[rest:]}"
    alone = _ONLY_COMMENT.match(text, rest)
    comment = alone[0] if alone else ""
    return f"{text[:end]}{between}{comment}{_line_break(text)}{indent}{added}{text[rest + len(comment) :]}"


def _item_lines(text: str, items: yaml.SequenceNode, values: Sequence[Written]) -> Iterator[str]:
    """`values` as further items of a list in lines, each in the style of its last one."""
    last = items.value[-1]
    indent = " " * items.start_mark.column
    start = last.start_mark.index
    before = text[_line_start(text, start) : start]
    dash = indent + "-" + (before[len(indent) + 1 :] if before.strip() == "-" else " ")
    style = _style_of(text, last)
    for value in values:
        if isinstance(value, Mapping) and not last.flow_style:
            members = [f"{_written(name, style)}: {_written(each, style)}" for name, each in value.items()]
            yield dash + members[0]
            yield from (" " * len(dash) + member for member in members[1:])
        else:
            yield dash + _written(value, style)


def _style_of(text: str, node: yaml.Node | None) -> _Style:
    if isinstance(node, yaml.MappingNode):
        padded = bool(node.flow_style) and text[node.start_mark.index + 1] == " "
        return _Style(quoted=node.value[-1][0].style == '"', padded=padded)
    return _Style(quoted=isinstance(node, yaml.ScalarNode) and node.style == '"')


def _written(value: Written, style: _Style) -> str:
    """`value` in one line, as it can stand in lines and in brackets alike."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return value if not style.quoted and _reads_plainly(value) else _quoted(value)
    if isinstance(value, Mapping):
        space = " " * style.padded
        members = ", ".join(f"{_written(name, style)}: {_written(each, style)}" for name, each in value.items())
        return f"{{{space}{members}{space}}}"
    return f"[{', '.join(_written(each, style) for each in value)}]"


def _reads_plainly(value: str) -> bool:
    """Whether the text needs no quotes: it begins as a word does, and YAML reads it as it is, wherever it stands."""
    if not value[:1].isalpha() or not value.isprintable():
        return False
    source = read_source(f"line: {value}\nitem: [{value}]\nmember: {{name: {value}}}\n", file="")
    return isinstance(source, Source) and source.members == {"line": value, "item": [value], "member": {"name": value}}


def _quoted(value: str) -> str:
    """In double quotes: what cannot be seen is written as its number."""
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(sign: str) -> str:
    if sign in {'"', "\\", "\n", "\r", "\t"}:
        return json.dumps(sign)[1:-1]
    if sign.isprintable():
        return sign
    number = ord(sign)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _end(text: str, node: yaml.Node) -> int:
    """Where the last sign of a node stands that says something."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        return _end(text, last[1] if isinstance(node, yaml.MappingNode) else last)
    end: int = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        return len(text[:end].rstrip(" \t" + _BREAKS))
    return end


def _next_token(text: str, at: int) -> int:
    found = _NO_TOKEN.match(text, at)
    return found.end() if found else at


def _line_start(text: str, at: int) -> int:
    while at and text[at - 1] not in _BREAKS:
        at -= 1
    return at


def _line_end(text: str, at: int) -> int:
    found = _LINE_END.match(text, at)
    return found.end() if found else at


def _line_break(text: str) -> str:
    found = _BREAK.search(text)
    return found[0] if found else "\n"
