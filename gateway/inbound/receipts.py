"""Receipts: whether a sender is told what became of its record, by topic or in its poll queue, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.outcomes import Applied, Parked, Quarantined, Refused, Unmapped, Why
from gateway.core.sandbox import is_test, owner_of
from gateway.core.values import replace
from gateway.core.visibility import Audience
from gateway.inbound.doors import HTTP_DOORS
from gateway.inbound.envelope import Form
from gateway.mapping.receipts import Receipt, receipt_body
from gateway.store.destinations import NewDestination

if TYPE_CHECKING:
    from gateway.core.parties import Json
    from gateway.inbound.directory import Directory
    from gateway.inbound.entry import Entry
    from gateway.store.destinations import Destination

_PROBLEMS = (Refused, Quarantined, Unmapped)


def find_receipt(entry: Entry, directory: Directory) -> tuple[Destination, dict[str, Json]] | None:
    """Where the receipt of a settled entry goes and what it says, as its sender's settings have it; None without one.

    A sender that has chosen nothing gets those of its Connect records in its poll queue, and all of them, since its
    clients expect them there; of others the problems, by topic. What is parked is not settled yet.
    """
    source, outcome = entry.source or "", entry.outcome
    if isinstance(outcome, Parked):
        return None
    account = directory.accounts.get(owner_of(source))
    queue, chosen = directory.acks.get(source), account.receipts_to if account else None
    polls = queue is not None and (chosen == "poll" or (chosen is None and _came_by_connect(entry)))
    destination = queue if polls else directory.receipts.get(source)
    wanted = (account.receipts if account else None) or ("all" if polls else "problems")
    if destination is None or wanted == "none" or (wanted == "problems" and not isinstance(outcome, _PROBLEMS)):
        return None
    made = outcome.events[0].type.value if isinstance(outcome, Applied) and outcome.events else None
    return destination, receipt_body(replace(receipt_of(entry), event=made))


def _came_by_connect(entry: Entry) -> bool:
    """In its envelope, or to its address: what could not be read at a door of HTTP was sent to no other."""
    return entry.form is Form.CONNECT or (entry.form is None and entry.raw.door in HTTP_DOORS)


def polled_receipts(source: str) -> NewDestination:
    """Where an account finds what became of its records, or test records, when it polls.

    Whoever gives it its key makes this.
    """
    return NewDestination(
        name=f"acks.{source}", kind="poll", audience=Audience.ENTERPRISE, owner=source, sandbox=is_test(source)
    )


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
