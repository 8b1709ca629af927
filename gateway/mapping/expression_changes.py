"""Small changes of a JMESPath expression, one at a time: another member, text, number or operator, a call left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
      (?P<raw>'(?:[^'\\]|\\.)*')
    | (?P<literal>`(?:[^`\\]|\\.)*`)
    | (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>-?[0-9]+)
    | (?P<sign>&&|\|\||==|!=|<=|>=|[^\s])
    """,
    re.VERBOSE | re.DOTALL,
)
_OTHER_SIGNS = {"&&": "||", "||": "&&", "==": "!=", "!=": "==", "<": ">=", ">": "<=", "<=": ">", ">=": "<"}
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


class Change(NamedTuple):
    """The expression as a whole after the change; `below` is the line of the change in the file, after its key's."""

    text: str
    what: str
    below: int


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def changed_expressions(text: str) -> Iterator[Change]:
    """`text` with each of its leaves changed in turn, and at last another expression in its place.

    Of a path such as `a.b.c` the last member is changed; a member that is made has its name changed.
    """
    tokens = [_Token(str(found.lastgroup), found[0], found.start(), found.end()) for found in _TOKEN.finditer(text)]
    # What is written over several lines begins on the one after its key.
    first = 1 if "\n" in text else 0
    for index, token in enumerate(tokens):
        change = _find_change(tokens, index, text)
        if change is not None:
            start, end, to, what = change
            yield Change(text[:start] + to + text[end:], what, first + text.count("\n", 0, token.start))
    yield Change("'~'", "replaced by another expression", first)


def _find_change(tokens: list[_Token], index: int, text: str) -> tuple[int, int, str, str] | None:
    """From where to where, what there instead, and how to say so; None for what is no leaf."""
    token, following = tokens[index], [each.text for each in tokens[index + 1 : index + 3]]
    start, end = token.start, token.end
    match token.kind:
        case "raw" | "literal":
            to = token.text[:-1] + "~'" if token.kind == "raw" else "'~'"
            return start, end, to, f"{token.text} changed to another text"
        case "number":
            return start, end, str(int(token.text) + 1), f"{token.text} changed to {int(token.text) + 1}"
        case "sign" if token.text in _OTHER_SIGNS:
            other = _OTHER_SIGNS[token.text]
            return start, end, other, f"{token.text} changed to {other}"
        case "name" if following[:1] == ["("]:
            argument = _find_first_argument(tokens, index + 2)
            if argument is None:
                return None
            inner, close = text[tokens[index + 2].start : argument], _end_of_call(tokens, index + 2)
            return start, close, f"({inner})", f"{token.text}() left out, its first argument in its place"
        case "name" | "quoted":
            if following[:1] == ["."] and len(following) > 1 and re.match(r'[A-Za-z_"]', following[1]):
                return None
            to = token.text + "_x" if token.kind == "name" else token.text[:-1] + '_x"'
            return start, end, to, f"the member {token.text} changed to another"
    return None


def _find_first_argument(tokens: list[_Token], begin: int) -> int | None:
    """Where the first argument of the call whose arguments begin at `begin` ends; None where it has none."""
    depth = 0
    for index in range(begin, len(tokens)):
        one = tokens[index].text if tokens[index].kind == "sign" else ""
        if depth == 0 and one in {",", ")"}:
            return tokens[index].start if index > begin else None
        depth += (one in _OPENING) - (one in _CLOSING)
    return None


def _end_of_call(tokens: list[_Token], begin: int) -> int:
    depth = 1
    for token in tokens[begin:]:
        depth += (token.text in _OPENING) - (token.text in _CLOSING) if token.kind == "sign" else 0
        if depth == 0:
            return token.end
    return tokens[-1].end
