"""Whether the versions of a message that are in use understand each other, judged by their examples.

Pure but for `versions_in`, which reads one message's folder.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from referencing import Registry

# In a schema: the older versions whose readers it promises to be readable by.
PROMISE = "x-read-by"
# Where a message names its own version.
NAMES = ("type", "dataschema")
_NOTHING_SHARED: Registry = Registry()

Json = Any
Judged = Callable[[Json], Json | None]


@dataclass(frozen=True)
class Version:
    """A schema with examples of what is written by it; its folder is there as long as it is in use."""

    number: int
    schema: Mapping[str, Json]
    examples: Mapping[str, Json]


@dataclass(frozen=True)
class Break:
    """A reader of one version does not take an example of another: because of `member`, and why."""

    reader: int
    writer: int
    example: str
    member: str
    why: str

    def __str__(self) -> str:
        return f"v{self.reader} does not read v{self.writer}'s {self.example}: {self.member}: {self.why}"


def find_breaks(versions: Sequence[Version], registry: Registry = _NOTHING_SHARED) -> Iterator[Break]:
    """Every newer version has to read all older ones, not just the one before; older ones read it where it says so."""
    for reader, writer in permutations(versions, 2):
        if reader.number < writer.number and reader.number not in writer.schema.get(PROMISE, ()):
            continue
        validator = Draft202012Validator(reader.schema, registry=registry)
        for name, message in writer.examples.items():
            for error in validator.iter_errors(_as_version(message, writer.number, reader.number)):
                inner = best_match([error]) or error
                for member in _members(inner):
                    yield Break(reader.number, writer.number, name, member, inner.message)


def versions_in(message: Path, examples: str, judged: Judged = lambda example: example) -> list[Version]:
    """The versions of a message; of each example what `judged` makes of it, and none where that is None."""
    found = []
    for folder in sorted(message.glob("v[1-9]*")):
        bodies = {path.stem: judged(json.loads(path.read_bytes())) for path in sorted(folder.glob(examples))}
        schema = json.loads((folder / "schema.json").read_bytes())
        told = {name: body for name, body in bodies.items() if body is not None}
        found.append(Version(int(folder.name[1:]), schema, told))
    return found


def _as_version(message: Json, of: int, to: int) -> Json:
    """`message` under the name that the other version has for it: that names differ is no break."""
    if not isinstance(message, dict):
        return message
    names = {name: message[name] for name in NAMES if isinstance(message.get(name), str)}
    return message | {name: re.sub(rf"(?<=[./])v{of}(?=/|$)", f"v{to}", text) for name, text in names.items()}


def _members(error: ValidationError) -> list[str]:
    """What a reader would have to look at: a missing or an unknown member itself, not the object around it."""
    instance, place = error.instance, error.json_path
    if error.validator == "required":
        return [f"{place}.{name}" for name in error.validator_value if error.message.startswith(f"{name!r} ")]
    if error.validator in {"additionalProperties", "unevaluatedProperties"} and isinstance(instance, dict):
        unknown = [name for name in instance if f"{name!r}" in error.message]
        return [f"{place}.{name}" for name in unknown] or [place]
    return [place]
