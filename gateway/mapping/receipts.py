"""The body of a receipt: what became of one record, for whoever sent it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.core.ids import Kind, canonical_id

if TYPE_CHECKING:
    from gateway.core.parties import Json, Members


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """`state` and `reason` are the stable words; `member` is the one at fault; `first` the record that this repeats.

    `about` is what the sender needs besides: what closed the offer and when, or its new terms.
    """

    record: int
    message_id: str | None
    message_type: str | None
    state: str
    reason: str | None = None
    member: str | None = None
    detail: str | None = None
    job: int | None = None
    about: Members = field(default_factory=dict)
    first: int | None = None


def receipt_body(receipt: Receipt) -> dict[str, Json]:
    """The body of a `record.settled` event."""
    body: dict[str, Json] = {
        "record": {
            "id": canonical_id(Kind.RECORD, receipt.record),
            "message_id": receipt.message_id,
            "type": receipt.message_type,
        },
        "job": canonical_id(Kind.JOB, receipt.job) if receipt.job is not None else None,
        "state": receipt.state,
        "reason": receipt.reason,
        "field": receipt.member,
        "detail": receipt.detail,
    }
    if receipt.about:
        body["about"] = dict(receipt.about)
    if receipt.first is not None:
        body["first"] = canonical_id(Kind.RECORD, receipt.first)
    return body
