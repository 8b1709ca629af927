"""`GET /v1/records`: what became of a caller's records, by cursor, in the order in which they were settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from gateway.core.scopes import Scope
from gateway.mapping.receipts import Receipt, receipt_body
from gateway.store.keys import CallerKind
from gateway.store.receipts import Sender, get_last_position, give_positions, list_receipts
from gateway.web.cursors import bad_cursor, read_cursor, read_page, write_cursor
from gateway.web.reading import available

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.store.database import Database
    from gateway.store.keys import Caller
    from gateway.store.record_queries import RecordView
    from gateway.web.callers import Callers


def own_records(callers: Callers, database: Database) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. 200 with `items`, each a receipt with its `cursor`, and `next`, which is always good to go on.

    A record that is decided again, as a parked one is, comes again. A key of one brand gets nothing of other brands,
    a technician's nothing that others of the organization sent.
    """

    async def endpoint(request: Request) -> Response:
        caller = await callers.by_token(request, Scope.READ)
        after, limit = read_page(request)
        sender = _sender(caller)
        what = f"records of {sender.kind} {sender.number}"
        begin = 0 if after is None else _position(what, after)
        with available():
            async with database.transaction() as connection:
                await give_positions(connection, sender)
                last = await get_last_position(connection, sender)
                if begin > last:
                    raise bad_cursor()
                found = await list_receipts(
                    connection, sender, after=begin, limit=limit, brand=caller.brand, by_user=caller.technician
                )
        # Up to the last position given everything was looked at, another brand's too.
        reached = max([position for position, _ in found] + ([last] if len(found) < limit else []))
        items = [told_of(one) | {"cursor": write_cursor(what, [place])} for place, one in found]
        body = {"items": items, "next": write_cursor(what, [reached])}
        return Response(orjson.dumps(body), media_type="application/json")

    return endpoint


def told_of(found: RecordView) -> dict[str, Json]:
    """What became of a record, as it stands now, for whoever sent it. A job that is not its sender's is not named."""
    return receipt_body(
        Receipt(
            record=found.number,
            message_id=found.message_id,
            message_type=found.type,
            arrived_at=found.arrived_at,
            outcome=found.state,
            reason=found.reason,
            member=found.field,
            detail=found.detail,
            job=found.job if found.reason != "not_your_job" else None,
            first=found.first,
        )
    )


def _sender(caller: Caller) -> Sender:
    kind = CallerKind.ORGANIZATION if caller.kind is CallerKind.USER else caller.kind
    return Sender(f"test {kind}" if caller.sandbox else kind.value, caller.number, caller.source)


def _position(what: str, cursor: str) -> int:
    numbers = read_cursor(what, cursor)
    if len(numbers) != 1:
        raise bad_cursor()
    return numbers[0]
