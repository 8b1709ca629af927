"""What became of what an operation did: counted for people, and for whoever decides whether it may go on."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, field
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, case, func, select

from gateway.core.document import stamp
from gateway.core.ids import Kind, canonical_id
from gateway.core.values import dataclass
from gateway.store.columns import from_microseconds
from gateway.store.operations import Operation, State
from gateway.store.releasing import MAY_BE_REQUEUED
from gateway.store.tables import delivery, inbound_record
from gateway.store.tables_control import operation_item

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

# Refusals that blame nobody: it is so already, there is nothing to tell, or the job has gone on meanwhile.
BLAMELESS = frozenset(
    {"wrong_state", "not_wanted", "refused_by_profile", "not_latest", "retracted", "removed_destination"}
)


class Fate(StrEnum):
    """What is known of an item by now."""

    WAITING = "waiting"
    PENDING = "pending"
    GOOD = "good"
    FAILED = "failed"
    BLAMELESS = "blameless"


class _Row(NamedTuple):
    """So many items that stand alike. `delivery` and `record` are the states of what they are about, or made."""

    verb: str
    state: str
    verdict: str | None
    delivery: str | None
    retried: bool
    record: str | None
    items: int


@dataclass(slots=True)
class Tally:
    """Items by their fate, refused ones by their word, deliveries by their state."""

    fates: Counter[Fate] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    done: int = 0

    @property
    def known(self) -> int:
        return self.fates[Fate.GOOD] + self.fates[Fate.FAILED]

    @property
    def failed(self) -> int:
        return self.fates[Fate.FAILED]


async def tally(connection: AsyncConnection, number: int, *, above: int = 0, up_to: int | None = None) -> Tally:
    """Counts the items of an operation by what became of them, those with ordinals above `above` and up to `up_to`."""
    item = operation_item.c
    on_deliveries = and_(item.state == "done", item.verb.in_(["reopen", "skip"]))
    about = case((item.made.is_not(None), item.made), (on_deliveries, item.subject))
    columns = (item.verb, item.state, item.verdict, delivery.c.state, (delivery.c.retries > 0).label("retried"))
    query = (
        select(*columns, inbound_record.c.state, func.count())
        .select_from(operation_item)
        .outerjoin(delivery, delivery.c.number == about)
        .outerjoin(inbound_record, and_(item.verb == "requeue", inbound_record.c.number == item.subject))
        .where(item.operation == number, item.ordinal > above)
        .group_by(*columns, inbound_record.c.state)
    )
    if up_to is not None:
        query = query.where(item.ordinal <= up_to)
    counted = Tally()
    for row in map(_Row._make, (await connection.execute(query)).all()):
        counted.fates[_fate(row)] += row.items
        if row.state == "refused":
            counted.refused[str(row.verdict)] += row.items
        elif row.state == "done":
            counted.done += row.items
            if row.delivery is not None or row.record is not None:
                counted.states[str(row.delivery or row.record)] += row.items
    return counted


def _fate(row: _Row) -> Fate:
    if row.state == "waiting":
        return Fate.WAITING
    if row.state == "refused":
        return Fate.BLAMELESS if row.verdict in BLAMELESS else Fate.FAILED
    if row.verb == "requeue":
        if row.record == "requeued":
            return Fate.PENDING
        return Fate.FAILED if row.record in MAY_BE_REQUEUED else Fate.GOOD
    if row.delivery == "dead" or row.retried:
        return Fate.FAILED
    # What waits for a mapping has been looked at, and waits for nobody of the partner's.
    return Fate.PENDING if row.delivery == "pending" else Fate.GOOD


def members_of(found: Operation) -> dict[str, Any]:
    """An operation as people read it, with what was seen when it was frozen."""
    return {
        "id": canonical_id(Kind.OPERATION, found.number),
        "kind": found.kind,
        "state": found.state.value,
        "state_reason": found.state_reason,
        "author": found.author,
        "reason": found.reason,
        "terms": asdict(found.terms),
        "made": found.made,
        "created_at": stamp(found.created_at.astimezone(UTC)),
        "state_at": stamp(found.state_at.astimezone(UTC)),
        "preview": found.preview,
    }


async def report_of(connection: AsyncConnection, found: Operation, now: datetime) -> dict[str, Any]:
    """How an operation has fared: items done and refused, their deliveries by state, how long it took and how fast."""
    counted = await tally(connection, found.number)
    refused = counted.refused.total()
    report: dict[str, Any] = {
        "items": counted.done + refused + counted.fates[Fate.WAITING],
        "waiting": counted.fates[Fate.WAITING],
        "done": counted.done,
        "refused": dict(sorted(counted.refused.items())),
        "deliveries": dict(sorted(counted.states.items())),
        "failed": counted.failed,
    }
    if found.progress.started_at is None:
        return {**report, "started_at": None, "seconds": None, "rate": None}
    begun = from_microseconds(found.progress.started_at)
    ended = found.state_at if found.state in {State.DONE, State.CANCELED} else now
    seconds = (ended - begun).total_seconds()
    rate = round((counted.done + refused) / seconds, 1) if seconds > 0 else None
    return {**report, "started_at": stamp(begun), "seconds": round(seconds, 3), "rate": rate}
