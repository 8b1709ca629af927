"""Dispatch Connect's `POST /agent/in`: a signed batch of records, in order, each with an outcome of its own.

Connect's own envelopes, or for keys with a transformation any JSON, which that brand's profile reads.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson
from starlette.responses import Response

from gateway.core.ids import Kind, canonical_id
from gateway.inbound.http.taking import encoded, record_of, take_in
from gateway.inbound.receipts import receipt_of
from gateway.inbound.record import CUSTOM_BRAND, RECORD_TYPE, REQUEST
from gateway.inbound.shapes import MAX_ID
from gateway.mapping.profile_roads import NO_TRANSFORMATION
from gateway.mapping.receipts import receipt_body
from gateway.store.keys import CallerKind
from gateway.web.bodies import inflate, read_body, read_json
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.inbound.directory import Directory
    from gateway.inbound.entry import Entry
    from gateway.inbound.gathering import Gathering
    from gateway.inbound.record import RawRecord
    from gateway.store.keys import Caller
    from gateway.web.callers import Callers

MOST_RECORDS = 1_000


def agent_in(
    callers: Callers, gathering: Gathering, directory: Callable[[], Directory]
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. 200 with what became of each record, by its index, once that is durable."""

    async def endpoint(request: Request) -> Response:
        body = await read_body(request)
        caller = await callers.by_signature(request, body)
        custom = _find_custom(caller, directory())
        # Kept with each record, so that it can be read again.
        marks = {} if custom is None else {CUSTOM_BRAND: custom, RECORD_TYPE: _header(request, "RecordType")}
        told = _listed(read_json(inflate(body)), is_custom=custom is not None)
        request_id = _header(request, "MessageId")
        if len(told) > 1:
            # An acceptance and its first appointment find each other whenever they are decided.
            marks[REQUEST] = uuid4().hex
        records = [
            _record(caller, one, f"{request_id}#{index}" if request_id else None, marks)
            for index, one in enumerate(told)
        ]
        entries = await take_in(gathering, records)
        outcomes = [_outcome(index, entry) for index, entry in enumerate(entries)]
        return Response(orjson.dumps({"records": outcomes}), media_type="application/json")

    return endpoint


def _find_custom(caller: Caller, directory: Directory) -> str | None:
    """The brand whose profile reads what this key sends; None for keys that send Connect's own envelopes."""
    if caller.transformation == NO_TRANSFORMATION:
        return None
    is_account = caller.kind is CallerKind.ACCOUNT
    profile = directory.find_custom(caller.name, caller.brand, caller.transformation) if is_account else None
    if profile is None:
        detail = f"no brand that this key speaks for, or more than one, reads {caller.transformation}"
        raise ProblemError(HTTPStatus.BAD_REQUEST, "unknown_transformation", detail)
    return profile.brand


def _header(request: Request, name: str) -> str:
    """Cut where it is too long to be anything: it is kept with each record."""
    return request.headers.get(name, "")[: MAX_ID + 1]


def _listed(tree: Json, *, is_custom: bool) -> list[Json]:
    """The records of a body: an array, or of custom ones a single one by itself."""
    if is_custom and not isinstance(tree, list):
        return [tree]
    if not isinstance(tree, list):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "not_an_array", "an array of envelopes is expected")
    if len(tree) > MOST_RECORDS:
        raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_records", f"at most {MOST_RECORDS}")
    return tree


def _record(caller: Caller, told: Json, message_id: str | None, marks: dict[str, str]) -> RawRecord:
    record = record_of(caller, encoded(told), message_id)
    record.headers += tuple((name, text.encode()) for name, text in marks.items())
    return record


def _outcome(index: int, entry: Entry) -> dict[str, Json]:
    body = receipt_body(receipt_of(entry))
    del body["record"]
    return {"index": index, "id": canonical_id(Kind.RECORD, entry.number), "message_id": entry.message_id, **body}
