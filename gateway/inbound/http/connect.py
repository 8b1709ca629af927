"""Dispatch Connect's `POST /agent/in`: a signed batch of envelopes, in order, each with an outcome of its own."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson
from starlette.responses import Response

from gateway.core.ids import Kind, canonical_id
from gateway.inbound.http.taking import record_of, take_in
from gateway.inbound.receipts import receipt_of
from gateway.inbound.record import REQUEST_HEADER
from gateway.mapping.receipts import receipt_body
from gateway.web.bodies import inflate, read_body, read_json
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.inbound.entry import Entry
    from gateway.inbound.gathering import Gathering
    from gateway.inbound.record import RawRecord
    from gateway.web.callers import Callers

MOST_RECORDS = 1_000
CANONICAL = "noop"


def agent_in(callers: Callers, gathering: Gathering) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. 200 with what became of each record, by its index, once that is durable."""

    async def endpoint(request: Request) -> Response:
        body = await read_body(request)
        caller = await callers.by_signature(request, body)
        if caller.transformation != CANONICAL:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "unknown_transformation", caller.transformation)
        envelopes = read_json(inflate(body))
        if not isinstance(envelopes, list):
            raise ProblemError(HTTPStatus.BAD_REQUEST, "not_an_array", "an array of envelopes is expected")
        if len(envelopes) > MOST_RECORDS:
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_records", f"at most {MOST_RECORDS}")
        request_id = request.headers.get("MessageId")
        ids = (f"{request_id}#{index}" if request_id else None for index in range(len(envelopes)))
        records = [record_of(caller, _encode(one), own) for one, own in zip(envelopes, ids, strict=True)]
        if len(records) > 1:
            _mark_as_one_request(records)
        entries = await take_in(gathering, records)
        told = [_outcome(index, entry) for index, entry in enumerate(entries)]
        return Response(orjson.dumps({"records": told}), media_type="application/json")

    return endpoint


def _mark_as_one_request(records: Sequence[RawRecord]) -> None:
    """Kept with each record: an acceptance and its first appointment find each other whenever they are decided."""
    mark = (REQUEST_HEADER, uuid4().hex.encode())
    for record in records:
        record.headers = (*record.headers, mark)


def _encode(envelope: Json) -> bytes:
    try:
        return orjson.dumps(envelope)
    except TypeError:
        # An integer of more than 64 bits: the record is quarantined for it.
        return json.dumps(envelope).encode()


def _outcome(index: int, entry: Entry) -> dict[str, Json]:
    body = receipt_body(receipt_of(entry))
    del body["record"]
    return {"index": index, "id": canonical_id(Kind.RECORD, entry.number), "message_id": entry.message_id, **body}
