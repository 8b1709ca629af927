"""What the feed by cursor, and confirming what was applied, are to their callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.outbound.http.feed_receipts import LONGEST_ID, MOST_RECEIPTS
from gateway.web.cursors import AFTER_PARAMETER, LIMIT_PARAMETER, write_cursor
from gateway.web.described import Answer, Body, Operation, in_header, in_query, read_on

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
# A line each, and an empty one behind; the example of a page's item is its data.
_STREAM: Final = (
    f"retry: 2417\nid: {write_cursor('feed', (3, 70))}\n\nid: {_CURSOR}\nevent: job.accepted.v1\n"
    'data: {"specversion":"1.0","id":"evt-5002","source":"gateway","type":"job.accepted.v1","data":{}}\n\n: \n\n'
)
_ABOUT_STREAM: Final = """\
What `GET /v1/feed` reads, as it comes. The `id` of an event is its cursor, good for either; `event` is its type, `data`
the CloudEvent on one line. The first block has an `id` and no `data`: where the stream begins. A comment comes every 15
seconds while nothing else does.

Streams end: when the gateway stops, when the key is revoked or its feeds are others, when the listener takes next to
nothing of what waits for it in 10 seconds. Whoever comes back with the last `id` misses nothing and gets nothing twice.

The token goes in the header `Authorization`, as everywhere; never in the address, where logs would keep it. A browser's
`EventSource` cannot send one: read the answer of `fetch` instead."""
_LAST: Final = in_header(
    "Last-Event-ID", "The last `id` of the stream before; goes before `after`.", {"type": "string"}
)
_AFTER: Final = in_query(
    "after", "A cursor, or `now` for what comes from now on. Without it: from the oldest kept.", {"type": "string"}
)

_VERSION: Final[Json] = {"type": "integer", "minimum": 1}
_JOB: Final[Json] = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
_RECEIPT: Final[Json] = {
    "description": "This version of the job, and all before it, stands in the brand's own system.",
    "type": "object",
    "properties": {"job": _JOB, "version": _VERSION},
    "required": ["job", "version"],
    "additionalProperties": False,
}
_JUDGED: Final[Json] = {
    "type": "object",
    "properties": {
        "job": _JOB,
        "version": _VERSION,
        "outcome": {"enum": ["applied", "refused"]},
        "reason": {"enum": ["not_your_job", "unknown_jobversion"]},
    },
    "required": ["job", "version", "outcome"],
}


def _receipts(of: Json) -> dict[str, Json]:
    listed: Json = {"type": "array", "items": of, "maxItems": MOST_RECEIPTS}
    return {"type": "object", "properties": {"receipts": listed}, "required": ["receipts"]}


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
    Operation(
        method="GET",
        path="/v1/feed/live",
        name="feed.listen",
        tag="Feeds",
        summary="The same feed as it grows, as server-sent events",
        description=_ABOUT_STREAM,
        parameters=(_LAST, _AFTER),
        answers={
            200: Answer(
                description="Events, until the stream ends.",
                schema={"type": "string"},
                examples={"one": _STREAM},
                headers={"Cache-Control": "`no-store`."},
                content_type="text/event-stream",
            )
        },
        problems={
            400: ("bad_cursor",),
            403: ("not_for_operators", "role_not_allowed", "scope_missing", "user_deactivated"),
            404: ("no_feed",),
            410: ("cursor_expired",),
            429: ("too_many_failures", "too_many_streams"),
            503: ("no_room", "unavailable"),
        },
    ),
    Operation(
        method="POST",
        path="/v1/feed/receipts",
        name="feed.receipts",
        tag="Feeds",
        summary="Which versions of its jobs a brand has applied",
        description="A job by its id, or by the brand's own. An older version than one confirmed changes nothing.",
        body=Body(
            schema=_receipts(_RECEIPT),
            examples={"two": {"receipts": [{"job": "job-1041", "version": 2}, {"job": "W-2", "version": 9}]}},
        ),
        answers={
            200: Answer(
                description="What came of each receipt, in their order.",
                schema=_receipts(_JUDGED),
                examples={
                    "two": {
                        "receipts": [
                            {"job": "job-1041", "version": 2, "outcome": "applied"},
                            {"job": "W-2", "version": 9, "outcome": "refused", "reason": "unknown_jobversion"},
                        ]
                    }
                },
            )
        },
        problems={
            400: ("not_json", "too_deep"),
            403: ("not_allowed", "not_for_operators", "scope_missing"),
            408: ("too_slow",),
            413: ("too_large",),
            422: ("bad_value", "too_many", "unknown_member", "wrong_type"),
            503: ("unavailable",),
        },
    ),
)
