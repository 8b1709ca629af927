"""Receipts: whether a sender is told by topic what became of its record, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.outcomes import Parked, Quarantined, Refused, Unmapped, Why
from gateway.mapping.receipts import Receipt, receipt_body

if TYPE_CHECKING:
    from gateway.core.parties import Json
    from gateway.inbound.directory import Directory
    from gateway.inbound.entry import Entry
    from gateway.store.destinations import Destination

_PROBLEMS = (Refused, Quarantined, Unmapped)


def find_receipt(entry: Entry, directory: Directory) -> tuple[Destination, dict[str, Json]] | None:
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
    return destination, receipt_body(receipt_of(entry))


def receipt_of(entry: Entry) -> Receipt:
    """What became of a settled entry. A job that is not its sender's is not named."""
    outcome = entry.outcome
    at_fault = outcome if isinstance(outcome, Refused | Quarantined) else None
    is_anothers = isinstance(outcome, Refused) and outcome.why is Why.NOT_YOUR_JOB
    return Receipt(
        record=entry.number,
        message_id=entry.message_id,
        message_type=entry.type,
        arrived_at=entry.raw.arrival,
        outcome=entry.state,
        reason=entry.reason,
        member=at_fault.member if at_fault else None,
        detail=(at_fault.detail or None) if at_fault else None,
        job=None if is_anothers else entry.job,
        about=outcome.about if isinstance(outcome, Refused) else {},
        first=entry.first,
    )
