"""What the reads of jobs and of records are to their callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.visibility import Visibility
from gateway.inbound.http.job_reads import STATUSES
from gateway.web.described import CURSOR, JOB_ID, LIMIT, LONGEST_ID, Answer, Operation, in_path, in_query, page_of, ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.parties import Json

_TAG: Final = "Reads"
_UNAVAILABLE: Final = {503: ("unavailable",)}
_OF_JOBS: Final = {403: ("not_allowed",), **_UNAVAILABLE}
_OF_A_JOB: Final = {404: ("not_found",), **_OF_JOBS}

_ID: Final[dict[str, Json]] = {"type": "string", "pattern": "^[a-z]+-[1-9][0-9]*$"}
_PERSON: Final[Json] = {
    "description": "One of the organization's people; told to itself alone.",
    "type": ["object", "null"],
    "properties": {"id": _ID, "name": {"type": ["string", "null"]}},
    "required": ["id", "name"],
}
_VISIT: Final[dict[str, Json]] = {
    "description": "An appointment as it stands.",
    "type": "object",
    "properties": {
        "id": _ID,
        "status": ref("appointmentStatus"),
        "start": ref("moment"),
        "duration_seconds": {"type": "integer", "minimum": 60},
        "assigned": {"type": "boolean", "description": "Whether a technician is assigned."},
        "technician": _PERSON,
        "window": ref("window"),
        "reason": ref("reason"),
    },
    "required": ["id", "status", "start", "duration_seconds", "assigned"],
}
_JOB: Final[dict[str, Json]] = {
    "description": "A job as it stands, in the words of `job.snapshot`. Of an offer that was declined or withdrawn, or "
    "that has expired, its provider reads `job`, `status`, `closure` and `reason` alone.",
    "type": "object",
    "properties": {
        "job": ref("job"),
        "status": ref("status"),
        "closure": ref("closure"),
        "reason": ref("reason"),
        "code": {"type": ["string", "integer"], "description": "The brand's status code; for enterprises."},
        "jobversion": {"type": "integer", "minimum": 0},
        "changed_at": {**ref("moment"), "description": "When it was decided about last."},
        "accept_by": ref("moment"),
        "revision": {"type": "integer", "minimum": 0, "description": "The sender's revision of these terms."},
        "updated_at": {**ref("moment"), "description": "The same, where the sender counts by moments."},
        "replaces": {**_ID, "description": "The declined or canceled job in whose place this one came."},
        "details": {"type": "object", "description": "What is to be done, where and for whom. Not in lists."},
        "appointments": {"type": "array", "items": ref("Visit")},
    },
    "required": ["job", "status", "closure"],
}
_ACT: Final[dict[str, Json]] = {
    "description": "Something that happened to a job: an event, as feeds have it.",
    "type": "object",
    "properties": {
        "id": _ID,
        "type": {"type": "string"},
        "time": ref("moment"),
        "jobversion": {"type": "integer", "minimum": 1},
        "data": {
            "allOf": [ref("jobData")],
            "properties": {"by": {"type": "object", "properties": {"user": _PERSON}}},
        },
    },
    "required": ["id", "type", "time", "data"],
}
_NOTE: Final[dict[str, Json]] = {
    "description": "A note as it is now.",
    "type": "object",
    "properties": {
        "id": _ID,
        "revision": {"type": "integer", "minimum": 1},
        "visibility": {"enum": [each.value for each in Visibility]},
        "by": {"allOf": [ref("by")], "properties": {"user": _PERSON}},
        "created_at": ref("moment"),
        "text": {"type": "string"},
    },
    "required": ["id", "revision", "visibility", "by", "created_at", "text"],
}
_SCHEMAS: Final[Mapping[str, Json]] = {"Job": _JOB, "Visit": _VISIT, "Act": _ACT, "JobNote": _NOTE}

_EXAMPLE_VISIT: Final[dict[str, Json]] = {
    "id": "apt-2071",
    "status": "scheduled",
    "start": "2026-03-03T11:00:00Z",
    "duration_seconds": 7200,
    "assigned": True,
}
_EXAMPLE_NAMES: Final[dict[str, Json]] = {
    "id": "job-1041",
    "external_id": "WO-88213",
    "source": "example-account",
    "brand": None,
    "title": "Dishwasher does not drain",
    "organization": {"id": "org-7", "name": "Lakeside Appliance Repair"},
}
_EXAMPLE_LINE: Final[dict[str, Json]] = {
    "job": _EXAMPLE_NAMES,
    "status": "scheduled",
    "closure": None,
    "revision": 2,
    "appointments": [_EXAMPLE_VISIT],
    "jobversion": 4,
    "changed_at": "2026-03-02T16:20:00Z",
}
_EXAMPLE_JOB: Final[dict[str, Json]] = {**_EXAMPLE_LINE, "details": {"title": "Dishwasher does not drain"}}
_EXAMPLE_CLOSED: Final[dict[str, Json]] = {"job": _EXAMPLE_NAMES, "status": "declined", "closure": "withdrawn"}
_EXAMPLE_ACT: Final[dict[str, Json]] = {
    "id": "evt-5002",
    "type": "job.accepted.v1",
    "time": "2026-03-02T15:40:00Z",
    "jobversion": 2,
    "data": {
        "job": _EXAMPLE_NAMES,
        "changes": ["status"],
        "previous_status": "offered",
        "status": "unscheduled",
        "closure": None,
        "by": {"role": "provider", "name": "Lakeside Appliance Repair"},
        "occurred_at": "2026-03-02T15:40:00Z",
    },
}
_EXAMPLE_NOTE: Final[dict[str, Json]] = {
    "id": "note-3011",
    "revision": 1,
    "visibility": "public",
    "by": {"role": "provider", "name": "Lakeside Appliance Repair"},
    "created_at": "2026-03-02T16:00:00Z",
    "text": "The part is ordered.",
}
_EXAMPLE_RECEIPT: Final[dict[str, Json]] = {
    "record": {
        "id": "rec-8001",
        "message_id": "m-1",
        "type": "offer.submit",
        "arrived_at": "2026-03-02T15:20:00Z",
    },
    "outcome": "applied",
    "job": "job-1041",
}


def _read(
    path: str,
    name: str,
    summary: str,
    answer: Answer,
    *parameters: dict[str, Json],
    problems: Mapping[int, tuple[str, ...]],
) -> Operation:
    return Operation(
        method="GET",
        path=path,
        name=name,
        tag=_TAG,
        summary=summary,
        answers={200: answer},
        parameters=parameters,
        problems=problems,
        schemas=_SCHEMAS,
    )


def _listed(path: str, name: str, summary: str, item: str, example: Json, *filters: dict[str, Json]) -> Operation:
    parameters = (*((JOB_ID,) if "{id}" in path else ()), *filters, LIMIT, CURSOR)
    answer = Answer(
        description="A page.", schema=page_of(ref(item)), examples={"last": {"items": [example], "next": None}}
    )
    problems = _OF_A_JOB if "{id}" in path else _OF_JOBS
    return _read(path, name, summary, answer, *parameters, problems={400: ("bad_cursor", "bad_value"), **problems})


OPERATIONS: Final = (
    _listed(
        "/v1/jobs",
        "jobs.list",
        "The caller's jobs, the newest first",
        "Job",
        _EXAMPLE_LINE,
        in_query(
            "status",
            "How they stand. A canceled job stands among those that are `complete`; `canceled` is those alone.",
            {"type": "string", "enum": list(STATUSES)},
        ),
        in_query(
            "external_id",
            "The number that whoever gave the job has for it.",
            {"type": "string", "minLength": 1, "maxLength": LONGEST_ID},
        ),
        in_query("changed_since", "Decided about at this moment or since.", {"type": "string", "format": "date-time"}),
    ),
    _read(
        "/v1/jobs/{id}",
        "jobs.read",
        "A job as it stands",
        Answer(
            description="The job.",
            schema=ref("Job"),
            examples={"scheduled": _EXAMPLE_JOB, "withdrawn_offer_to_its_provider": _EXAMPLE_CLOSED},
        ),
        JOB_ID,
        problems=_OF_A_JOB,
    ),
    _read(
        "/v1/jobs/{id}/appointments",
        "jobs.appointments",
        "Its appointments, in the order in which they were made",
        Answer(
            description="All of them.",
            schema=page_of(ref("Visit")),
            examples={"one": {"items": [_EXAMPLE_VISIT], "next": None}},
        ),
        JOB_ID,
        problems=_OF_A_JOB,
    ),
    _read(
        "/v1/jobs/{id}/appointments/{appointment}",
        "jobs.appointment",
        "One of its appointments",
        Answer(description="The appointment.", schema=ref("Visit"), examples={"scheduled": _EXAMPLE_VISIT}),
        JOB_ID,
        in_path("appointment", "An appointment's id, or the caller's own of it.", "apt-2071"),
        problems=_OF_A_JOB,
    ),
    _listed("/v1/jobs/{id}/activity", "jobs.activity", "What happened to it, the newest first", "Act", _EXAMPLE_ACT),
    _listed("/v1/jobs/{id}/notes", "jobs.notes", "The notes that the caller may read", "JobNote", _EXAMPLE_NOTE),
    _listed(
        "/v1/jobs/{id}/records",
        "jobs.records",
        "What became of the records that the caller sent about it",
        "Receipt",
        _EXAMPLE_RECEIPT,
    ),
    _read(
        "/v1/records/{id}",
        "records.read",
        "What became of a record of the caller's",
        Answer(description="As it stands now.", schema=ref("Receipt"), examples={"applied": _EXAMPLE_RECEIPT}),
        in_path("id", "The record's id, from the answer to whatever sent it.", "rec-8001"),
        problems={404: ("not_found",), **_UNAVAILABLE},
    ),
)
