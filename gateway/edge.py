"""The HTTP edge: one ASGI application of the addresses that the inbound and outbound halves bring, and its server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
import uvicorn
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.inbound.http.canonical import ADDRESSES, command
from gateway.inbound.http.connect import agent_in
from gateway.inbound.http.reads import own_record
from gateway.outbound.http.connect import agent_ack, agent_out
from gateway.web.problems import ProblemError, answer_problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from starlette.requests import Request

    from gateway.inbound.directory import Directory
    from gateway.inbound.gathering import Gathering
    from gateway.outbound.poll_queue import PollQueue
    from gateway.store.database import Database
    from gateway.store.destinations import Destination
    from gateway.store.keys import Caller
    from gateway.web.callers import Callers

log = logging.getLogger(__name__)

BACKLOG = 1024
READY_SECONDS = 2.0


def make_edge(
    database: Database,
    callers: Callers,
    gathering: Gathering,
    queue: PollQueue,
    owed_to: Callable[[Caller], Sequence[Destination]],
    directory: Callable[[], Directory],
) -> FastAPI:
    """The application. It is ready for work while `database` answers: Kafka being away stops nothing here.

    `owed_to` are the destinations that a caller fetches from by polling; `directory` gives the profiles in force.
    """
    edge = FastAPI(title="Enterprise integration gateway", version="1", openapi_url=None)
    edge.add_exception_handler(ProblemError, answer_problem)
    edge.add_exception_handler(HTTPException, _answer_nowhere)
    edge.add_exception_handler(Exception, _answer_bug)
    edge.add_api_route("/healthz", _alive, include_in_schema=False)
    edge.add_api_route("/readyz", _readiness(database), include_in_schema=False)
    edge.add_route("/agent/in", agent_in(callers, gathering, directory), methods=["POST"])
    edge.add_route("/agent/out", agent_out(callers, queue, owed_to), methods=["POST"])
    edge.add_route("/agent/ack", agent_ack(callers, queue, owed_to), methods=["POST"])
    edge.add_route("/v1/records/{id}", own_record(callers, database), methods=["GET"], name="record")
    for address in ADDRESSES:
        edge.add_route(address.path, command(address, callers, gathering), methods=[address.method], name=address.type)
    return edge


async def _alive() -> dict[str, str]:
    return {"status": "alive"}


def _readiness(database: Database) -> Callable[[], Awaitable[Response]]:
    async def endpoint() -> Response:
        try:
            async with asyncio.timeout(READY_SECONDS), database.transaction() as connection:
                await database.now(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, the process is not ready
            told = {"status": "not ready", "error": type(error).__name__}
            return Response(orjson.dumps(told), HTTPStatus.SERVICE_UNAVAILABLE.value, media_type="application/json")
        return Response(orjson.dumps({"status": "ready"}), media_type="application/json")

    return endpoint


async def _answer_nowhere(request: Request, error: Exception) -> Response:
    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
    return await answer_problem(request, ProblemError(status, status.name.lower()))


async def _answer_bug(request: Request, error: Exception) -> Response:
    log.error("request.bug", extra={"path": request.url.path, "error": type(error).__name__})
    return await answer_problem(request, ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "bug"))


class _Server(uvicorn.Server):
    """Ends when it is told to, not by signals: those are the program's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(edge: FastAPI, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until `stop` is set; what was begun is answered first. Raises OSError where it cannot listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listening:
        log.info("edge.listens", extra={"host": host, "port": listening.getsockname()[1]})
        server = _Server(uvicorn.Config(edge, log_config=None, access_log=False, server_header=False, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        server.should_exit = True
        await serving
