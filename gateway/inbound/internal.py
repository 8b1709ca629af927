"""What the gateway asks of itself: offers that expire, and visits that lose their technician."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

from gateway.core.commands import ExpireOffer, Refs
from gateway.core.ids import Kind, canonical_id
from gateway.core.parties import Side
from gateway.inbound.entry import GATEWAY, INTERNAL_DOOR, Entry
from gateway.inbound.record import RawRecord
from gateway.inbound.translated import Translated
from gateway.store.inbox import RecordRow

if TYPE_CHECKING:
    from datetime import datetime


def expiry(number: int, job: int, now: datetime) -> Entry:
    """The clock's command for one offer. It comes from no door, so no record is kept of it; its event is."""
    reading = Translated(
        command=ExpireOffer(), refs=Refs(job=job), side=Side.GATEWAY, source=GATEWAY, digest=f"expiry-{number}"
    )
    return Entry(
        number=number,
        raw=RawRecord(door=INTERNAL_DOOR, arrived_at=now, value=None, side=Side.GATEWAY),
        received_at=now,
        reading=reading,
        source=GATEWAY,
        message_id=None,
        type="offer.expire",
        digest=reading.digest,
        is_recorded=False,
    )


def unassignment(number: int, cause: int, appointment: int, job: int, now: datetime) -> RecordRow:
    """A record of its own that takes the technician from one visit; `cause` is the record that deactivated them."""
    message_id = f"{canonical_id(Kind.RECORD, cause)}/{canonical_id(Kind.APPOINTMENT, appointment)}"
    value = orjson.dumps(
        {
            "specversion": "1.0",
            "id": message_id,
            "source": GATEWAY,
            "type": "appointment.change.v1",
            "subject": canonical_id(Kind.JOB, job),
            "data": {"appointment": canonical_id(Kind.APPOINTMENT, appointment), "technician": None},
        }
    )
    return RecordRow(
        number=number,
        door=INTERNAL_DOOR,
        partition=None,
        offset=None,
        append_time=None,
        arrived_at=now,
        received_at=now,
        source=GATEWAY,
        message_id=message_id,
        type="appointment.change",
        digest=hashlib.sha256(value).hexdigest(),
        holds_id=False,
        state="requeued",
        job=job,
        raw=value,
    )
