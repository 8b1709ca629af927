"""What the commands of the canonical API are to their callers; their contents are the messages of `contracts/`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.core.outcomes import Why
from gateway.core.parties import Side
from gateway.inbound.catalogue import CATALOGUE
from gateway.inbound.http.canonical import ADDRESSES, FORBIDDEN, LONGEST_KEY, UNREADABLE, Address
from gateway.inbound.unreadable import Unreadable
from gateway.web.described import Answer, Body, Operation, in_header, in_path, ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.core.parties import Json

# Words that no request is answered with: what is no refusal, and what only time or an operator brings about.
_NEVER: Final = {
    *(Why.REPEAT, Why.STALE, Why.REGRESSION, Why.NO_CHANGE, Why.UNKNOWN_REFERENCE, Why.JOB_HELD, Why.UNMAPPED_REASON),
    Why.REFERENCE_TIMEOUT,
}
_AT_FAULT: Final = {Why.BUG, Why.DATABASE_REFUSED}
_NOT_NOW: Final = set(Why) - _NEVER - _AT_FAULT - FORBIDDEN - UNREADABLE - {Why.NOT_YOUR_JOB}
_PROBLEMS: Final[Mapping[int, tuple[str, ...]]] = {
    400: ("id_too_long", "not_json", "too_deep"),
    403: tuple(FORBIDDEN),
    404: (Why.NOT_YOUR_JOB, "not_found"),
    408: ("too_slow",),
    409: tuple(_NOT_NOW),
    413: ("too_large",),
    422: (*UNREADABLE, *_AT_FAULT, *Unreadable),
    503: ("overloaded", "unavailable"),
}
_KEY: Final = in_header(
    "Idempotency-Key",
    "The message's id: the same one again, with the same content, is a repeat and changes nothing.",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
)
_LOCATION: Final = {"Location": "Where to read later what became of it."}
_TAGS: Final = {
    "offers": "Offers",
    "bookings": "Bookings",
    "jobs": "Jobs",
    "appointments": "Appointments",
    "notes": "Notes",
}
_NAMED: Final = {
    "jobs": ("A job's id, or the caller's own number of it.", "job-1041"),
    "bookings": ("The booking system's own number of the booking.", "B-1017"),
    "offers": ("A job's id, or the caller's own number of it.", "job-1041"),
    "appointments": ("An appointment's id, or the caller's own of it.", "apt-2071"),
    "notes": ("A note's id, or the caller's own of it.", "note-3011"),
    "organizations": ("An organization's id, or the caller's own of it.", "lakeside-appliance"),
    "users": ("A user's id, or the caller's own of it.", "usr-19"),
}


def _receipt(kind: str, outcome: str, **more: Json) -> dict[str, Json]:
    record: dict[str, Json] = {
        "id": "rec-8001",
        "message_id": "m-1",
        "type": kind,
        "arrived_at": "2026-03-02T15:20:00Z",
    }
    return {"record": record, "outcome": outcome, **more}


def _described(address: Address) -> Operation:
    resource = address.path.split("/")[2]
    message = CATALOGUE[address.type]
    members = tuple(re.findall(r"{(\w+)}", address.path))
    is_named = "subject" in members
    said, example = _NAMED[resource]
    # Of what makes a job by a number of its sender's, the number stands in the content.
    subject = message.member if is_named else None
    decided = Answer(
        description="Decided: applied, or ignored as a repeat or as stale.",
        schema=ref("Receipt"),
        examples={
            "applied": _receipt(address.type, "applied"),
            "repeat": _receipt(address.type, "ignored", reason="repeat", first="rec-7990"),
        },
        headers=_LOCATION,
    )
    waits = Answer(
        description="It waits: for what it refers to (parked), or for the brand's profile (unmapped).",
        schema=ref("Receipt"),
        examples={"parked": _receipt(address.type, "parked", reason="unknown_reference")},
        headers=_LOCATION,
    )
    needs_id = " It needs an `Idempotency-Key`." if message.needs_id else ""
    sides = " · ".join(sorted(side.value for side in message.sides & {Side.ENTERPRISE, Side.PROVIDER}))
    return Operation(
        method=address.method,
        path=address.path.replace("{subject}", "{id}"),
        name=address.type,
        tag=_TAGS.get(resource, "Organizations and their people"),
        summary=address.type,
        description=f"The message `{address.type}.v1`, from: {sides or 'a booking system of theirs'}.{needs_id}",
        parameters=(*(in_path("id" if name == "subject" else name, said, example) for name in members), _KEY),
        body=Body(message=address.type, in_path=tuple(name for name in members if name != "subject"), subject=subject),
        answers={200: decided, 202: waits},
        problems=_PROBLEMS,
    )


OPERATIONS: Final = tuple(map(_described, ADDRESSES))
