"""The body of a receipt: what became of one record, for whoever sent it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from gateway.core.document import stamp
from gateway.core.ids import Kind, canonical_id
from gateway.core.values import dataclass

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.core.parties import Json, Members


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """`outcome` is the record's state; it and `reason` are stable words.

    `message_type` is the kind of message without its version, as `event` is.

    `member` is the one at fault, `first` the record that this one repeats, `event` the type of the one that it made.

    `about` is what the sender needs besides: what closed the offer and when, or its new terms.
    """

    record: int
    message_id: str | None
    message_type: str | None
    arrived_at: datetime
    outcome: str
    reason: str | None = None
    member: str | None = None
    detail: str | None = None
    job: int | None = None
    about: Members = field(default_factory=dict)
    first: int | None = None
    event: str | None = None


def receipt_body(receipt: Receipt) -> dict[str, Json]:
    """The body of a `record.settled` event."""
    body: dict[str, Json] = {
        "record": {
            "id": canonical_id(Kind.RECORD, receipt.record),
            "message_id": receipt.message_id,
            "type": receipt.message_type,
            "arrived_at": stamp(receipt.arrived_at),
        },
        "outcome": receipt.outcome,
    }
    known = {"event": receipt.event, "reason": receipt.reason, "field": receipt.member, "detail": receipt.detail}
    body.update({name: member for name, member in known.items() if member is not None})
    if receipt.job is not None:
        body["job"] = canonical_id(Kind.JOB, receipt.job)
    if receipt.about:
        body["about"] = dict(receipt.about)
    if receipt.first is not None:
        body["first"] = canonical_id(Kind.RECORD, receipt.first)
    return body


def example_receipts(at: datetime) -> dict[str, Receipt]:
    """One of each kind of outcome that a sender has to understand."""
    offer, accept = "offer.submit", "offer.accept"
    return {
        "applied": Receipt(
            record=8001,
            message_id="m-1",
            message_type=offer,
            arrived_at=at,
            outcome="applied",
            event="job.offered",
            job=1041,
        ),
        "repeat": Receipt(
            record=8002,
            message_id="m-1",
            message_type=offer,
            arrived_at=at,
            outcome="ignored",
            reason="repeat",
            first=8001,
        ),
        "refused": Receipt(
            record=8003,
            message_id="m-2",
            message_type=accept,
            arrived_at=at,
            outcome="refused",
            reason="offer_closed",
            detail="the answer arrived after accept_by",
            job=1041,
            about={"closed_by": "expired", "closed_at": stamp(at)},
        ),
        "quarantined": Receipt(
            record=8004,
            message_id=None,
            message_type=None,
            arrived_at=at,
            outcome="quarantined",
            reason="not_json",
            member="data",
        ),
    }
