"""A small HTTP/1.1 server that leaves the connection to whoever answers: a partner may misbehave on it as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Answering = Callable[["Call", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]

LARGEST_BODY = 8 * 1024 * 1024
_HEAD_END = b"\r\n\r\n"
_GONE = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError, ValueError)
_PHRASES = {200: "OK", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 410: "Gone", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request; names of headers are in lower case. `near`: it comes from this machine."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    near: bool


def head(status: int, length: int, **headers: str) -> bytes:
    """The beginning of an answer whose body has `length` bytes; `_` in names of headers stands for `-`."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Said')}", f"Content-Length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


class Listener:
    """Serves `answering`, which says whether the connection is kept for another call."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._server: asyncio.Server | None = None
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listens; port 0 takes a free one, and a later start takes that again."""
        self._server = await asyncio.start_server(self._begin, host, port or self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Nobody is listened to any more, and connections end where they are."""
        if self._server is None:
            return
        self._server.close()
        serving, self._server = dict(self._serving), None
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        for writer in serving.values():
            # Whoever was cancelled before it began has closed nothing.
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving[task] = writer
        task.add_done_callback(self._serving.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near = writer.get_extra_info("peername")[0] in {"127.0.0.1", "::1"}
        try:
            with contextlib.suppress(*_GONE):
                while await self._answering(await _read_call(reader, near=near), reader, writer):
                    await writer.drain()
        finally:
            writer.close()


async def _read_call(reader: asyncio.StreamReader, *, near: bool) -> Call:
    """The next call of a connection; bodies say their length beforehand, else the connection ends."""
    told = (await reader.readuntil(_HEAD_END)).decode("latin-1")
    first, *lines = told.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= LARGEST_BODY or "transfer-encoding" in headers:
        raise ValueError("a body without a length that can be taken")
    return Call(method, path.partition("?")[0], headers, await reader.readexactly(length), near)
