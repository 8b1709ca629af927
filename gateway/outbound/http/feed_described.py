"""What the feed by cursor is to its callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.web.cursors import AFTER_PARAMETER, LIMIT_PARAMETER, write_cursor
from gateway.web.described import Answer, Operation, read_on

if TYPE_CHECKING:
    from gateway.core.parties import Json

_CURSOR: Final = write_cursor("feed", (3, 71))
_EXAMPLE: Final[Json] = {
    "cursor": _CURSOR,
    "specversion": "1.0",
    "id": "evt-5002",
    "source": "gateway",
    "type": "job.accepted.v1",
    "subject": "job-1041",
    "time": "2026-03-02T15:20:00Z",
    "datacontenttype": "application/json",
    "jobversion": 2,
    "jobprevious": 1,
    "data": {"job": {"id": "job-1041", "external_id": "W-1"}, "status": "unscheduled"},
}
_ITEM: Final[Json] = {
    "description": "An event as it is on a topic, a CloudEvent in the brand's own form, and the cursor of its place.",
    "type": "object",
    "properties": {"cursor": {"type": "string"}, "id": {"type": "string"}, "type": {"type": "string"}, "data": {}},
    "required": ["cursor", "id", "source", "specversion", "type"],
}

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/feed",
        name="feed.read",
        tag="Feeds",
        summary="A brand's feed, or a provider's work feed, by cursor",
        description="In order per job. Read again, what was taken back meanwhile is `withheld`.",
        parameters=(AFTER_PARAMETER, LIMIT_PARAMETER),
        answers={
            200: Answer(
                description="What comes next; `next` is good to go on with, also behind an empty page.",
                schema=read_on(_ITEM),
                examples={"one": {"items": [_EXAMPLE], "next": _CURSOR}, "nothing": {"items": [], "next": _CURSOR}},
            )
        },
        problems={
            400: ("bad_cursor", "bad_value"),
            403: ("not_for_operators", "role_not_allowed", "scope_missing", "user_deactivated"),
            404: ("no_feed",),
            410: ("cursor_expired",),
            503: ("unavailable",),
        },
    ),
)
