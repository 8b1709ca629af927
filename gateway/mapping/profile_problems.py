"""What keeps a file from being a profile, in words that say what to do: pydantic's errors, at their lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel

from gateway.mapping.problems import Problem
from gateway.mapping.source import Path, dotted, line_of

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from gateway.mapping.source import Source

Context = Mapping[str, object]


def problems_in(error: ValidationError, source: Source, model: type[BaseModel]) -> tuple[Problem, ...]:
    """All that `error` says of `source`, which was to be a `model`: one problem for each member, in order of lines."""
    found: dict[Path, list[ErrorDetails]] = {}
    for each in error.errors(include_url=False, include_input=False):
        path = _in_file(each["loc"], source)
        if each["type"] == "missing":
            path = (*path, each["loc"][-1])
        found.setdefault(path, []).append(each)
    return tuple(
        sorted(
            Problem(source.file, line_of(source.lines, path), dotted(path), _said(path, errors, source, model))
            for path, errors in found.items()
        )
    )


def _in_file(location: tuple[str | int, ...], source: Source) -> Path:
    """Pydantic's location without what the file does not have, such as the names of union branches."""
    path: Path = ()
    for part in location:
        if (*path, part) in source.lines:
            path = (*path, part)
    return path


def _said(path: Path, errors: list[ErrorDetails], source: Source, model: type[BaseModel]) -> str:
    first, kinds = errors[0], {each["type"] for each in errors}
    written = source.plain.get(path)
    if first["type"] == "extra_forbidden":
        return f"there is no such member{_nearest(str(path[-1]), known_members(model, path[:-1]))}"
    if "string_type" in kinds and written is not None:
        return f"{_wanted(kinds)}, and {written or 'nothing'} is not: write '{written}', in quotes, if it is meant so"
    if kinds > {"string_type", "int_type"} or kinds == {"string_type", "int_type"}:
        return _wanted(kinds)
    if first["type"] == "value_error":
        return first["msg"].removeprefix("Value error, ")
    say = _SAYINGS.get(first["type"])
    return say(first.get("ctx", {})) if say else first["msg"]


def known_members(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """The members that may stand below `path`, in a file that is a `model`."""
    models: set[type[BaseModel]] = {model}
    for part in path:
        fields = [each.model_fields[part] for each in models if isinstance(part, str) and part in each.model_fields]
        # An index, or a name in a mapping: its values are the same parts.
        models = {found for each in fields for found in _parts_in(each.annotation)} if fields else models
    return tuple(sorted({name for each in models for name in each.model_fields}))


def _parts_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts_in(argument)


def _nearest(name: str, known: Iterable[str]) -> str:
    known = tuple(known)
    near = get_close_matches(name.lower().replace("-", "_").replace(" ", "_"), known, 1)
    return f": did you mean {near[0]}?" if near else f": there are {', '.join(known)}"


def _wanted(kinds: set[str]) -> str:
    return "must be text or a whole number" if "int_type" in kinds else "must be text"


def _pattern(context: Context) -> str:
    pattern = str(context["pattern"])
    for signs, meaning in _SIGNS.items():
        if signs in pattern:
            return f"must be {meaning}"
    return f"must match {pattern}"


_SIGNS = {
    "[a-z][a-z0-9-]{": "small letters, digits and hyphens, a letter first, at most 63: `lakeside-home`",
    "[a-z][a-z0-9_]{": "small letters, digits and underscores, a letter first, at most 63: `not_told`",
    "[a-z0-9._-]{": "small letters, digits, dots, hyphens and underscores, at most 181: `feed.lakeside.v1`",
    "[2-5][0-9]{2}": "a status code of HTTP, 200 to 599",
}


def _choice(context: Context) -> str:
    return f"must be {re.sub(chr(39), '', str(context['expected']))}"


_AT = "must be a moment with its zone: 2026-01-01T00:00:00Z"
_SAYINGS: Mapping[str, Callable[[Context], str]] = {
    "missing": lambda _: "is missing: every profile says it",
    "string_type": lambda _: "must be text",
    "int_type": lambda _: "must be a whole number, without quotes",
    "float_type": lambda _: "must be a number, without quotes",
    "bool_type": lambda _: "must be true or false, without quotes",
    "string_pattern_mismatch": _pattern,
    "string_too_short": lambda _: "is empty: write it, or leave the member out",
    "string_too_long": lambda context: f"is longer than {context['max_length']} characters: shorten it",
    "too_short": lambda context: f"has too few entries: give {context['min_length']} or more",
    "too_long": lambda context: f"has too many entries: at most {context['max_length']}",
    "enum": _choice,
    "literal_error": _choice,
    "greater_than_equal": lambda context: f"must be {context['ge']} or more",
    "greater_than": lambda context: f"must be more than {context['gt']}",
    "less_than_equal": lambda context: f"must be {context['le']} or less",
    "less_than": lambda context: f"must be less than {context['lt']}",
    "timezone_aware": lambda _: _AT,
    "datetime_type": lambda _: _AT,
    "datetime_parsing": lambda _: _AT,
    "datetime_from_date_parsing": lambda _: _AT,
    "tuple_type": lambda _: "must be a list: one entry a line, each with a hyphen before it",
    "model_type": lambda _: "must have members: `name: value`, one a line and indented",
    "mapping_type": lambda _: "must have members: `name: value`, one a line and indented",
    "dict_type": lambda _: "must have members: `name: value`, one a line and indented",
}
