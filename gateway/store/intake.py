"""The counts of the doors, taken independently of the rows: with them conservation can fail, and so be proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from gateway.core.values import dataclass
from gateway.store.dialect import any_of, for_update
from gateway.store.tables import intake

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.bulk import Writes

FOLD_AT_ONCE = 5_000
NO_PARTITION = -1


@dataclass(frozen=True, slots=True)
class Intake:
    """How many records one door (and partition) gave in a batch, and over which offsets.

    `caught_up_to` is when the last of them arrived.
    """

    door: str
    partition: int
    count: int
    first_offset: int | None = None
    last_offset: int | None = None
    caught_up_to: datetime | None = None


def count_in(writes: Writes, counted: Iterable[Intake], now: datetime) -> None:
    """Counts what was taken in, in the transaction that takes it in."""
    rows = [
        {
            "door": one.door,
            "partition": one.partition,
            "count": one.count,
            "first_offset": one.first_offset,
            "last_offset": one.last_offset,
            "taken_at": now,
        }
        for one in counted
        if one.count
    ]
    writes.insert(intake, rows)


async def fold(connection: AsyncConnection, before: datetime) -> int:
    """Adds up counts taken before `before`: adjoining runs of one partition become one; returns rows saved.

    A gap between runs stays visible as two rows, since it is a record that was never taken in.
    """
    query = select(intake).where(intake.c.taken_at < before)
    query = query.order_by(intake.c.door, intake.c.partition, intake.c.first_offset, intake.c.number).limit(
        FOLD_AT_ONCE
    )
    rows = (await connection.execute(for_update(connection.dialect.name, query, skip_locked=True))).all()
    runs: list[list[Row[tuple[object, ...]]]] = []
    for row in rows:
        if runs and _adjoins(runs[-1][-1], row):
            runs[-1].append(row)
        else:
            runs.append([row])
    long = [run for run in runs if len(run) > 1]
    if not long:
        return 0
    await connection.execute(
        delete(intake).where(any_of(connection, intake.c.number, [row.number for run in long for row in run]))
    )
    await connection.execute(
        insert(intake),
        [
            {
                "door": run[0].door,
                "partition": run[0].partition,
                "count": sum(row.count for row in run),
                "first_offset": run[0].first_offset,
                "last_offset": run[-1].last_offset,
                "taken_at": run[-1].taken_at,
            }
            for run in long
        ],
    )
    return sum(len(run) - 1 for run in long)


def _adjoins(one: Row[tuple[object, ...]], other: Row[tuple[object, ...]]) -> bool:
    if (one.door, one.partition) != (other.door, other.partition):
        return False
    if one.last_offset is None or other.first_offset is None:
        return one.last_offset is None and other.first_offset is None
    return bool(one.last_offset + 1 == other.first_offset)
