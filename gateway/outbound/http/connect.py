"""Dispatch Connect's `POST /agent/out` and `POST /agent/ack`: a partner takes what it is owed, and says so."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

from gateway.core.scopes import Scope
from gateway.core.values import dataclass
from gateway.web.bodies import read_body, read_json
from gateway.web.problems import ProblemError
from gateway.web.reading import available

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.outbound.poll_queue import PollQueue
    from gateway.store.destinations import Destination
    from gateway.store.keys import Caller
    from gateway.web.callers import Callers

    Endpoint = Callable[[Request], Awaitable[Response]]
    Owed = Callable[[Caller], Sequence[Destination]]

MOST_BYTES = 65_536
USUAL_NUMBER = 10
# Clients build this JSON by hand: an error's text with quotes in it is not escaped.
_BY_HAND = re.compile(r'"(Receipt|Result)"\s*:\s*"([^"\\]*)"')
_ERROR_BY_HAND = re.compile(r'"Error"\s*:\s*"(.*)"\s*[,}]', re.DOTALL)
_LONGEST_ERROR = 2_000


def agent_out(callers: Callers, queue: PollQueue, owed_to: Owed) -> Endpoint:
    """The endpoint. 200 with a JSON array, empty where nothing is due; never more than asked for.

    `owed_to` are the destinations that a caller may fetch from.
    """

    async def endpoint(request: Request) -> Response:
        body = await read_body(request, most=MOST_BYTES)
        caller = await callers.by_signature(request, body, Scope.FEED)
        number = _number(body)
        with available():
            handed = await queue.hand_out(owed_to(caller), number)
        return Response(orjson.dumps([one.message for one in handed]), media_type="application/json")

    return endpoint


def agent_ack(callers: Callers, queue: PollQueue, owed_to: Owed) -> Endpoint:
    """The endpoint. 200 with `result`: settled, failed, or not_yours_or_old (nothing has changed).

    What failed comes again, or is dead, as its destination has it.
    """

    async def endpoint(request: Request) -> Response:
        body = await read_body(request, most=MOST_BYTES)
        caller = await callers.by_signature(request, body, Scope.FEED)
        told = _read_acknowledgement(body)
        with available():
            done = await queue.acknowledge(owed_to(caller), told.receipt, error=told.error)
        return Response(orjson.dumps({"result": done.value}), media_type="application/json")

    return endpoint


def _number(body: bytes) -> int:
    asked = read_json(body) if body.strip() else {}
    number = asked.get("maxNumberOfMessages", USUAL_NUMBER) if isinstance(asked, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "bad_value", "a number of at least 1 is expected", member="maxNumberOfMessages"
        )
    return number


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a partner says of one message; `error` is its text where it failed."""

    receipt: str
    error: str | None


def _read_acknowledgement(body: bytes) -> Acknowledgement:
    try:
        told = read_json(body)
    except ProblemError:
        told = _read_by_hand(body)
    if not isinstance(told, dict) or not isinstance(told.get("Receipt"), str):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "missing_member", "a text is expected", member="Receipt")
    result = str(told.get("Result", "")).lower()
    if result not in {"success", "error"}:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_value", "success or error is expected", member="Result")
    error = str(told.get("Error") or "no reason was given")[:_LONGEST_ERROR] if result == "error" else None
    return Acknowledgement(str(told["Receipt"]), error)


def _read_by_hand(body: bytes) -> Json:
    text = body.decode(errors="replace")
    told: dict[str, Json] = dict(_BY_HAND.findall(text))
    error = _ERROR_BY_HAND.search(text)
    return told | ({"Error": error[1]} if error else {})
