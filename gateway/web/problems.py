"""Answers that are no success: `application/problem+json` (RFC 9457), with the stable word for why as `code`."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

RETRY_SECONDS = 1


# What is left of such a request is not read.
_UNREAD = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})


class ProblemError(Exception):
    """Ends a request. `member` is the field at fault, `more` what stands beside it in the body.

    Whoever is to come again is told to wait `retry_after` seconds.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str = "",
        *,
        member: str | None = None,
        more: Mapping[str, object] | None = None,
        retry_after: int = RETRY_SECONDS,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.member = member
        self.more = more or {}
        self.retry_after = retry_after


async def answer_problem(_: Request, error: Exception) -> Response:
    """The answer to a request that a `ProblemError` ended."""
    if not isinstance(error, ProblemError):
        raise error
    body: dict[str, object] = {"type": "about:blank", "title": error.status.phrase, "status": error.status.value}
    told = {"code": error.code, "detail": error.detail or None, "field": error.member}
    body |= {name: value for name, value in told.items() if value is not None} | dict(error.more)
    headers = {}
    if error.status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        headers["Retry-After"] = str(error.retry_after)
    if error.status in _UNREAD:
        headers["Connection"] = "close"
    if error.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(body), error.status.value, headers, "application/problem+json")
