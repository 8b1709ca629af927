"""The OpenAPI document of the edge, made from what its endpoints say of themselves and from the contracts folder."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from gateway.schemas import SCHEMAS, definitions_of, moved, read_schema
from gateway.web.described import Body, Operation, Proof

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gateway.core.parties import Json
    from gateway.web.described import Answer

OPENAPI: Final = "3.1.0"
_ABOUT: Final = """\
The canonical API of the enterprise integration gateway, and Dispatch Connect's three addresses.

A command answers with what became of it: applied, ignored (a repeat, or stale), parked or unmapped (202: it waits, and
`Location` says where to look). What is refused or cannot be read is a problem whose `code` is a stable word.
Everything that a caller reads is limited to its own jobs; what is not its own is answered as what does not exist."""
_SCHEMES: Final[dict[str, Json]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "The token of a key (`gateway keys create`)."},
    "connectKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Dispatch-Key",
        "description": "The public key: `account|42|noop`.",
    },
    "connectSignature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Dispatch-Signature",
        "description": "HMAC-SHA256 over the bytes of the body as they are sent (compressed, where they are), under "
        "the bytes that the hex digits of the secret stand for; in lower-case hex.",
    },
}
_SECURITY: Final[dict[Proof, list[Json]]] = {
    Proof.NONE: [],
    Proof.TOKEN: [{"token": []}],
    Proof.SIGNATURE: [{"connectKey": [], "connectSignature": []}],
}
_UNPROVEN: Final[dict[Proof, dict[int, tuple[str, ...]]]] = {
    Proof.NONE: {},
    Proof.TOKEN: {401: ("token_required", "not_authenticated"), 429: ("too_many_failures",)},
    Proof.SIGNATURE: {401: ("not_authenticated",), 429: ("too_many_failures",)},
}
_PROBLEM_HEADERS: Final[dict[int, tuple[str, str]]] = {
    401: ("WWW-Authenticate", "`Bearer`."),
    429: ("Retry-After", "Seconds."),
    503: ("Retry-After", "Seconds."),
}
_PROBLEM: Final[dict[str, Json]] = {
    "description": "RFC 9457. `code` is a stable word, `field` the member at fault.",
    "type": "object",
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "pattern": "^[a-z_]+$"},
        "detail": {"type": "string", "description": "For people."},
        "field": {"type": "string"},
        "record": {"type": "object", "description": "The record that was taken in, where one was."},
        "outcome": {"enum": ["refused", "quarantined"]},
        "job": {"type": "string"},
        "about": {
            "type": "object",
            "description": "What the sender needs besides: what closed the offer, its new terms.",
        },
        "first": {"type": "string", "description": "The record that this one contradicts."},
    },
    "required": ["type", "title", "status", "code"],
}


def openapi(operations: Iterable[Operation], contracts: Path) -> dict[str, Json]:
    """OpenAPI 3.1. `contracts` holds the schemas and examples of messages."""
    messages = Messages(contracts)
    paths: dict[str, Json] = {}
    answers: dict[str, Json] = {}
    schemas: dict[str, Json] = {"Problem": _PROBLEM, "Receipt": messages.receipt, **messages.parts}
    for one in operations:
        schemas |= one.schemas
        told = _operation(one, messages, schemas, answers)
        methods = paths.setdefault(one.path, {})
        if isinstance(methods, dict):
            methods[one.method.lower()] = told
    schemas |= messages.shared
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Enterprise integration gateway",
            "version": "1",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": _SCHEMES,
            "responses": answers,
            "schemas": _reachable(schemas, [paths, answers]),
        },
    }


def _operation(
    one: Operation, messages: Messages, schemas: dict[str, Json], answers: dict[str, Json]
) -> dict[str, Json]:
    told: dict[str, Json] = {"operationId": one.name, "tags": [one.tag], "summary": one.summary}
    if one.description:
        told["description"] = one.description
    told["security"] = _SECURITY[one.proof]
    if one.parameters:
        told["parameters"] = list(one.parameters)
    if one.body is not None:
        told["requestBody"] = _request_body(one.body, messages, schemas)
    responses: dict[str, Json] = {str(status): _answer(answer) for status, answer in one.answers.items()}
    for status, codes in sorted({**_UNPROVEN[one.proof], **one.problems}.items()):
        responses[str(status)] = _problem(status, codes, answers)
    told["responses"] = responses
    return told


def _request_body(body: Body, messages: Messages, schemas: dict[str, Json]) -> dict[str, Json]:
    schema, examples = body.schema, dict(body.examples)
    if body.message is not None:
        schemas[body.message] = content = messages.content(body)
        schema, examples = {"$ref": f"{SCHEMAS}{body.message}"}, messages.examples(body)
        is_needed = bool(content.get("required"))
    else:
        is_needed = True
    told: dict[str, Json] = {"required": is_needed, "content": {"application/json": _content(schema, examples)}}
    return {"description": body.description, **told} if body.description else told


def _answer(answer: Answer) -> dict[str, Json]:
    told: dict[str, Json] = {"description": answer.description}
    if answer.headers:
        told["headers"] = {name: _header(text) for name, text in answer.headers.items()}
    if answer.schema is not None:
        told["content"] = {answer.content_type: _content(answer.schema, answer.examples)}
    return told


def _content(schema: Json, examples: Mapping[str, Json]) -> Json:
    content: dict[str, Json] = {"schema": schema}
    return {**content, "examples": {name: {"value": each} for name, each in examples.items()}} if examples else content


def _header(text: str) -> Json:
    return {"description": text, "schema": {"type": "string"}}


def _problem(status: int, codes: Sequence[str], answers: dict[str, Json]) -> dict[str, Json]:
    """Points at the answer of this status with exactly these codes, made where it is new."""
    phrase = HTTPStatus(status).phrase
    # Plain words: some come as members of enumerations.
    codes = sorted(map(str, codes))
    made: dict[str, Json] = {"description": f"{phrase}: {', '.join(f'`{code}`' for code in codes)}."}
    if status in _PROBLEM_HEADERS:
        name, text = _PROBLEM_HEADERS[status]
        made["headers"] = {name: _header(text)}
    schema: Json = {"allOf": [{"$ref": f"{SCHEMAS}Problem"}], "properties": {"code": {"enum": list(codes)}}}
    example: Json = {"type": "about:blank", "title": phrase, "status": status, "code": codes[0]}
    made["content"] = {"application/problem+json": _content(schema, {codes[0]: example})}
    stem = phrase.title().replace(" ", "")
    name = next(
        name for name in (stem, *(f"{stem}{nth}" for nth in range(2, 100))) if answers.setdefault(name, made) == made
    )
    return {"$ref": f"#/components/responses/{name}"}


class Messages:
    """The contracts folder, read once: what inbound messages hold, and what outbound ones share."""

    def __init__(self, contracts: Path) -> None:
        self._inbound = contracts / "inbound"
        self.parts = definitions_of(read_schema(contracts / "outbound" / "parts.json"))
        settled = read_schema(contracts / "outbound" / "record.settled" / "v1" / "schema.json")
        properties = settled["properties"]
        self.receipt = moved(properties["data"]) if isinstance(properties, dict) else None
        self.shared: dict[str, Json] = {}

    def content(self, body: Body) -> dict[str, Json]:
        """The schema of a message's content, without what the path says."""
        schema = read_schema(self._inbound / str(body.message) / "v1" / "schema.json")
        self.shared |= definitions_of(schema)
        content = {name: moved(part) for name, part in schema.items() if name not in {"$schema", "$defs"}}
        properties, needed = content.get("properties"), content.get("required")
        said = {*body.in_path, body.subject}
        if isinstance(properties, dict):
            content["properties"] = {name: part for name, part in properties.items() if name not in said}
        left = [name for name in needed if name not in said] if isinstance(needed, list) else []
        content.pop("required", None)
        return {**content, "required": left} if left else content

    def examples(self, body: Body) -> dict[str, Json]:
        """The contents of its valid examples, by name: those that are CloudEvents in JSON."""
        found: dict[str, Json] = {}
        for file in sorted((self._inbound / str(body.message) / "v1" / "examples" / "valid").glob("*.json")):
            example = read_schema(file)
            content = example.get("data")
            if isinstance(content, dict):
                if body.subject is None and "subject" in example:
                    content = {"job": example["subject"], **content}
                said = {*body.in_path, body.subject}
                found[file.stem] = {name: member for name, member in content.items() if name not in said}
        return found


def _reachable(schemas: Mapping[str, Json], roots: Json) -> dict[str, Json]:
    """Those schemas that something points at, in the order of their names."""
    found: set[str] = set()
    new = set(_targets(roots))
    while new:
        found |= new
        new = {name for one in new for name in _targets(schemas[one])} - found
    return {name: schemas[name] for name in sorted(found)}


def _targets(part: Json) -> Iterator[str]:
    if isinstance(part, list):
        for each in part:
            yield from _targets(each)
    elif isinstance(part, dict):
        for name, each in part.items():
            if name == "$ref" and isinstance(each, str) and each.startswith(SCHEMAS):
                yield each.removeprefix(SCHEMAS)
            else:
                yield from _targets(each)
