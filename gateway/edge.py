"""The HTTP edge: one ASGI application of the addresses that the inbound and outbound halves bring."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from gateway.contract import asyncapi
from gateway.inbound.http import (
    canonical_described,
    connect_described,
    job_reads_described,
    operations_described,
    receipts_described,
)
from gateway.inbound.http.canonical import ADDRESSES, command
from gateway.inbound.http.connect import agent_in
from gateway.inbound.http.job_reads import JobReads
from gateway.inbound.http.operations import OperationsApi
from gateway.inbound.http.reads import own_record
from gateway.inbound.http.receipts import own_records
from gateway.openapi import openapi
from gateway.outbound.http import connect_described as connect_out_described
from gateway.outbound.http import feed_described
from gateway.outbound.http.connect import agent_ack, agent_out
from gateway.outbound.http.feed import feed
from gateway.outbound.http.feed_receipts import feed_receipts
from gateway.outbound.http.live import live_feed
from gateway.schemas import CONTRACTS
from gateway.store.operations import Step
from gateway.web.described import Answer, Operation, Proof
from gateway.web.direct import Direct
from gateway.web.documents import document, reference
from gateway.web.problems import ProblemError, answer_problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.inbound.gathering import Gathering
    from gateway.inbound.http.booking.desk import Desk
    from gateway.keeper import Keeper
    from gateway.outbound.live import Live
    from gateway.outbound.poll_queue import PollQueue
    from gateway.store.database import Database
    from gateway.store.destinations import Destination
    from gateway.store.keys import Caller
    from gateway.web.callers import Callers

log = logging.getLogger(__name__)

READY_SECONDS = 2.0


def _of_platform(name: str, summary: str, **words: int) -> Operation:
    answers = {
        status: Answer(
            description=word.replace("_", " ").capitalize() + ".",
            schema={
                "type": "object",
                "properties": {"status": {"const": word.replace("_", " ")}, "error": {"type": "string"}},
                "required": ["status"],
            },
            examples={word: {"status": word.replace("_", " ")}},
        )
        for word, status in words.items()
    }
    return Operation(
        method="GET", path=f"/{name}", name=name, tag="The platform", summary=summary, proof=Proof.NONE, answers=answers
    )


OPERATIONS = (
    *canonical_described.OPERATIONS,
    *job_reads_described.OPERATIONS,
    *receipts_described.OPERATIONS,
    *feed_described.OPERATIONS,
    *connect_described.OPERATIONS,
    *connect_out_described.OPERATIONS,
    *operations_described.OPERATIONS,
    _of_platform("healthz", "Whether the process is alive", alive=200),
    _of_platform("readyz", "Whether it is ready to take work", ready=200, not_ready=503),
)


def make_edge(
    database: Database,
    callers: Callers,
    gathering: Gathering,
    queue: PollQueue,
    live: Live,
    *,
    owed_to: Callable[[Caller], Sequence[Destination]],
    keeper: Keeper,
    booking: Desk,
) -> Direct:
    """The application. It is ready for work while `database` answers: Kafka being away stops nothing here.

    `owed_to` are the destinations that a caller fetches from, by polling or by cursor, `booking` the customers' pages.
    """
    edge = FastAPI(title="Enterprise integration gateway", version="1", openapi_url=None)
    edge.add_exception_handler(ProblemError, answer_problem)
    edge.add_exception_handler(HTTPException, _answer_nowhere)
    edge.add_exception_handler(ClientDisconnect, _answer_nobody)
    edge.add_exception_handler(Exception, _answer_bug)
    edge.add_api_route("/healthz", _alive, include_in_schema=False)
    edge.add_api_route("/readyz", _readiness(database), include_in_schema=False)
    endpoints = {
        ("POST", "/agent/in"): agent_in(callers, gathering, lambda: keeper.directory),
        ("POST", "/agent/out"): agent_out(callers, queue, owed_to),
        ("POST", "/agent/ack"): agent_ack(callers, queue, owed_to),
        ("GET", "/v1/feed/live"): live_feed(callers, live, owed_to),
    }
    edge.add_route("/v1/feed", feed(callers, live.reader, owed_to), methods=["GET"], name="feed")
    edge.add_route("/v1/feed/receipts", feed_receipts(callers, database), methods=["POST"])
    edge.add_route("/v1/records", own_records(callers, database), methods=["GET"], name="records")
    edge.add_route("/v1/records/{id}", own_record(callers, database), methods=["GET"], name="record")
    reads = JobReads(callers, database, lambda: keeper.profiles)
    edge.add_route("/v1/jobs", reads.jobs, methods=["GET"])
    edge.add_route("/v1/jobs/{id}", reads.job, methods=["GET"])
    edge.add_route("/v1/jobs/{id}/appointments", reads.appointments, methods=["GET"])
    edge.add_route("/v1/jobs/{id}/appointments/{appointment}", reads.appointment, methods=["GET"])
    edge.add_route("/v1/jobs/{id}/activity", reads.activity, methods=["GET"])
    edge.add_route("/v1/jobs/{id}/notes", reads.notes, methods=["GET"])
    edge.add_route("/v1/jobs/{id}/records", reads.records, methods=["GET"])
    recovery = OperationsApi(callers, database)
    edge.add_route("/v1/operations", recovery.operations, methods=["GET"])
    edge.add_route("/v1/operations", recovery.preview, methods=["POST"])
    edge.add_route("/v1/operations/{id}", recovery.operation, methods=["GET"])
    for step in (Step.START, Step.PAUSE, Step.RESUME, Step.CANCEL):
        edge.add_route(f"/v1/operations/{{id}}/{step.value}", recovery.moving(step), methods=["POST"])
    endpoints |= {(one.method, one.path): command(one, callers, gathering) for one in ADDRESSES}
    for (method, path), endpoint in endpoints.items():
        edge.add_route(path, endpoint, methods=[method])
    edge.add_route("/openapi.json", document(describe), methods=["GET"])
    edge.add_route("/asyncapi.json", document(lambda: asyncapi(CONTRACTS)), methods=["GET"])
    edge.add_route("/docs", reference(describe), methods=["GET"])
    edge.mount("/book", booking.application())
    straight = {(method, path): one for (method, path), one in endpoints.items() if "{" not in path}
    return Direct(edge, straight, _answer_failure)


def describe() -> dict[str, Json]:
    """The OpenAPI document of everything here that developers call."""
    return openapi(OPERATIONS, CONTRACTS)


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
    answer = await answer_problem(request, ProblemError(status, status.name.lower()))
    # Such as which methods are allowed.
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


async def _answer_failure(request: Request, error: Exception) -> Response:
    return await (answer_problem if isinstance(error, ProblemError) else _answer_bug)(request, error)


async def _answer_nobody(_: Request, __: Exception) -> Response:
    """Whoever called went away in the middle: there is nobody to answer, and nothing was taken in."""
    return Response(status_code=HTTPStatus.BAD_REQUEST.value)


async def _answer_bug(request: Request, error: Exception) -> Response:
    log.error("request.bug", extra={"path": request.url.path, "error": type(error).__name__})
    return await answer_problem(request, ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "bug"))
