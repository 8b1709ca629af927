"""Posts offers and their amendments to the edge: a job's next one only after the answer of the one before.

A connection has its own jobs and asks one thing at a time. What was not acknowledged is sent again, with the same key.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple, cast

import orjson

from bench.http_load import request
from bench.judging import Posted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

CONNECTIONS = 32
JOBS, ORGANIZATIONS = 200, 50
AGAIN_AFTER = 0.05
_TAKEN = (b'"outcome":"applied"', b'"reason":"repeat"')


class Post(NamedTuple):
    """One request. `due`: nanoseconds after the beginning; None: as soon as the one before is answered."""

    mark: int
    request: bytes
    due: int | None = None


def offer(mark: int, revision: int, job: str, organization: int, brand: str, token: str) -> bytes:
    """A POST of about 600 bytes; its mark stands at the end of the title."""
    body = {
        "job": job,
        "brand": brand,
        "revision": revision,
        "organization": {"id": f"P-{organization}", "name": f"Provider {organization}"},
        "title": f"Dishwasher does not drain #{mark}",
        "description": "The machine stops in the middle of a cycle and the water stays in the tub. " * 2,
        "service_type": "appliance",
        "customer": {"name": "Bo Berg", "phones": [{"number": "+15550100100"}]},
        "address": {"street_1": "1 Main Street", "city": "Springfield", "state": "IL", "postal_code": "62701"},
    }
    named = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"m-{mark}"}
    return request("/v1/offers", named, orjson.dumps(body))


def plan(
    marks: range, brands: Sequence[str], token: str, *, name: str, per_second: float | None = None
) -> list[list[Post]]:
    """What each connection posts: amendments in turn of `JOBS` jobs, which are the brands' in turn.

    `name` tells these jobs from those of other plans.
    """
    lines: list[list[Post]] = [[] for _ in range(CONNECTIONS)]
    for nth, mark in enumerate(marks):
        job, before = nth % JOBS, nth // JOBS
        sent = offer(mark, before + 1, f"{name}-{job}", job % ORGANIZATIONS, brand_of(nth, brands), token)
        lines[job % CONNECTIONS].append(Post(mark, sent, None if per_second is None else round(1e9 * nth / per_second)))
    return lines


def brand_of(nth: int, brands: Sequence[str]) -> str:
    """Whose job the nth post of a plan is about."""
    return brands[nth % JOBS % len(brands)]


async def post_all(
    port: int, lines: Iterable[Sequence[Post]], *, on_acknowledged: Callable[[int], None] | None = None
) -> Posted:
    """Returns when all are acknowledged; `on_acknowledged` is told how many are, each time."""
    posted = Posted()
    begun = time.monotonic_ns()
    running = [_Line(port, line, posted, begun, on_acknowledged) for line in lines if line]
    for one in running:
        await one.connect()
    await asyncio.gather(*(one.done for one in running))
    return posted


class _Line(asyncio.Protocol):
    def __init__(
        self, port: int, posts: Sequence[Post], posted: Posted, begun: int, told: Callable[[int], None] | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._port = port
        self._posts = iter(posts)
        self._posted = posted
        self._begun = begun
        self._told = told
        self._current: Post | None = None
        self._left = b""
        self._reconnecting: asyncio.Task[None] | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()

    async def connect(self) -> None:
        """Until somebody listens."""
        while not self.done.done():
            try:
                await self._loop.create_connection(lambda: self, "127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(AGAIN_AFTER)
            else:
                return

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._left = b""
        if self._current is None:
            self._go_on()
        else:
            self._send_again()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self._reconnecting = self._loop.create_task(self.connect())

    def data_received(self, data: bytes) -> None:
        self._left += data
        head, found, body = self._left.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self._left = b""
        assert self._current is not None
        if head.startswith(b"HTTP/1.1 503"):
            self._loop.call_later(AGAIN_AFTER, self._send_again)
            return
        if not head.startswith(b"HTTP/1.1 200") or not any(word in body for word in _TAKEN):
            self.done.set_exception(RuntimeError(f"{head!r} {body!r}"))
            return
        self._posted.acknowledged[self._current.mark] = time.monotonic_ns()
        if self._told:
            self._told(len(self._posted.acknowledged))
        self._go_on()

    def _go_on(self) -> None:
        self._current = next(self._posts, None)
        if self._current is None:
            self.done.set_result(None)
            self._transport.close()
            return
        now = time.monotonic_ns()
        due = now if self._current.due is None else self._begun + self._current.due
        self._posted.since[self._current.mark] = due
        if due > now:
            self._loop.call_later((due - now) / 1e9, self._send)
        else:
            self._send()

    def _send(self) -> None:
        assert self._current is not None
        self._transport.write(self._current.request)

    def _send_again(self) -> None:
        self._posted.again += 1
        self._send()
