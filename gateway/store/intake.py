"""The counts of the doors, taken independently of the rows: with them conservation can fail, and so be proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from gateway.store.dialect import any_of, for_update
from gateway.store.tables import intake

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

FOLD_AT_ONCE = 5_000


async def fold(connection: AsyncConnection, before: datetime) -> int:
    """Adds up counts taken before `before`: adjoining runs of one partition become one; returns rows saved.

    A gap between runs stays visible as two rows, since it is a record that was never taken in.
    """
    query = select(intake).where(intake.c.taken_at < before)
    query = query.order_by(intake.c.door, intake.c.partition, intake.c.first_offset, intake.c.number).limit(
        FOLD_AT_ONCE
    )
    rows = (await connection.execute(for_update(connection, query, skip_locked=True))).all()
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
