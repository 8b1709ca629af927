"""From a request's records to their outcomes: what the Connect address and the canonical API share."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from gateway.core.parties import Side
from gateway.core.values import replace
from gateway.inbound.doors import HTTP_ACTIONS, HTTP_BOOKINGS, HTTP_OFFERS
from gateway.inbound.gathering import NoRoomError
from gateway.inbound.record import RawRecord
from gateway.store.failures import may_pass
from gateway.store.keys import CallerKind
from gateway.web.callers import insist
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.core.parties import Json
    from gateway.inbound.entry import Entry
    from gateway.inbound.gathering import Gathering
    from gateway.store.keys import Caller

log = logging.getLogger(__name__)

_DOORS = {
    CallerKind.ACCOUNT: (HTTP_OFFERS, Side.ENTERPRISE),
    CallerKind.ORGANIZATION: (HTTP_ACTIONS, Side.PROVIDER),
    CallerKind.USER: (HTTP_ACTIONS, Side.PROVIDER),
}


def record_of(caller: Caller, value: bytes, message_id: str | None = None) -> RawRecord:
    """One record that `caller` sends now, bound to its source whatever it claims. Operators send none."""
    if caller.kind not in _DOORS:
        insist(caller, None)
    door, side = _DOORS[caller.kind]
    return RawRecord(
        door=door,
        arrived_at=datetime.now(UTC),
        headers=(("ce_id", message_id.encode()),) if message_id else (),
        value=value,
        bound_source=caller.source,
        side=side,
        user=caller.user,
        brand=caller.brand,
        scopes=caller.scopes,
    )


def encoded(told: Json) -> bytes:
    """The bytes of a record, whatever it holds: a lone surrogate or a number too large is that record's trouble."""
    try:
        return orjson.dumps(told)
    except TypeError:
        return json.dumps(told).encode()


def booking_of(caller: Caller, value: bytes) -> RawRecord:
    """The same for what a booking system of the caller's sends: it speaks for customers, not for the caller."""
    return replace(record_of(caller, value), door=HTTP_BOOKINGS, side=Side.BOOKING_PAGE)


async def take_in(gathering: Gathering, records: Sequence[RawRecord]) -> list[Entry]:
    """What became of each, once it is durable. Ends the request where that cannot be now: nothing is kept then."""
    try:
        return await gathering.submit(records)
    except NoRoomError:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "too much waits: come again") from None
    except Exception as error:
        if not may_pass(error):
            log.exception("request.failed")
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "nothing was kept: come again") from error
