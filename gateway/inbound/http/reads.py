"""What a caller may read back: what became of a record of its own."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from gateway.core.ids import Kind, find_number
from gateway.core.scopes import Scope
from gateway.inbound.http.receipts import told_of
from gateway.store.record_queries import find_record_of
from gateway.web.problems import ProblemError
from gateway.web.reading import reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gateway.store.database import Database
    from gateway.web.callers import Callers


def own_record(callers: Callers, database: Database) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint `/v1/records/{id}`: the receipt as it stands now; 404 for what is another's, or nobody's."""

    async def endpoint(request: Request) -> Response:
        caller = await callers.by_token(request, Scope.READ)
        number = find_number(Kind.RECORD, request.path_params["id"])
        async with reading(database) as connection:
            found = await find_record_of(connection, number, caller) if number is not None else None
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "not_found", "no record of yours")
        return Response(orjson.dumps(told_of(found)), media_type="application/json")

    return endpoint
