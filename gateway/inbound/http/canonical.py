"""The canonical API: every command as a request about a resource. Same messages as on the topics, same outcomes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import orjson
from starlette.responses import Response

from gateway.core.ids import Kind, canonical_id
from gateway.core.outcomes import Applied, Ignored, Parked, Quarantined, Refused, Unmapped, Why
from gateway.inbound.http.taking import booking_of, encoded, record_of, take_in
from gateway.inbound.receipts import receipt_of
from gateway.mapping.receipts import receipt_body
from gateway.store.keys import CallerKind
from gateway.web.bodies import read_body, read_json
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gateway.core.parties import Json
    from gateway.inbound.entry import Entry
    from gateway.inbound.gathering import Gathering
    from gateway.store.keys import Caller
    from gateway.web.callers import Callers

MOST_BYTES = 1_048_576
LONGEST_KEY = 200
BOOKING = "booking.request"


class Address(NamedTuple):
    """Where a command is sent. `{subject}` in the path is what the message is about; other names are members."""

    method: str
    path: str
    type: str


ADDRESSES = (
    Address("POST", "/v1/offers", "offer.submit"),
    Address("POST", "/v1/offers/{subject}/withdraw", "offer.withdraw"),
    Address("POST", "/v1/offers/{subject}/accept", "offer.accept"),
    Address("POST", "/v1/offers/{subject}/decline", "offer.decline"),
    Address("POST", "/v1/offers/{subject}/reminders", "reminder.send"),
    Address("POST", "/v1/bookings/{subject}", BOOKING),
    Address("POST", "/v1/jobs", "job.create"),
    Address("POST", "/v1/jobs/{subject}/complete", "job.complete"),
    Address("POST", "/v1/jobs/{subject}/cancel", "job.cancel"),
    Address("POST", "/v1/jobs/{subject}/restore", "job.restore"),
    Address("POST", "/v1/jobs/{subject}/appointments", "appointment.add"),
    Address("POST", "/v1/jobs/{subject}/notes", "note.add"),
    Address("PATCH", "/v1/appointments/{appointment}", "appointment.change"),
    Address("DELETE", "/v1/appointments/{appointment}", "appointment.delete"),
    Address("POST", "/v1/appointments/{appointment}/cancel", "appointment.cancel"),
    Address("POST", "/v1/appointments/{appointment}/on-my-way", "appointment.on_my_way"),
    Address("POST", "/v1/appointments/{appointment}/undo-on-my-way", "appointment.undo_on_my_way"),
    Address("POST", "/v1/appointments/{appointment}/start", "appointment.start"),
    Address("POST", "/v1/appointments/{appointment}/pause", "appointment.pause"),
    Address("POST", "/v1/appointments/{appointment}/complete", "appointment.complete"),
    Address("PATCH", "/v1/notes/{note}", "note.edit"),
    Address("PUT", "/v1/notes/{note}/visibility", "note.set_visibility"),
    Address("PUT", "/v1/organizations/{subject}", "organization.put"),
    Address("PUT", "/v1/users/{subject}", "user.put"),
    Address("POST", "/v1/users/{subject}/deactivate", "user.deactivate"),
    Address("POST", "/v1/users/{subject}/reactivate", "user.reactivate"),
    Address("POST", "/v1/users/{subject}/positions", "user.position"),
)

FORBIDDEN = frozenset(
    {
        Why.NOT_ALLOWED,
        Why.NOT_YOUR_BRANCH,
        Why.NOT_YOUR_NOTE,
        Why.NOT_YOUR_USER,
        Why.NOT_ASSIGNED,
        Why.ROLE_NOT_ALLOWED,
        Why.USER_DEACTIVATED,
        Why.SCOPE_MISSING,
        Why.CANCELED_BY_SOURCE,
    }
)
UNREADABLE = frozenset(
    {
        Why.MESSAGE_ID_REQUIRED,
        Why.PHOTOS_NOT_SUPPORTED,
        Why.BRAND_REQUIRED,
        Why.UNKNOWN_BRAND,
        Why.CUSTOMER_REQUIRED,
        Why.UNKNOWN_CUSTOMER,
        Why.REASON_REQUIRED,
        Why.REASON_COMPLETES,
        Why.REASON_PAUSES,
        Why.UNKNOWN_REASON,
        Why.NO_PROVIDER,
        Why.NOT_A_TECHNICIAN,
    }
)


def command(address: Address, callers: Callers, gathering: Gathering) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of one command.

    200: decided, with the receipt. 202: it waits for something, and `Location` is where to look. Otherwise a problem
    whose `code` is the reason: 422 unreadable, 403 not allowed, 404 not yours, 409 not as things stand.
    """

    async def endpoint(request: Request) -> Response:
        caller = await callers.sender(request)
        body = await read_body(request, most=MOST_BYTES)
        content = read_json(body) if body else {}
        if not isinstance(content, dict):
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "not_an_object", "a JSON object is expected")
        places = dict(request.path_params)
        subject = places.pop("subject", None)
        is_booking = address.type == BOOKING
        if is_booking:
            content = _bound_booking(caller, content)
        event = {
            "specversion": "1.0",
            "id": _message_id(request),
            "source": caller.source,
            "type": f"{address.type}.v1",
            "subject": subject,
            "data": {**content, **places},
        }
        value = encoded(event)
        record = booking_of(caller, value) if is_booking else record_of(caller, value)
        [entry] = await take_in(gathering, [record])
        return answer(entry)

    return endpoint


def _bound_booking(caller: Caller, content: dict[str, Json]) -> dict[str, Json]:
    """A booking for the caller and nobody else: an organization's own, or for a brand (whose, `receive` looks at)."""
    brand = content.get("brand")
    if caller.kind is CallerKind.USER:
        raise ProblemError(HTTPStatus.FORBIDDEN, "not_allowed", "a booking system has a key of its own")
    if caller.kind is CallerKind.ORGANIZATION:
        if brand is not None:
            raise ProblemError(HTTPStatus.FORBIDDEN, "not_allowed", "a brand's bookings are its own", member="brand")
        return {**content, "organization": {"handle": caller.name}}
    if caller.brand is not None and brand not in {None, caller.brand}:
        raise ProblemError(HTTPStatus.FORBIDDEN, "not_allowed", "the key is another brand's", member="brand")
    if brand is None and caller.brand is None:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "brand_required", member="brand")
    return {**content, "brand": brand or caller.brand}


def _message_id(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 0 < len(key) <= LONGEST_KEY:
        raise ProblemError(
            HTTPStatus.BAD_REQUEST, "id_too_long", f"1 to {LONGEST_KEY} characters", member="Idempotency-Key"
        )
    return key


def answer(entry: Entry) -> Response:
    """What became of a record, as HTTP says it."""
    outcome, body = entry.outcome, receipt_body(receipt_of(entry))
    location = f"/v1/records/{canonical_id(Kind.RECORD, entry.number)}"
    match outcome:
        case Applied() | Ignored():
            return _json(HTTPStatus.OK, body, location)
        case Parked() | Unmapped():
            return _json(HTTPStatus.ACCEPTED, body, location)
        case Refused() | Quarantined():
            raise ProblemError(
                _status_of(outcome), str(outcome.why.value), outcome.detail, member=outcome.member, more=_more(body)
            )
        case None:
            raise LookupError(f"record {entry.number} has not been decided")


def _status_of(outcome: Refused | Quarantined) -> HTTPStatus:
    if isinstance(outcome, Quarantined):
        conflict = outcome.why in {Why.MESSAGE_CONFLICT, Why.REVISION_CONFLICT}
        return HTTPStatus.CONFLICT if conflict else HTTPStatus.UNPROCESSABLE_ENTITY
    if outcome.why is Why.NOT_YOUR_JOB:
        return HTTPStatus.NOT_FOUND
    if outcome.why in FORBIDDEN:
        return HTTPStatus.FORBIDDEN
    return HTTPStatus.UNPROCESSABLE_ENTITY if outcome.why in UNREADABLE else HTTPStatus.CONFLICT


def _more(body: dict[str, Json]) -> dict[str, Json]:
    """What a problem's own members do not say."""
    return {name: body[name] for name in ("record", "outcome", "job", "about", "first") if name in body}


def _json(status: HTTPStatus, body: dict[str, Json], location: str) -> Response:
    return Response(orjson.dumps(body), status.value, {"Location": location}, "application/json")
