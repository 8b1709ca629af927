"""What a caller may read back: what became of a record of its own."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from gateway.core.ids import Kind, find_number
from gateway.inbound.http.receipts import receipt_of
from gateway.mapping.receipts import receipt_body
from gateway.store.record_queries import find_record_of
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gateway.store.database import Database
    from gateway.web.callers import Callers


def own_record(callers: Callers, database: Database) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint `/v1/records/{id}`: the receipt as it stands now; 404 for what is another's, or nobody's."""

    async def endpoint(request: Request) -> Response:
        caller = await callers.by_token(request)
        number = find_number(Kind.RECORD, request.path_params["id"])
        async with database.transaction() as connection:
            found = await find_record_of(connection, number, caller.name) if number is not None else None
        if found is None:
            raise ProblemError(HTTPStatus.NOT_FOUND, "not_found", "no record of yours")
        return Response(orjson.dumps(receipt_body(receipt_of(found))), media_type="application/json")

    return endpoint
