"""Reads what a request carries, within bounds: of size before and after decompression, and of patience."""

from __future__ import annotations

import asyncio
import json
import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.requests import ClientDisconnect

from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from starlette.requests import Request

    from gateway.core.parties import Json

MOST_BYTES = 4 * 1024 * 1024
MOST_INFLATED = 16 * 1024 * 1024
PATIENCE_SECONDS = 10.0
_GZIP = b"\x1f\x8b"
_ZLIB = b"\x78"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


async def read_body(request: Request, *, most: int = MOST_BYTES) -> bytes:
    """The bytes as they were sent. Ends the request where there are too many, or none come for `PATIENCE_SECONDS`."""
    body = b""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS) as left:
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk: bytes = message.get("body", b"")
                body = body + chunk if body else chunk
                if len(body) > most:
                    raise ProblemError(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"at most {most} bytes are read"
                    )
                if not message.get("more_body", False):
                    return body
                left.reschedule(loop.time() + PATIENCE_SECONDS)
    except TimeoutError:
        raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, "too_slow", "no more of the body came") from None


def inflate(body: bytes, *, most: int = MOST_INFLATED) -> bytes:
    """`body` without its gzip, which nobody announces; what is not compressed stays as it is."""
    if body[:1] == _ZLIB and int.from_bytes(body[:2], "big") % 31 == 0:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_gzip", "this is zlib's format: compress it as gzip")
    if not body.startswith(_GZIP):
        return body
    inflated, rest = b"", body
    while rest:
        # One member after the other, as RFC 1952 has it.
        reader = zlib.decompressobj(_GZIP_WINDOW)
        try:
            inflated += reader.decompress(rest, most + 1 - len(inflated))
        except zlib.error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_gzip", "the compressed body is damaged") from None
        if len(inflated) > most:
            detail = f"at most {most} bytes are inflated"
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail)
        if not reader.eof:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_gzip", "the compressed body is cut short")
        rest = reader.unused_data
    return inflated


def read_json(body: bytes) -> Json:
    """The JSON in `body`. What one record must not hold (NaN, 2⁷⁰) is that record's trouble, not the request's."""
    try:
        tree: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        tree = _read_slowly(body)
    return tree


def _read_slowly(body: bytes) -> Json:
    try:
        tree: Json = json.loads(body.decode())
    except RecursionError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "too_deep", "nested too deep") from None
    except ValueError:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "not_json", "the body is not JSON") from None
    return tree
