"""What an operation would do, told before: how much, whose, where to, and which jobs would go back in time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import false, func, null, select

from gateway.core.ids import Kind, canonical_id
from gateway.store.tables import delivery, destination, event, inbound_record, job
from gateway.store.tables_control import operation_item

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

# So many jobs are named; all are counted.
NAMED = 20
# Kinds that tell jobs whole because that is what they are for, in place of nothing old.
_WHOLE = frozenset({"reconcile", "backfill"})


async def preview_of(connection: AsyncConnection, number: int, kind: str) -> dict[str, Any]:
    """Counts the items of an operation of `kind` by brand, by destination and by verb; no brand is ""."""
    brands: Counter[str] = Counter()
    destinations: Counter[str] = Counter()
    verbs: Counter[str] = Counter()
    for query in (_of_deliveries(number), _of_snapshots(number), _of_records(number)):
        for verb, brand, name, count in (await connection.execute(query)).all():
            verbs[verb] += count
            brands[brand or ""] += count
            if name is not None:
                destinations[name] += count
    item = operation_item.c
    whole = select(item.subject).where(item.operation == number, item.verb == "snapshot").distinct()
    if kind in _WHOLE:
        whole = whole.where(false())
    jobs = (await connection.execute(select(func.count()).select_from(whole.subquery()))).scalar_one()
    first = (await connection.execute(whole.order_by(item.subject).limit(NAMED))).scalars()
    return {
        "items": sum(verbs.values()),
        "verbs": dict(sorted(verbs.items())),
        "brands": dict(sorted(brands.items())),
        "destinations": dict(sorted(destinations.items())),
        # Told whole instead, as they stand now: an old happening is not shown as the present.
        "back_in_time": {"jobs": jobs, "first": [canonical_id(Kind.JOB, one) for one in first]},
    }


def _of_deliveries(number: int) -> Select[Any]:
    item = operation_item.c
    query = _counted(event.c.brand, destination.c.name).join(delivery, delivery.c.number == item.subject)
    query = query.join(event, event.c.number == delivery.c.event)
    query = query.join(destination, destination.c.number == delivery.c.destination)
    return query.where(item.operation == number, item.verb.in_(["reopen", "redeliver", "redeliver_by_active", "skip"]))


def _of_snapshots(number: int) -> Select[Any]:
    item = operation_item.c
    query = _counted(job.c.brand, destination.c.name).outerjoin(job, job.c.number == item.subject)
    query = query.outerjoin(destination, destination.c.number == item.destination)
    return query.where(item.operation == number, item.verb == "snapshot")


def _of_records(number: int) -> Select[Any]:
    item = operation_item.c
    query = select(item.verb, inbound_record.c.brand, null(), func.count())
    query = query.select_from(operation_item).outerjoin(inbound_record, inbound_record.c.number == item.subject)
    return query.where(item.operation == number, item.verb == "requeue").group_by(item.verb, inbound_record.c.brand)


def _counted(brand: ColumnElement[Any], name: ColumnElement[Any]) -> Select[Any]:
    verb = operation_item.c.verb
    return select(verb, brand, name, func.count()).select_from(operation_item).group_by(verb, brand, name)
