"""What waits for a brand's profile to map it, counted by what it waits for: only reads, in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import String, cast, distinct, func, literal, null, select, union_all

from gateway.core.values import dataclass
from gateway.core.waits import WaitKind
from gateway.store.checkup import Waiting
from gateway.store.tables import delivery, destination, event, inbound_record

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select, Subquery
    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldValue:
    """What the profile of `brand` does not map, since when that is missed, and who waits: by their names."""

    brand: str
    kind: WaitKind
    value: str
    deliveries: int
    records: int
    jobs: int
    since: datetime
    destinations: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldJob:
    """A job that waits for it."""

    brand: str
    kind: WaitKind
    value: str
    job: int
    deliveries: int
    records: int
    since: datetime


async def list_held(connection: AsyncConnection, *, brand: str | None = None, limit: int = 100) -> list[HeldValue]:
    """What has been missed longest comes first. Two statements."""
    waiting = _waiting(brand)
    counted = _counted(waiting).add_columns(func.count(distinct(waiting.c.job)).label("jobs")).limit(limit)
    rows = (await connection.execute(counted)).mappings().all()
    names = select(waiting.c.brand, waiting.c.kind, waiting.c.value, waiting.c.destination, waiting.c.sender)
    told = (await connection.execute(names.distinct())).all()
    destinations = _by_value((tuple(key), name) for *key, name, _ in told)
    senders = _by_value((tuple(key), name) for *key, _, name in told)
    found = []
    for row in rows:
        key = row["brand"], row["kind"], row["value"]
        members = {**row, "kind": WaitKind(row["kind"]), "destinations": destinations.get(key, ())}
        found.append(HeldValue(**members, senders=senders.get(key, ())))
    return found


async def list_held_jobs(connection: AsyncConnection, *, brand: str | None = None, limit: int = 100) -> list[HeldJob]:
    """The jobs that wait, each once for everything that it waits for; what has waited longest comes first."""
    waiting = _waiting(brand)
    rows = (await connection.execute(_counted(waiting, waiting.c.job).limit(limit))).mappings()
    return [HeldJob(**{**row, "kind": WaitKind(row["kind"])}) for row in rows]


async def count_held_values(connection: AsyncConnection) -> list[Waiting]:
    """By brand, how many values something waits for, and since when the oldest is missed."""
    values = _counted(_waiting()).order_by(None).subquery("missed")
    query = select(values.c.brand, func.count(), func.min(values.c.since)).group_by(values.c.brand)
    return [Waiting(*row) for row in await connection.execute(query.order_by(values.c.brand))]


def _waiting(brand: str | None = None) -> Subquery:
    """One row for each delivery and each record; a record waits for a complete reason."""
    nobody, record = cast(null(), String(249)), inbound_record.c
    deliveries = (
        select(
            event.c.brand,
            delivery.c.waits_kind.label("kind"),
            delivery.c.waits_text.label("value"),
            event.c.job,
            delivery.c.created_at.label("since"),
            literal(1).label("deliveries"),
            literal(0).label("records"),
            destination.c.name.label("destination"),
            nobody.label("sender"),
        )
        .join(event, event.c.number == delivery.c.event)
        .join(destination, destination.c.number == delivery.c.destination)
        .where(delivery.c.state == "held", delivery.c.waits_kind.is_not(None))
    )
    records = select(
        record.brand,
        literal(WaitKind.COMPLETE.value),
        record.waits_text,
        record.job,
        record.received_at,
        literal(0),
        literal(1),
        nobody,
        record.source,
    ).where(record.state == "unmapped", record.brand.is_not(None), record.waits_text.is_not(None))
    if brand is not None:
        deliveries, records = deliveries.where(event.c.brand == brand), records.where(record.brand == brand)
    return union_all(deliveries, records).subquery("waiting")


def _counted(waiting: Subquery, *by: ColumnElement[Any]) -> Select[Any]:
    key = (waiting.c.brand, waiting.c.kind, waiting.c.value, *by)
    oldest = func.min(waiting.c.since)
    counts = (func.sum(waiting.c[name]).label(name) for name in ("deliveries", "records"))
    return select(*key, *counts, oldest.label("since")).group_by(*key).order_by(oldest, *key)


def _by_value(named: Iterable[tuple[tuple[Any, ...], str | None]]) -> dict[tuple[Any, ...], tuple[str, ...]]:
    found: dict[tuple[Any, ...], set[str]] = {}
    for key, name in named:
        if name is not None:
            found.setdefault(key, set()).add(name)
    return {key: tuple(sorted(names)) for key, names in found.items()}
