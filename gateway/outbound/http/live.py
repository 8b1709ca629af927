"""`GET /v1/feed/live`: a brand's or provider's feed as it grows, as server-sent events."""

from __future__ import annotations

import asyncio
import random
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from starlette.responses import Response

from gateway.core.scopes import Scope
from gateway.outbound.bugs import tell_bug
from gateway.outbound.feed import Unreadable
from gateway.outbound.http.feed import cursor_of, get_feeds, read_place, unreadable
from gateway.outbound.live import MOST_PER_KEY, Hindrance, Listener
from gateway.store.failures import may_pass
from gateway.web.cursors import AFTER
from gateway.web.problems import ProblemError
from gateway.web.reading import available

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import Receive, Send
    from starlette.types import Scope as Connection

    from gateway.outbound.feed import Told
    from gateway.outbound.live import Live
    from gateway.store.destinations import Destination
    from gateway.store.keys import Caller
    from gateway.web.callers import Callers

log = structlog.get_logger(__name__)

NOW = "now"
LAST = "Last-Event-ID"
HEARTBEAT = 15.0
# What is written at once; then it is waited until the listener has taken most of it.
PIECE_BYTES = 32 * 1024
# Milliseconds. Not all come back at the same time.
RETRY = 1_000
RETRY_JITTER = 4_000
FULL_SECONDS = 10
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def live_feed(
    callers: Callers,
    live: Live,
    owed_to: Callable[[Caller], Sequence[Destination]],
    jitter: Callable[[], float] = random.random,
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. 200 with events whose ids are the feed's cursors, until the caller has to come again.

    It begins behind `Last-Event-ID`, else behind `after` (`now`: behind all that there is), else with the oldest kept.
    """

    async def endpoint(request: Request) -> Response:
        caller = await callers.by_token(request, Scope.FEED)
        feeds = get_feeds(owed_to(caller))
        last = request.headers.get(LAST)
        cursor, member = (last, LAST) if last else (request.query_params.get(AFTER), AFTER)
        mine = {one.number for one in feeds}
        after = {} if cursor is None else None if (cursor, member) == (NOW, AFTER) else read_place(cursor, mine, member)
        with available():
            joined = await live.join(caller, feeds, after)
        if isinstance(joined, Unreadable):
            raise unreadable(joined, member)
        if isinstance(joined, Hindrance):
            raise _hindered(joined)
        return _Stream(live, joined, RETRY + int(RETRY_JITTER * jitter()))

    return endpoint


def _hindered(why: Hindrance) -> ProblemError:
    if why is Hindrance.TOO_MANY_STREAMS:
        detail = f"a key has {MOST_PER_KEY} streams at most"
        return ProblemError(HTTPStatus.TOO_MANY_REQUESTS, why.value, detail, retry_after=FULL_SECONDS)
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, why.value, "come again", retry_after=FULL_SECONDS)


class _Stream(Response):
    """What one listener is told. It waits for nobody but that listener, which takes what it is sent or is cut off."""

    media_type = "text/event-stream"

    def __init__(self, live: Live, listener: Listener, retry: int) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["Content-Length"]
        self._live = live
        self._retry = retry
        self._listener = listener

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_end_when_gone(receive, self._listener))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                await self._tell(send)
        finally:
            gone.cancel()
            self._live.leave(self._listener)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send) -> None:
        # An id without data is no event, but a place to come back to.
        await _write(send, f"retry: {self._retry}\nid: {cursor_of(self._listener.place)}\n\n".encode())
        try:
            while not self._listener.has_ended:
                place = dict(self._listener.place)
                told = await self._live.next(self._listener, HEARTBEAT)
                for piece in _pieces(place, told) if told else (b": \n\n",):
                    await _write(send, piece)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer has begun: whoever listens comes again
            if may_pass(error):
                log.warning("live.ended", key=self._listener.caller.key, error=type(error).__name__)
            else:
                tell_bug("live.failed", error, key=self._listener.caller.key)


async def _write(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _end_when_gone(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()


def _pieces(place: Mapping[int, int], told: Sequence[Told]) -> Iterator[bytes]:
    """The events, each with the cursor behind it, some together."""
    reached, lines, size = dict(place), [], 0
    for one in told:
        reached[one.destination] = one.position
        lines.append(b"id: %b\nevent: %b\ndata: %b\n\n" % (cursor_of(reached).encode(), one.type.encode(), one.event))
        size += len(one.event)
        if size >= PIECE_BYTES:
            yield b"".join(lines)
            lines, size = [], 0
    if lines:
        yield b"".join(lines)
