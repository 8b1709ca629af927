"""The server of the HTTP edge: it listens, cuts off whoever sends or takes too slowly, and ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.types import ASGIApp

log = logging.getLogger(__name__)

BACKLOG = 1024
HEAD_SECONDS = 10.0
LONGEST_HEAD = 65_536
# Whoever has left so much of an answer that no more is written takes at least this much of it in so many seconds.
TAKING_SECONDS = 10.0
LEAST_TAKEN = 16_384
# What the machine keeps for it besides: by itself it would be megabytes, and they leave in pieces as large.
UNSENT = 16_384
# At the end anything at all counts, but sooner.
ENDING_SECONDS = 2.0
# As many connections as the machine lets a process have, and no more than these.
MOST_FILES = 65_536


class Impatient(HttpToolsProtocol):
    """Lets go of a connection that sends no whole head of a request in time, or one without end, or takes no answer.

    What comes after the head is the endpoint's to wait for (`web.bodies`), and an idle connection uvicorn's.
    """

    _waiting: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None
    _head = 0
    _ends = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head(0)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._stop_waiting()
        else:
            self._wait_for_head(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        if not self._ends:
            self._watch(TAKING_SECONDS, LEAST_TAKEN)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self._ends:
            self._stop_watching()

    def shutdown(self) -> None:
        super().shutdown()
        self._ends = True
        # An answer that nobody takes would be waited for without end.
        self._watch(ENDING_SECONDS, 1)

    def _watch(self, seconds: float, least: int) -> None:
        self._stop_watching()
        left = self.transport.get_write_buffer_size()
        self._taking = self.loop.call_later(seconds, self._insist_on_taking, left, seconds, least)

    def _insist_on_taking(self, before: int, seconds: float, least: int) -> None:
        left = self.transport.get_write_buffer_size()
        if before and left and before - left < least:
            self.transport.abort()
        else:
            self._watch(seconds, least)

    def _stop_watching(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _wait_for_head(self, came: int) -> None:
        self._head += came
        if self._head > LONGEST_HEAD:
            self.transport.abort()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        self._head = 0
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


class _Server(uvicorn.Server):
    """Ends when it is told to, not by signals: those are the program's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(application: ASGIApp, host: str, port: int, stop: asyncio.Event, proxies: Sequence[str] = ()) -> None:
    """Serves until `stop` is set; what was begun is answered first. Raises OSError where it cannot listen.

    Of `proxies` (addresses and networks), and of nobody else, it is believed for whom they call.
    """
    _allow_connections()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listening:
        # Its connections inherit it.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        log.info("edge.listens", extra={"host": host, "port": listening.getsockname()[1]})
        config = uvicorn.Config(
            application,
            http=Impatient,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        server.should_exit = True
        await serving


def _allow_connections() -> None:
    """Each takes a file, of which a process often has 1,024 unless it asks for more."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
