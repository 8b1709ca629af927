"""Bytes to a JSON value that every later step can bear, or the reason why not.

The fast parser refuses what is not strict JSON; what it refuses is read again, slowly, to name the fault.
"""

from __future__ import annotations

import json
import math

import orjson

from gateway.core.ids import MAX_NUMBER
from gateway.core.outcomes import Quarantined
from gateway.core.parties import Json
from gateway.core.values import dataclass
from gateway.inbound.unreadable import Unreadable, field_path, unreadable

MAX_VALUE_BYTES = 1_048_576
MAX_DEPTH = 32
_MAX_DIGITS = 400


@dataclass(frozen=True, slots=True)
class Parsed:
    """A JSON value. `flaw` is the first thing in it that must not come in (only looked for where one is likely)."""

    tree: Json
    flaw: Quarantined | None = None


def parse(value: bytes | None) -> Parsed | Quarantined:
    """The JSON in `value`. Never raises."""
    if not value:
        return unreadable(Unreadable.EMPTY_VALUE)
    if len(value) > MAX_VALUE_BYTES:
        return unreadable(Unreadable.TOO_LARGE, detail=f"{len(value)} bytes, at most {MAX_VALUE_BYTES} are read")
    try:
        tree: Json = orjson.loads(value)
    except orjson.JSONDecodeError:
        return _parse_slowly(value)
    return Parsed(tree, find_flaw(tree) if b"\\u0000" in value else None)


def find_flaw(tree: Json, steps: tuple[str | int, ...] = ()) -> Quarantined | None:
    """The first text, number or depth in `tree` that a database would choke on; `steps` lead to `tree`."""
    if isinstance(tree, str):
        return None if is_sound(tree) else unreadable(Unreadable.BAD_TEXT, field_path(steps))
    if isinstance(tree, int | float):
        sound = math.isfinite(tree) and abs(tree) <= MAX_NUMBER
        return None if sound else unreadable(Unreadable.NUMBER_OUT_OF_RANGE, field_path(steps))
    if len(steps) > MAX_DEPTH:
        return unreadable(Unreadable.TOO_DEEP, field_path(steps[:4]), f"more than {MAX_DEPTH} levels")
    if isinstance(tree, dict):
        return _flaw_in_object(tree, steps)
    if isinstance(tree, list):
        found = (find_flaw(item, (*steps, index)) for index, item in enumerate(tree))
        return next((flaw for flaw in found if flaw), None)
    return None


def is_sound(text: str) -> bool:
    """Whether `text` can be stored: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _flaw_in_object(tree: dict[str, Json], steps: tuple[str | int, ...]) -> Quarantined | None:
    for name, item in tree.items():
        inner = (*steps, name)
        if not is_sound(name):
            return unreadable(Unreadable.BAD_TEXT, field_path(inner))
        flaw = find_flaw(item, inner)
        if flaw:
            return flaw
    return None


def _parse_slowly(value: bytes) -> Parsed | Quarantined:
    """What the fast parser refused: too deep, not JSON at all, or JSON but for one value that is then the flaw."""
    if _depth(value) > MAX_DEPTH:
        return unreadable(Unreadable.TOO_DEEP, detail=f"more than {MAX_DEPTH} levels")
    try:
        tree: Json = json.loads(value.decode(), parse_int=_whole)
    except (ValueError, RecursionError):
        return unreadable(Unreadable.NOT_JSON)
    flaw = find_flaw(tree)
    return Parsed(tree, flaw) if flaw else unreadable(Unreadable.NOT_JSON)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.inf


def _depth(value: bytes) -> int:
    """How deep brackets nest, texts left out; right for JSON, harmless for anything else."""
    deepest = depth = 0
    inside = escaped = False
    for byte in value:
        if escaped:
            escaped = False
        elif inside:
            escaped = byte == 0x5C
            inside = byte != 0x22
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
