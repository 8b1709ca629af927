"""Sends requests that were made beforehand, over a few connections, and notes how long each waited for its answer.

HTTP/1.1 by hand: a client library would use more of the machine than what is measured.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of one POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: bench", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def send_at_full_speed(port: int, requests: Sequence[bytes], connections: int) -> list[float]:
    """Seconds until each answer, with so many connections, each of which waits for its answer before it goes on."""
    waiting = iter(requests)
    took: list[float] = []

    async def work() -> None:
        line = await _Line.open(port)
        took.extend([await line.ask(one) for one in waiting])
        line.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return took


async def send_at_a_rate(port: int, requests: Sequence[bytes], per_second: int, connections: int) -> list[float]:
    """The same at a steady rate; what an answer is late for its moment counts as waiting."""
    loop = asyncio.get_running_loop()
    waiting = iter(enumerate(requests))
    took: list[float] = []
    begun = loop.time()

    async def work() -> None:
        line = await _Line.open(port)
        for nth, one in waiting:
            due = begun + nth / per_second
            await asyncio.sleep(max(0.0, due - loop.time()))
            late = loop.time() - due
            took.append(late + await line.ask(one))
        line.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return took


class _Line:
    """A connection that asks one thing at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> _Line:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, sent: bytes) -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._writer.write(sent)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        body = await self._reader.readexactly(int(length))
        took = loop.time() - begun
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head!r} {body!r}")
        return took

    def close(self) -> None:
        self._writer.close()
