"""What recovery operations are to the operators who call for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.inbound.http.operations import HIGHEST_RATE, MOST_CANARIES, MOST_IDS
from gateway.store.operations import State, Step
from gateway.store.redelivering import ByVersion
from gateway.store.selecting import OperationKind, Unselected
from gateway.web.described import CURSOR, LIMIT, Answer, Body, Operation, in_path, page_of, ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.parties import Json

_TAG: Final = "Recovery"
_ID: Final = in_path("id", "The operation's id.", "op-7")
_REASON: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 500,
    "description": "Why, for the audit row.",
}
_WORD: Final[dict[str, Json]] = {"type": "string", "minLength": 1, "maxLength": 249}
_WRITTEN: Final[dict[str, Json]] = {"type": "string", "minLength": 1, "maxLength": 30}
_COUNTS: Final[dict[str, Json]] = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_COUNT: Final[dict[str, Json]] = {"type": "integer", "minimum": 0}
_TERMS: Final[dict[str, Json]] = {
    "canary": {
        "type": "integer",
        "minimum": 0,
        "maximum": MOST_CANARIES,
        "default": 10,
        "description": "So many items first; what becomes of them is waited for.",
    },
    "rate": {
        "type": "number",
        "minimum": 0,
        "maximum": HIGHEST_RATE,
        "default": 50,
        "description": "At most so many items a second, a fifth of it at first; 0: as fast as it goes.",
    },
    "stop_at": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "default": 0.2,
        "description": "It stops where more than this share has failed.",
    },
}
_SELECTION: Final[Json] = {
    "type": "object",
    "description": "Every member that is given must fit; one besides `state` at least.",
    "properties": {
        "ids": {
            "type": "array",
            "items": _WRITTEN,
            "maxItems": MOST_IDS,
            "description": "Of deliveries; of records, to requeue them.",
        },
        "brand": _WORD,
        "destination": {**_WORD, "description": "The name of a destination."},
        "state": {"type": "array", "items": _WRITTEN, "maxItems": 10},
        "reason": {**_WORD, "description": "The stable word for why they stand so."},
        "job": {**_WRITTEN, "description": "The id of a job."},
        "since": {"type": "string", "format": "date-time", "description": "Settled, or else made, then or later."},
        "until": {"type": "string", "format": "date-time", "description": "Before then."},
    },
    "additionalProperties": False,
}
_PREVIEW: Final[Json] = {
    "type": "object",
    "description": "What was seen when it was frozen.",
    "properties": {
        "selected": {**_COUNT, "description": "How many rows fitted."},
        "oldest": {"type": "string", "format": "date-time"},
        "items": {**_COUNT, "description": "How many things are to be done."},
        "verbs": _COUNTS,
        "brands": _COUNTS,
        "destinations": _COUNTS,
        "back_in_time": {
            "type": "object",
            "description": "Jobs that would go back in time: each is told whole instead, as it stands then.",
            "properties": {"jobs": _COUNT, "first": {"type": "array", "items": {"type": "string"}}},
            "required": ["jobs", "first"],
        },
    },
}
_REPORT: Final[Json] = {
    "type": "object",
    "properties": {
        "items": _COUNT,
        "waiting": _COUNT,
        "done": _COUNT,
        "refused": {**_COUNTS, "description": "By the word for why."},
        "deliveries": {**_COUNTS, "description": "What was done, by how its deliveries, or records, stand now."},
        "failed": _COUNT,
        "started_at": {"type": ["string", "null"], "format": "date-time"},
        "seconds": {"type": ["number", "null"]},
        "rate": {"type": ["number", "null"], "description": "Items a second, all in all."},
    },
    "required": ["items", "waiting", "done", "refused", "deliveries", "failed"],
}
_OPERATION: Final[Json] = {
    "description": "Something done to many rows, one by one.",
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^op-[1-9][0-9]*$"},
        "kind": {"type": "string"},
        "state": {"enum": [each.value for each in State]},
        "state_reason": {"type": ["string", "null"], "description": "Why it has stopped."},
        "author": {"type": "string"},
        "reason": {"type": "string"},
        "terms": {"type": "object", "properties": {name: {"type": "number"} for name in _TERMS}},
        "made": {**_COUNT, "description": "How many deliveries it has made."},
        "created_at": ref("moment"),
        "state_at": ref("moment"),
        "preview": _PREVIEW,
        "report": _REPORT,
    },
    "required": ["id", "kind", "state", "author", "reason", "terms", "made", "created_at", "state_at", "preview"],
}
_SCHEMAS: Final[Mapping[str, Json]] = {"Operation": _OPERATION}
_EXAMPLE: Final[dict[str, Json]] = {
    "id": "op-7",
    "kind": "redeliver",
    "state": "previewed",
    "state_reason": None,
    "author": "kim",
    "reason": "the partner lost a day",
    "terms": {"canary": 0, "rate": 0.0, "stop_at": 0.2},
    "made": 0,
    "created_at": "2026-03-02T16:00:00Z",
    "state_at": "2026-03-02T16:00:00Z",
    "preview": {
        "selected": 40,
        "oldest": "2026-03-01T09:12:00Z",
        "items": 25,
        "verbs": {"redeliver": 20, "snapshot": 5},
        "brands": {"harborline": 25},
        "destinations": {"feed.harborline": 25},
        "back_in_time": {"jobs": 5, "first": ["job-1041"]},
    },
    "report": {"items": 25, "waiting": 25, "done": 0, "refused": {}, "deliveries": {}, "failed": 0},
}
_RUNNING: Final[dict[str, Json]] = {**_EXAMPLE, "state": "running"}
_READS: Final[Mapping[int, tuple[str, ...]]] = {403: ("only_for_operators", "scope_missing"), 503: ("unavailable",)}
_WRITES: Final[Mapping[int, tuple[str, ...]]] = {
    **_READS,
    400: ("not_json", "too_deep"),
    408: ("too_slow",),
    413: ("too_large",),
}


def _moving(step: Step, summary: str, members: Mapping[str, Json], example: dict[str, Json]) -> Operation:
    schema: Json = {
        "type": "object",
        "properties": {"reason": _REASON, **members},
        "required": ["reason"],
        "additionalProperties": False,
    }
    return Operation(
        method="POST",
        path=f"/v1/operations/{{id}}/{step.value}",
        name=f"operations.{step.value}",
        tag=_TAG,
        summary=summary,
        parameters=(_ID,),
        body=Body(schema=schema, examples={"with_why": {"reason": "the partner is ready"}}),
        answers={200: Answer(description="As it stands then.", schema=ref("Operation"), examples={"then": example})},
        problems={**_WRITES, 404: ("not_found",), 409: ("wrong_state",), 422: ("bad_value", "not_an_object")},
        schemas=_SCHEMAS,
    )


OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/operations",
        name="operations.preview",
        tag=_TAG,
        summary="Freeze what is to be done to many rows, and see what it would be",
        description="What was seen is what is done, once it is started: whatever comes to fit the selection later is "
        "left alone, and what stands otherwise by then is refused, one by one.",
        body=Body(
            schema={
                "type": "object",
                "properties": {
                    "kind": {"enum": [each.value for each in OperationKind]},
                    "reason": _REASON,
                    "selection": _SELECTION,
                    "version": {
                        "enum": [each.value for each in ByVersion],
                        "default": ByVersion.DECIDED.value,
                        "description": "Which version of a brand's profile renders what is redelivered: the one that "
                        "decided, or the one in force when it is done. Of no other kind.",
                    },
                },
                "required": ["kind", "reason", "selection"],
                "additionalProperties": False,
            },
            examples={
                "dead": {
                    "kind": "reopen",
                    "reason": "the partner is back",
                    "selection": {"destination": "feed.harborline", "reason": "schedule_exhausted"},
                },
                "in_new_words": {
                    "kind": "redeliver",
                    "reason": "their code was wrong",
                    "selection": {"ids": ["dlv-12"]},
                    "version": "active",
                },
            },
        ),
        answers={201: Answer(description="Frozen.", schema=ref("Operation"), examples={"previewed": _EXAMPLE})},
        problems={**_WRITES, 422: ("bad_value", "not_an_object", *(each.value for each in Unselected))},
        schemas=_SCHEMAS,
    ),
    Operation(
        method="GET",
        path="/v1/operations",
        name="operations.list",
        tag=_TAG,
        summary="Operations, the newest first",
        parameters=(LIMIT, CURSOR),
        answers={
            200: Answer(
                description="A page.",
                schema=page_of(ref("Operation")),
                examples={"last": {"items": [_EXAMPLE], "next": None}},
            )
        },
        problems={**_READS, 400: ("bad_cursor", "bad_value")},
        schemas=_SCHEMAS,
    ),
    Operation(
        method="GET",
        path="/v1/operations/{id}",
        name="operations.read",
        tag=_TAG,
        summary="One operation with its report",
        parameters=(_ID,),
        answers={200: Answer(description="As it stands now.", schema=ref("Operation"), examples={"running": _RUNNING})},
        problems={**_READS, 404: ("not_found",)},
        schemas=_SCHEMAS,
    ),
    _moving(Step.START, "Start a previewed operation: a canary, then faster and faster", _TERMS, _RUNNING),
    _moving(Step.PAUSE, "Let a running operation rest", {}, {**_EXAMPLE, "state": "paused"}),
    _moving(Step.RESUME, "Let one go on that was paused or has stopped: slowly at first", {}, _RUNNING),
    _moving(Step.CANCEL, "End an operation for good; what was done stays done", {}, {**_EXAMPLE, "state": "canceled"}),
)
