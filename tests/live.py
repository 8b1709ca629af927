"""A listener to a live feed: HTTP/1.1 over a socket of its own, and what it was told."""

import asyncio
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import orjson

from tests.edge import bearer


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    data: dict


@dataclass
class Stream:
    """What came so far, and what comes next. `id` is where it would come back to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict = field(default_factory=dict)
    id: str | None = None
    retry: int | None = None
    comments: int = 0
    _left: bytes = b""

    async def begin(self):
        """Reads the head; of a problem its body too."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        self.status = int(head[0].split()[1])
        told = (line.partition(": ") for line in head[1:] if line)
        self.headers = {name.lower(): value for name, _, value in told}
        return self

    async def problem(self):
        return orjson.loads(await self.reader.readexactly(int(self.headers["content-length"])))

    async def block(self):
        """The lines up to the next empty one; None at the end of the stream."""
        while b"\n\n" not in self._left:
            size = int(await self.reader.readline() or b"0", 16)
            piece = await self.reader.readexactly(size + 2)
            if not size:
                assert self._left == b"", "ended in the middle of an event"
                return None
            self._left += piece[:-2]
        block, _, self._left = self._left.partition(b"\n\n")
        return block.decode().split("\n")

    async def event(self):
        """The next event; None at the end of the stream."""
        while (block := await self.block()) is not None:
            told = {name: value.removeprefix(" ") for name, _, value in (line.partition(":") for line in block)}
            self.comments += "" in told
            self.id = told.get("id", self.id)
            self.retry = int(told["retry"]) if "retry" in told else self.retry
            if "data" in told:
                return Event(self.id, told["event"], orjson.loads(told["data"]))
        return None

    async def events(self, count):
        return [await self.event() for _ in range(count)]

    async def rest(self):
        """What comes until the stream ends."""
        told = []
        while (event := await self.event()) is not None:
            told.append(event)
        return told


@asynccontextmanager
async def listens(place, key, after=None, last=None, *, method="GET", receives=None):
    """A listener that has begun. It takes no more than about `receives` bytes before they are read."""
    url = urlsplit(place)
    own = socket.socket()
    if receives is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    own.setblocking(False)
    await asyncio.get_running_loop().sock_connect(own, (url.hostname, url.port))
    reader, writer = await asyncio.open_connection(sock=own, limit=receives or 2**20)
    path = "/v1/feed/live" + ("" if after is None else f"?{urlencode({'after': after})}")
    headers = {"Host": "gateway", **bearer(key), **({} if last is None else {"Last-Event-ID": last})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        async with asyncio.timeout(30):
            stream = await Stream(reader, writer).begin()
            yield stream
    finally:
        writer.transport.abort()
