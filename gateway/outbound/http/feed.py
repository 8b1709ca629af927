"""`GET /v1/feed`: a brand's or provider's feed by cursor."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from gateway.core.scopes import Scope
from gateway.outbound.feed import KIND, Unreadable
from gateway.web.cursors import bad_cursor, read_cursor, read_page, write_cursor
from gateway.web.problems import ProblemError
from gateway.web.reading import available

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from starlette.requests import Request

    from gateway.outbound.feed import FeedReader, Item
    from gateway.store.destinations import Destination
    from gateway.store.keys import Caller
    from gateway.web.callers import Callers

_WHAT = "feed"


def feed(
    callers: Callers, reader: FeedReader, owed_to: Callable[[Caller], Sequence[Destination]]
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. 200 with `items`, each a CloudEvent with its `cursor`, and `next`, which is always good to go on.

    `owed_to` are a caller's own destinations. A page may hold fewer items than were asked for; behind an empty one
    there is nothing yet.
    """

    async def endpoint(request: Request) -> Response:
        caller = await callers.by_token(request, Scope.FEED)
        after, limit = read_page(request)
        feeds = [one for one in owed_to(caller) if one.kind == KIND]
        if not feeds:
            raise ProblemError(HTTPStatus.NOT_FOUND, "no_feed", "no destination of yours is of kind feed")
        place = {} if after is None else _place(after, {one.number for one in feeds})
        with available():
            page = await reader.read(feeds, place, limit)
        if page is Unreadable.NEVER_GIVEN:
            raise bad_cursor()
        if page is Unreadable.NOT_KEPT:
            raise ProblemError(HTTPStatus.GONE, "cursor_expired", "begin again, without a cursor", member="after")
        items = b",".join(map(_item, page.items))
        body = b'{"items":[' + items + b'],"next":' + orjson.dumps(_cursor(page.place)) + b"}"
        return Response(body, media_type="application/json")

    return endpoint


def _item(one: Item) -> bytes:
    """The event as it is on Kafka, with one more attribute in front."""
    return b'{"cursor":' + orjson.dumps(_cursor(one.place)) + b"," + one.event[1:]


def _cursor(place: Mapping[int, int]) -> str:
    return write_cursor(_WHAT, (number for pair in sorted(place.items()) for number in pair))


def _place(cursor: str, mine: Collection[int]) -> dict[int, int]:
    numbers = read_cursor(_WHAT, cursor)
    place = dict(zip(numbers[::2], numbers[1::2], strict=False))
    if len(numbers) != 2 * len(place) or not place.keys() <= set(mine):
        raise bad_cursor()
    return place
