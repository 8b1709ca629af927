"""A brand's own schemas of what it is sent: JSON Schema 2020-12, written in the profile, and nothing outside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

from gateway.core.values import dataclass
from gateway.mapping.findings import error
from gateway.mapping.profile import DEFAULT
from gateway.mapping.source import dotted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.core.parties import Json
    from gateway.mapping.findings import Finding
    from gateway.mapping.profile import Profile
    from gateway.mapping.source import Path

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCES = ("$ref", "$dynamicRef")
# They would give `#/…` another meaning than a place in the file.
_BASES = ("$id", "$anchor", "$dynamicAnchor")
# Nothing is ever fetched: a schema that is not there is Unresolvable.
_NOWHERE: Registry[bool | Mapping[str, object]] = Registry()


@dataclass(frozen=True, slots=True)
class Breach:
    """`rule` is the place in the schema that a body breaks; `what` names the body's member and what it had to be."""

    rule: Path
    what: str


def find_schema_name(profile: Profile, event_type: str) -> str | None:
    """Which of the profile's schemas is that of the bodies of `event_type`; None where it has none."""
    return next((name for name in (event_type, DEFAULT) if name in profile.feed.schemas), None)


def check_schemas(profile: Profile) -> Iterator[Finding]:
    """Each is a schema, and whole in itself."""
    for name, schema in profile.feed.schemas.items():
        path: Path = ("feed", "schemas", name)
        foreign = list(_foreign(schema, path))
        yield from foreign
        if foreign:
            continue
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as fault:
            yield error((*path, *fault.absolute_path), f"is no JSON Schema of draft 2020-12: {fault.message}")


def find_breach(schema: Mapping[str, Json], body: Json) -> Breach | None:
    """What of `body`, an example, `schema` does not allow. Texts quote the body: not for what customers wrote."""
    validator = Draft202012Validator(schema, registry=_NOWHERE)
    try:
        worst = best_match(validator.iter_errors(body))
    except Unresolvable as fault:
        return Breach((), f"$ref: {fault.ref} is not in it: write it under $defs")
    except RecursionError:
        return Breach((), "its $ref leads back to itself: name a part of the body on the way")
    except Exception as fault:  # noqa: BLE001 - a $ref may lead to what is no schema, and that to anything
        return Breach((), f"a $ref leads to what is no schema ({type(fault).__name__}): write that under $defs")
    if worst is None:
        return None
    member = dotted(tuple(worst.absolute_path)) or "the body"
    return Breach(tuple(worst.absolute_schema_path), f"{member}: {worst.message}")


def _foreign(part: Json, path: Path) -> Iterator[Finding]:
    """References to anything but a place in this schema, and drafts that are not ours."""
    if isinstance(part, list):
        for index, each in enumerate(part):
            yield from _foreign(each, (*path, index))
    if not isinstance(part, dict):
        return
    for name, value in part.items():
        here = (*path, name)
        if name in _REFERENCES and isinstance(value, str) and value != "#" and not value.startswith("#/"):
            yield error(here, f"{value} is outside of this schema: write it under $defs and refer to #/$defs/<name>")
        elif name in _BASES and isinstance(value, str):
            yield error(here, "has no use here: refer to parts of this schema by #/$defs/<name>")
        elif name == "$schema" and value != _DRAFT:
            yield error(here, f"must be {_DRAFT}, or left out")
        else:
            yield from _foreign(value, here)
