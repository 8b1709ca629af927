"""Leads the busiest addresses straight to their endpoints: the layers between cost more than reading a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    Endpoint = Callable[[Request], Awaitable[Response]]


class Direct:
    """An application before `rest`: (method, path) of `endpoints` are answered here, everything else there.

    `rest` serves these too, where they have parameters in the path or another method is asked for.

    `failed` makes an answer of whatever an endpoint raises.
    """

    def __init__(
        self,
        rest: ASGIApp,
        endpoints: Mapping[tuple[str, str], Endpoint],
        failed: Callable[[Request, Exception], Awaitable[Response]],
    ) -> None:
        self.rest = rest
        self._endpoints = endpoints
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request, as ASGI says it."""
        endpoint = self._endpoints.get((scope.get("method", ""), scope.get("path", "")))
        if endpoint is None:
            await self.rest(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await endpoint(request)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is answered
            response = await self._failed(request, error)
        await response(scope, receive, send)
