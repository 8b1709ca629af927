"""What Dispatch Connect's `agent/in` is to its callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.inbound.http.connect import MOST_RECORDS
from gateway.web.described import Answer, Body, Operation, Proof, in_header, ref

if TYPE_CHECKING:
    from gateway.core.parties import Json

_ENVELOPE: Final[Json] = {
    "description": "A record of one entity. What one record is not or must not hold is that record's trouble alone.",
    "type": "object",
    "properties": {
        "header": {
            "type": "object",
            "properties": {
                "record_type": {"enum": ["job", "offer", "appointment", "attachment", "organization", "user"]},
                "version": {"type": "string"},
                "messageID": {"type": "string"},
            },
            "required": ["record_type", "version"],
        },
        "record": {"type": "object"},
    },
    "required": ["header", "record"],
}
_SETTLED: Final[Json] = {
    "type": "object",
    "properties": {
        "index": {"type": "integer", "minimum": 0},
        "id": {"type": "string"},
        "message_id": {"type": ["string", "null"]},
        "outcome": {"enum": ["applied", "ignored", "refused", "parked", "unmapped", "quarantined"]},
        "reason": {"type": "string"},
        "field": {"type": "string"},
        "detail": {"type": "string"},
        "job": {"type": "string"},
        "about": {"type": "object"},
        "first": {"type": "string"},
    },
    "required": ["index", "id", "message_id", "outcome"],
}
_EXAMPLE: Final[Json] = [
    {
        "header": {"record_type": "job", "version": "v3"},
        "record": {"external_id": "WO-88213", "status": "offered", "title": "Dishwasher does not drain"},
    }
]

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/agent/in",
        name="connect.in",
        tag="Dispatch Connect",
        summary="Send records",
        description="A batch, in order, each record with an outcome of its own. The body may be gzip, unannounced.",
        proof=Proof.SIGNATURE,
        parameters=(
            in_header(
                "MessageId",
                "The request's id: with `#` and a record's index it is that record's, where that has none of its own.",
                {"type": "string"},
            ),
        ),
        body=Body(
            schema={"type": "array", "maxItems": MOST_RECORDS, "items": ref("ConnectEnvelope")},
            examples={"offer": _EXAMPLE},
        ),
        answers={
            200: Answer(
                description="What became of each, once that is durable.",
                schema={
                    "type": "object",
                    "properties": {"records": {"type": "array", "items": ref("ConnectSettled")}},
                    "required": ["records"],
                },
                examples={
                    "applied": {
                        "records": [
                            {"index": 0, "id": "rec-8001", "message_id": None, "outcome": "applied", "job": "job-1041"}
                        ]
                    }
                },
            )
        },
        problems={
            400: ("bad_gzip", "not_an_array", "not_json", "too_deep", "unknown_transformation"),
            403: ("not_allowed",),
            408: ("too_slow",),
            413: ("too_large", "too_many_records"),
            503: ("no_secret_keys", "overloaded", "unavailable"),
        },
        schemas={"ConnectEnvelope": _ENVELOPE, "ConnectSettled": _SETTLED},
    ),
)
