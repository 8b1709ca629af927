"""Receipts: whether a sender is told by topic what became of its record, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.document import stamp
from gateway.core.ids import Kind, canonical_id
from gateway.core.outcomes import Applied, Parked, Quarantined, Refused, Unmapped, Why

if TYPE_CHECKING:
    from gateway.inbound.directory import Directory
    from gateway.inbound.entry import Entry
    from gateway.store.destinations import Destination

_PROBLEMS = (Refused, Quarantined, Unmapped)


def find_receipt(entry: Entry, directory: Directory) -> tuple[Destination, dict[str, object]] | None:
    """Where the receipt of a settled entry goes and what it says, as its sender's settings have it; None without one.

    What is parked is not settled yet.
    """
    source = entry.source
    destination = directory.receipts.get(source) if source else None
    if destination is None or isinstance(entry.outcome, Parked):
        return None
    account = directory.accounts.get(source or "")
    wanted = account.receipts if account else "problems"
    if wanted == "none" or (wanted == "problems" and not isinstance(entry.outcome, _PROBLEMS)):
        return None
    return destination, _body(entry)


def _body(entry: Entry) -> dict[str, object]:
    outcome = entry.outcome
    body: dict[str, object] = {
        "record": {
            "id": canonical_id(Kind.RECORD, entry.number),
            "message_id": entry.message_id,
            "type": entry.type,
            "arrived_at": stamp(entry.raw.arrival),
        },
        "outcome": entry.state,
    }
    if entry.job is not None and not (isinstance(outcome, Refused) and outcome.why is Why.NOT_YOUR_JOB):
        body["job"] = canonical_id(Kind.JOB, entry.job)
    if outcome is not None and not isinstance(outcome, Applied):
        body["reason"] = outcome.why.value
    if isinstance(outcome, Refused | Quarantined):
        body |= {"field": outcome.member, "detail": outcome.detail}
    if isinstance(outcome, Refused) and outcome.about:
        body["about"] = dict(outcome.about)
    if entry.first is not None:
        body["first"] = canonical_id(Kind.RECORD, entry.first)
    return body
