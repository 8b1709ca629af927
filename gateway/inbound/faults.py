"""From what the validator says to our words: which reason, and which field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.ids import MAX_NUMBER
from gateway.core.outcomes import Quarantined
from gateway.inbound.shapes import MAX_ID
from gateway.inbound.unreadable import Unreadable, field_path, unreadable

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_REASONS = {
    "missing": Unreadable.MISSING_MEMBER,
    "extra_forbidden": Unreadable.UNKNOWN_MEMBER,
    "string_unicode": Unreadable.BAD_TEXT,
    "greater_than_equal": Unreadable.NUMBER_OUT_OF_RANGE,
    "less_than_equal": Unreadable.NUMBER_OUT_OF_RANGE,
    "finite_number": Unreadable.NUMBER_OUT_OF_RANGE,
    "int_parsing_size": Unreadable.NUMBER_OUT_OF_RANGE,
    "union_tag_not_found": Unreadable.WRONG_TYPE,
    "union_tag_invalid": Unreadable.WRONG_TYPE,
    "model_type": Unreadable.WRONG_TYPE,
    "model_attributes_type": Unreadable.WRONG_TYPE,
    "string_type": Unreadable.WRONG_TYPE,
    "int_type": Unreadable.WRONG_TYPE,
    "float_type": Unreadable.WRONG_TYPE,
    "bool_type": Unreadable.WRONG_TYPE,
    "list_type": Unreadable.WRONG_TYPE,
    "dict_type": Unreadable.WRONG_TYPE,
    "recursion_loop": Unreadable.TOO_DEEP,
}
_OURS = {word.value: word for word in Unreadable}


def quarantine_for(error: ValidationError, root: str) -> Quarantined:
    """The first fault that the validator found, its field told from `root` (`data`, `record`) on."""
    first = error.errors(include_url=False)[0]
    steps: list[str | int] = [root, *_steps(first)]
    where = first.get("ctx", {}).get("at")
    path = field_path(steps)
    return unreadable(_reason(first), f"{path}{_joint(where)}{where}" if where else path, _detail(first))


def _joint(where: str) -> str:
    return "" if where.startswith("[") else "."


def _steps(error: ErrorDetails) -> list[str | int]:
    """Without the tags that tell the forms of an id apart."""
    return [step for step in error["loc"] if not (isinstance(step, str) and step.startswith("<"))]


def _reason(error: ErrorDetails) -> Unreadable:
    kind, given = error["type"], error["input"]
    if kind in _OURS:
        return _OURS[kind]
    if kind == "string_too_long":
        return Unreadable.ID_TOO_LONG if error["ctx"]["max_length"] == MAX_ID else Unreadable.TEXT_TOO_LONG
    if isinstance(given, float) and abs(given) > MAX_NUMBER:  # whole numbers beyond 64 bits are parsed as floats
        return Unreadable.NUMBER_OUT_OF_RANGE
    return _REASONS.get(kind, Unreadable.BAD_VALUE)


def _detail(error: ErrorDetails) -> str:
    """The validator's sentence: it names what is expected, never what was sent."""
    return error["msg"][:200]
