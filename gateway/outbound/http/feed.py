"""`GET /v1/feed`: a brand's or provider's feed by cursor."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from gateway.core.scopes import Scope
from gateway.outbound.feed import KIND, Unreadable
from gateway.web.cursors import AFTER, bad_cursor, read_cursor, read_page, write_cursor
from gateway.web.problems import ProblemError
from gateway.web.reading import available

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from starlette.requests import Request

    from gateway.outbound.feed import FeedReader, Page
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
        feeds = get_feeds(owed_to(caller))
        place = {} if after is None else read_place(after, {one.number for one in feeds})
        with available():
            page = await reader.read(feeds, place, limit)
        if isinstance(page, Unreadable):
            raise unreadable(page)
        body = b'{"items":[' + b",".join(_items(page)) + b'],"next":' + orjson.dumps(cursor_of(page.place)) + b"}"
        return Response(body, media_type="application/json")

    return endpoint


def get_feeds(owed: Sequence[Destination]) -> list[Destination]:
    """Those of kind `feed`; 404 where there is none."""
    feeds = [one for one in owed if one.kind == KIND]
    if not feeds:
        raise ProblemError(HTTPStatus.NOT_FOUND, "no_feed", "no destination of yours is of kind feed")
    return feeds


def cursor_of(place: Mapping[int, int]) -> str:
    """A place in some feeds as one word."""
    return write_cursor(_WHAT, (number for pair in sorted(place.items()) for number in pair))


def read_place(cursor: str, mine: Collection[int], member: str = AFTER) -> dict[int, int]:
    """The place that a cursor names in the feeds `mine`; 400 for what is no cursor of them."""
    numbers = read_cursor(_WHAT, cursor, member)
    place = dict(zip(numbers[::2], numbers[1::2], strict=False))
    if len(numbers) != 2 * len(place) or not place.keys() <= set(mine):
        raise bad_cursor(member)
    return place


def unreadable(why: Unreadable, member: str = AFTER) -> ProblemError:
    """The answer to a cursor behind which nothing can be read."""
    if why is Unreadable.NEVER_GIVEN:
        return bad_cursor(member)
    return ProblemError(HTTPStatus.GONE, "cursor_expired", "begin again, without a cursor", member=member)


def _items(page: Page) -> list[bytes]:
    """The events as they are on Kafka, each with one more attribute in front."""
    items, place = [], dict(page.begin)
    for one in page.items:
        place[one.destination] = one.position
        items.append(b'{"cursor":' + orjson.dumps(cursor_of(place)) + b"," + one.event[1:])
    return items
