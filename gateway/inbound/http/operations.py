"""`/v1/operations`: recovery by operators' keys, as the command line has it: previewed, run, reported."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import orjson
from pydantic import Field, StrictInt, StringConstraints, ValidationError
from starlette.responses import Response

from gateway.core.ids import Kind, find_number
from gateway.core.scopes import Scope
from gateway.inbound.parsing import find_flaw
from gateway.inbound.shapes import Moment, Shape
from gateway.store.deliveries import Operator
from gateway.store.operation_reports import members_of, report_of
from gateway.store.operations import Moved, Step, Terms, find_operation, list_operations, move
from gateway.store.redelivering import ByVersion
from gateway.store.selecting import OperationKind, Selection, Unselected, freeze
from gateway.web.bodies import read_body, read_json
from gateway.web.cursors import read_limit
from gateway.web.paging import MOST, USUAL, page, read_place, write_place
from gateway.web.problems import ProblemError
from gateway.web.reading import available, reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.store.database import Database, Transaction
    from gateway.store.keys import Caller
    from gateway.store.operations import Operation
    from gateway.web.callers import Callers

OPERATIONS = "operations"
MOST_IDS = 10_000
MOST_CANARIES = 10_000
HIGHEST_RATE = 100_000
# What the operators' tables hold of a name.
_LONGEST_AUTHOR = 100

Word = Annotated[str, StringConstraints(min_length=1, max_length=249)]
# Blanks say nothing.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Written = Annotated[str, StringConstraints(min_length=1, max_length=30)]


class Selected(Shape):
    """Which rows. Ids are of deliveries; of records where they are to be requeued."""

    ids: Annotated[tuple[Written, ...], Field(max_length=MOST_IDS)] = ()
    brand: Word | None = None
    destination: Word | None = None
    state: Annotated[tuple[Written, ...], Field(max_length=10)] = ()
    reason: Word | None = None
    job: Written | None = None
    since: Moment | None = None
    until: Moment | None = None


class Asked(Shape):
    """What is to be previewed, and why."""

    kind: OperationKind
    reason: Reason
    selection: Selected
    version: ByVersion = ByVersion.DECIDED


class Why(Shape):
    """Why an operation is moved."""

    reason: Reason


class Started(Why):
    """Why and how it is to go."""

    canary: Annotated[StrictInt, Field(ge=0, le=MOST_CANARIES)] = 10
    rate: Annotated[float, Field(strict=True, ge=0, le=HIGHEST_RATE, allow_inf_nan=False)] = 50.0
    stop_at: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.2


_S = TypeVar("_S", bound=Shape)


class OperationsApi:
    """The endpoints, for operators' keys alone."""

    def __init__(self, callers: Callers, database: Database) -> None:
        self._callers = callers
        self._database = database

    async def preview(self, request: Request) -> Response:
        """`POST /v1/operations`: 201 with what was frozen. Nothing is done until it is started."""
        caller = await self._callers.operator(request, Scope.OPERATIONS)
        asked = await _read(request, Asked)
        selection = _selection(asked)
        with available():
            async with self._database.transaction() as connection:
                now = await self._database.now(connection)
                operator = _operator(caller, asked.reason)
                frozen = await freeze(connection, asked.kind, selection, operator, now, version=asked.version)
                if isinstance(frozen, Unselected):
                    member = "version" if frozen is Unselected.ONLY_FOR_REDELIVERIES else "selection"
                    raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, frozen.value, member=member)
                found = await self._told(connection, frozen)
        return _json(found, HTTPStatus.CREATED)

    async def operations(self, request: Request) -> Response:
        """`GET /v1/operations`: the newest first, page by page."""
        await self._callers.operator(request, Scope.OPERATIONS)
        limit = read_limit(request.query_params, usual=USUAL, most=MOST)
        place = read_place(request.query_params, OPERATIONS, 1)
        async with reading(self._database) as connection:
            found = await list_operations(connection, before=place[0] if place else None, limit=limit + 1)
        following = write_place(OPERATIONS, found[limit - 1].number) if len(found) > limit else None
        return _json(page([members_of(one) for one in found[:limit]], following))

    async def operation(self, request: Request) -> Response:
        """`GET /v1/operations/{id}`: one with its report."""
        await self._callers.operator(request, Scope.OPERATIONS)
        number = _number(request)
        async with reading(self._database) as connection:
            return _json(await self._told(connection, number))

    def moving(self, step: Step) -> Callable[[Request], Awaitable[Response]]:
        """`POST /v1/operations/{id}/{step}`: 200 with the operation as it stands then."""

        async def endpoint(request: Request) -> Response:
            caller = await self._callers.operator(request, Scope.OPERATIONS)
            number = _number(request)
            said = await _read(request, Started if step is Step.START else Why)
            terms = None
            if isinstance(said, Started):
                terms = Terms(canary=said.canary, rate=said.rate, stop_at=said.stop_at)
            operator = _operator(caller, said.reason)
            with available():
                async with self._database.transaction() as connection:
                    now = await self._database.now(connection)
                    moved = await move(connection, number, step, operator, now, terms=terms)
                    if moved is Moved.WRONG_STATE:
                        raise ProblemError(HTTPStatus.CONFLICT, moved.value, f"it cannot {step.value} as it stands")
                    return _json(await self._told(connection, number))

        return endpoint

    async def _told(self, connection: Transaction, number: int) -> dict[str, Json]:
        found: Operation | None = await find_operation(connection, number)
        if found is None:
            raise _unknown()
        report = await report_of(connection, found, await self._database.now(connection))
        return {**members_of(found), "report": report}


async def _read(request: Request, shape: type[_S]) -> _S:
    content = read_json(await read_body(request))
    if not isinstance(content, dict):
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "not_an_object", "a JSON object is expected")
    flaw = find_flaw(content)
    if flaw is not None:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_value", member=flaw.member)
    try:
        return shape.model_validate(content, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        member = ".".join(str(step) for step in first["loc"])
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_value", first["msg"], member=member) from None


def _selection(asked: Asked) -> Selection:
    said = asked.selection
    kind = Kind.RECORD if asked.kind is OperationKind.REQUEUE else Kind.DELIVERY
    job = None if said.job is None else _numbered(Kind.JOB, said.job, "selection.job")
    return Selection(
        numbers=tuple(sorted({_numbered(kind, one, "selection.ids") for one in said.ids})),
        brand=said.brand,
        destination=said.destination,
        states=said.state,
        reason=said.reason,
        job=job,
        since=said.since,
        until=said.until,
    )


def _numbered(kind: Kind, written: str, member: str) -> int:
    number = find_number(kind, written)
    if number is None:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_value", f"{kind.value}-… is expected", member=member)
    return number


def _number(request: Request) -> int:
    number = find_number(Kind.OPERATION, request.path_params["id"])
    if number is None:
        raise _unknown()
    return number


def _unknown() -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, "not_found", "there is no such operation")


def _operator(caller: Caller, reason: str) -> Operator:
    return Operator(author=caller.name[:_LONGEST_AUTHOR], reason=reason)


def _json(told: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(orjson.dumps(told), status.value, media_type="application/json")
