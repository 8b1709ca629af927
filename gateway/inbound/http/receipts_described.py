"""What the receipts by cursor are to their callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.web.cursors import AFTER_PARAMETER, LIMIT_PARAMETER, write_cursor
from gateway.web.described import Answer, Operation, read_on, ref

if TYPE_CHECKING:
    from gateway.core.parties import Json

_CURSOR: Final = write_cursor("records of account 3", (71,))
_EXAMPLE: Final[Json] = {
    "record": {"id": "rec-8001", "message_id": "m-1", "type": "offer.submit", "arrived_at": "2026-03-02T15:20:00Z"},
    "outcome": "applied",
    "job": "job-1041",
    "cursor": _CURSOR,
}

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/records",
        name="records.list",
        tag="Jobs as they stand",
        summary="What became of the caller's records, in the order in which they were settled",
        description="One that is decided again, as a parked one is, comes again.",
        parameters=(AFTER_PARAMETER, LIMIT_PARAMETER),
        answers={
            200: Answer(
                description="What comes next; `next` is good to go on with, also behind an empty page.",
                schema=read_on({"allOf": [ref("Receipt"), {"required": ["cursor"]}]}),
                examples={"one": {"items": [_EXAMPLE], "next": _CURSOR}, "nothing": {"items": [], "next": _CURSOR}},
            )
        },
        problems={
            400: ("bad_cursor", "bad_value"),
            403: ("not_for_operators", "scope_missing", "user_deactivated"),
            503: ("unavailable",),
        },
    ),
)
