"""A partner in a process of its own: takes webhooks, answers after 2 ms, never or with 500, and notes what arrived.

`python -m bench.partner PORT`. HTTP/1.1 by hand, so that it costs little beside what is measured; nothing is parsed
before it is asked for. `GET /until/N` is answered once N different webhooks have arrived, `GET /arrivals` tells them,
`GET /forget` forgets them.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import NamedTuple, cast

import orjson
import uvloop

ANSWER_AFTER = 0.002
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"\r\nwebhook-id: *([^\r]+)", re.IGNORECASE)


class _Taken(NamedTuple):
    path: str
    at: int
    id: str
    body: bytes


class Partner:
    """What has arrived, and who waits until enough has."""

    def __init__(self) -> None:
        self.taken: list[_Taken] = []
        self.seen: set[tuple[str, str]] = set()
        self.waiting: list[tuple[int, _Line]] = []

    def take(self, path: str, at: int, head: bytes, body: bytes) -> None:
        """`at` is on the machine's monotonic clock, in nanoseconds, which all its processes share."""
        found = _ID.search(head)
        one = _Taken(path, at, found.group(1).decode() if found else "", body)
        self.taken.append(one)
        self.seen.add((path, one.id))
        self.answer_waiting()

    def wait(self, count: int, line: _Line) -> None:
        self.waiting.append((count, line))
        self.answer_waiting()

    def answer_waiting(self) -> None:
        if self.waiting and len(self.seen) >= self.waiting[0][0]:
            _, line = self.waiting.pop(0)
            line.answer(_with(b"{}"))

    def forget(self) -> None:
        self.taken.clear()
        self.seen.clear()

    def told(self) -> bytes:
        """All that arrived, in order, as JSON."""
        return orjson.dumps([[one.path, one.at, one.id, *_read(one.body)] for one in self.taken])


class _Line(asyncio.Protocol):
    def __init__(self, partner: Partner) -> None:
        self._partner = partner
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self._left += data
        while (ends := self._left.find(b"\r\n\r\n")) >= 0:
            head = self._left[:ends]
            length = _LENGTH.search(head)
            whole = ends + 4 + (int(length.group(1)) if length else 0)
            if len(self._left) < whole:
                return
            body, self._left = self._left[ends + 4 : whole], self._left[whole:]
            self._take(head, body)

    def answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _take(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1].decode()
        match path.split("/")[1:]:
            case ["ok", *_]:
                self._partner.take(path, time.monotonic_ns(), head, body)
                self._loop.call_later(ANSWER_AFTER, self.answer, _OK)
            case ["500", *_]:
                self._loop.call_later(ANSWER_AFTER, self.answer, _FAILED)
            case ["hang", *_]:
                return
            case ["until", count]:
                self._partner.wait(int(count), self)
            case ["arrivals"]:
                self.answer(_with(self._partner.told()))
            case ["forget"]:
                self._partner.forget()
                self.answer(_with(b"{}"))
            case _:
                self.answer(_FAILED)


def _with(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _read(body: bytes) -> tuple[str, int, int]:
    """Its job, its version, and the mark that the sender put at the end of the title."""
    event = orjson.loads(body)
    title = event["data"]["job"]["title"]
    return event["subject"], event["jobversion"], int(title.rpartition("#")[2])


async def serve(port: int) -> None:
    """Until the process is ended."""
    partner = Partner()
    server = await asyncio.get_running_loop().create_server(lambda: _Line(partner), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
