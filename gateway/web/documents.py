"""Serves what developers read: a document as JSON, and the reference made of it as one page that needs nothing else."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gateway.core.parties import Json

    Endpoint = Callable[[Request], Awaitable[Response]]
    Make = Callable[[], dict[str, Json]]

_METHODS = ("get", "put", "post", "patch", "delete")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
}


def document(make: Make) -> Endpoint:
    """The endpoint of what `make` makes, once, when it is first asked for."""
    encoded = cache(lambda: orjson.dumps(make()))

    async def endpoint(_: Request) -> Response:
        return Response(await asyncio.to_thread(encoded), media_type="application/json")

    return endpoint


def reference(make: Make) -> Endpoint:
    """The endpoint of an OpenAPI document as a page for people."""
    rendered = cache(lambda: render_reference(make()))

    async def endpoint(_: Request) -> Response:
        return Response(await asyncio.to_thread(rendered), headers=_HEADERS, media_type="text/html; charset=utf-8")

    return endpoint


def render_reference(described: dict[str, Json]) -> str:
    """The page: every operation by its tag, with its parameters, contents, answers and the codes of its problems."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pretty"] = lambda value: orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    environment.filters["kind"] = _kind
    tree: Any = described
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, methods in tree["paths"].items():
        for method in _METHODS:
            if method in methods:
                one = methods[method]
                tags.setdefault(one["tags"][0], []).append({"method": method.upper(), "path": path, **one})
    page: str = environment.get_template("reference.html").render(
        info=tree["info"],
        tags=tags,
        schemas=tree["components"]["schemas"],
        responses=tree["components"]["responses"],
        schemes=tree["components"]["securitySchemes"],
    )
    return page


def _kind(schema: Any) -> str:
    """A schema in a few words; what it points at by its name."""
    if not isinstance(schema, dict):
        return "anything" if schema is not False else "nothing"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_kind(each) for each in schema[several])
    if "enum" in schema:
        return " · ".join("null" if each is None else str(each) for each in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    named = schema.get("type", "anything")
    return " or ".join(named) if isinstance(named, list) else str(schema.get("format", named))
