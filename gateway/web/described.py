"""What an address of the edge is to its callers, said beside its endpoint: the OpenAPI document collects these.

Beside an endpoint's module stand its `OPERATIONS`; `gateway.edge` collects them. Schemas may point at each other, and
at what `contracts/` defines, by `ref`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gateway.core.ids import Kind, canonical_id
from gateway.core.values import dataclass
from gateway.web.paging import MOST, USUAL

if TYPE_CHECKING:
    from gateway.core.parties import Json

LONGEST_ID = 200


class Proof(StrEnum):
    """How a caller shows who it is."""

    NONE = "none"
    TOKEN = "token"  # noqa: S105 - the word for it
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A success: its content by an example of each kind, and headers by what they say."""

    description: str
    schema: Json = None
    examples: Mapping[str, Json] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request carries. `message` takes the schema and the examples of an inbound message's content instead.

    `in_path` are members of that message which the path says, `subject` the one that the path or else the body names.
    """

    schema: Json = None
    examples: Mapping[str, Json] = field(default_factory=dict)
    message: str | None = None
    in_path: tuple[str, ...] = ()
    subject: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one address. `problems` are the codes of each status that is no success.

    What goes for every proof (not known, too many failures) need not be named; `schemas` are parts of its own.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    proof: Proof = Proof.TOKEN
    parameters: tuple[dict[str, Json], ...] = ()
    body: Body | None = None
    problems: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    schemas: Mapping[str, Json] = field(default_factory=dict)


def ref(schema: str) -> dict[str, Json]:
    """Points at a schema by its name."""
    return {"$ref": f"#/components/schemas/{schema}"}


def in_path(name: str, description: str, example: str) -> dict[str, Json]:
    """An id in the path. A slash cannot stand in one."""
    text: dict[str, Json] = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "pattern": "^[^/]+$"}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": text,
        "example": example,
    }


def in_query(name: str, description: str, schema: dict[str, Json]) -> dict[str, Json]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def in_header(name: str, description: str, schema: dict[str, Json]) -> dict[str, Json]:
    return {"name": name, "in": "header", "description": description, "schema": schema}


JOB_ID: Final = in_path("id", "A job's id, or the caller's own number of it.", canonical_id(Kind.JOB, 1041))
LIMIT: Final = in_query(
    "limit",
    "How many items a page holds at most.",
    {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
)
CURSOR: Final = in_query("cursor", "`next` of the page before. Without it: the first page.", {"type": "string"})


def read_on(item: Json) -> dict[str, Json]:
    """The schema of a page of such items whose `next` is always good to go on with."""
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": item}, "next": {"type": "string"}},
        "required": ["items", "next"],
    }


def page_of(schema: Json) -> dict[str, Json]:
    """The schema of a page of such items."""
    following: dict[str, Json] = {"type": ["string", "null"], "description": "The next page's cursor; null: no more."}
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": schema}, "next": following},
        "required": ["items", "next"],
    }
