"""What Dispatch Connect's `agent/out` and `agent/ack` are to their callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.outbound.http.connect import USUAL_NUMBER
from gateway.outbound.poll_queue import LARGEST, Acknowledged
from gateway.web.described import Answer, Body, Operation, Proof, ref

if TYPE_CHECKING:
    from gateway.core.parties import Json

_TAG: Final = "Dispatch Connect"
_RECEIPT: Final = "0123456789abcdef0123456789abcdef-71-0"
_MESSAGE: Final[Json] = {
    "description": "One entity of an event. It comes again until it is acknowledged, under another receipt.",
    "type": "object",
    "properties": {
        "Message": {
            "type": "object",
            "properties": {
                "ID": {"type": "string"},
                "Receipt": {"type": "string"},
                "Request": {
                    "type": "object",
                    "properties": {
                        "ProcedureID": {"type": "string"},
                        "Type": {"type": "string"},
                        "Payload": {
                            "type": "object",
                            "properties": {"Actions": {"type": "array", "items": {"type": "object"}}},
                            "required": ["Actions"],
                        },
                    },
                    "required": ["ProcedureID", "Type", "Payload"],
                },
            },
            "required": ["ID", "Receipt", "Request"],
        }
    },
    "required": ["Message"],
}
_EXAMPLE: Final[Json] = {
    "Message": {
        "ID": "evt-5002.1",
        "Receipt": _RECEIPT,
        "Request": {
            "ProcedureID": "dlv-71.1",
            "Type": "job",
            "Payload": {"Actions": [{"ID": "evt-5002.1", "Put": {"job": {"id": 1041, "status": "unscheduled"}}}]},
        },
    }
}

OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/agent/out",
        name="connect.out",
        tag=_TAG,
        summary="Fetch what is owed",
        proof=Proof.SIGNATURE,
        body=Body(
            schema={
                "type": "object",
                "properties": {
                    "maxNumberOfMessages": {
                        "type": "integer",
                        "minimum": 1,
                        "default": USUAL_NUMBER,
                        "description": f"At most {LARGEST} come at a time.",
                    }
                },
            },
            examples={"ten": {"maxNumberOfMessages": 10}},
        ),
        answers={
            200: Answer(
                description="Messages, one of each job; none where nothing is due.",
                schema={"type": "array", "items": ref("ConnectMessage")},
                examples={"one": [_EXAMPLE], "none": []},
            )
        },
        problems={
            400: ("bad_value", "not_json", "too_deep"),
            408: ("too_slow",),
            413: ("too_large",),
            503: ("no_secret_keys", "unavailable"),
        },
        schemas={"ConnectMessage": _MESSAGE},
    ),
    Operation(
        method="POST",
        path="/agent/ack",
        name="connect.ack",
        tag=_TAG,
        summary="Acknowledge a message",
        proof=Proof.SIGNATURE,
        body=Body(
            schema={
                "type": "object",
                "properties": {
                    "Receipt": {"type": "string"},
                    "ProcedureID": {"type": "string"},
                    "Result": {"type": "string", "description": "`success`, or `error`: then it comes again."},
                    "Error": {"type": ["string", "null"]},
                },
                "required": ["Receipt", "Result"],
            },
            examples={"success": {"Receipt": _RECEIPT, "Result": "success"}},
        ),
        answers={
            200: Answer(
                description="What that did. An old receipt, or somebody else's, changes nothing.",
                schema={
                    "type": "object",
                    "properties": {"result": {"enum": [each.value for each in Acknowledged]}},
                    "required": ["result"],
                },
                examples={"settled": {"result": "settled"}},
            )
        },
        problems={
            400: ("bad_value", "missing_member"),
            408: ("too_slow",),
            413: ("too_large",),
            503: ("no_secret_keys", "unavailable"),
        },
    ),
)
