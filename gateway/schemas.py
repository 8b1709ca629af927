"""The schemas of the contracts folder as parts of one document that needs no other file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.parties import Json

# Beside the program's own folder, in a checkout as in the image.
CONTRACTS: Final = Path(__file__).parents[1] / "contracts"
SCHEMAS: Final = "#/components/schemas/"


def read_schema(file: Path) -> dict[str, Json]:
    """The object in `file`."""
    tree: Json = orjson.loads(file.read_bytes())
    if not isinstance(tree, dict):
        raise TypeError(f"{file.name} holds no object")
    return tree


def definitions_of(schema: Mapping[str, Json]) -> dict[str, Json]:
    """The parts that a schema names for itself, or for others, as parts of one document."""
    definitions = schema.get("$defs", {})
    return {name: moved(part) for name, part in definitions.items()} if isinstance(definitions, dict) else {}


def moved(part: Json) -> Json:
    """The same with its references to definitions, of its own file or of what outbound messages share, in one place."""
    if isinstance(part, list):
        return [moved(each) for each in part]
    if not isinstance(part, dict):
        return part
    target = part.get("$ref")
    rest = {name: moved(each) for name, each in part.items() if name != "$ref"}
    return {**rest, "$ref": f"{SCHEMAS}{target.rpartition('/')[2]}"} if isinstance(target, str) else rest
