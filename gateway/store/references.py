"""Senders' own ids: what each stands for, who waits for it.

Whoever creates and whoever parks locks the reference's row first, so that no wake-up is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from gateway.core.ids import Kind, Ref
from gateway.core.values import dataclass
from gateway.store.bulk import insert_missing, upsert
from gateway.store.dialect import any_of, for_update, in_byte_order
from gateway.store.tables import reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Target:
    """What a reference stands for. `number` is None while nobody has created it; `job` is set for parts of a job."""

    number: int | None
    job: int | None = None
    waiting: bool = False


async def find_targets(connection: AsyncConnection, refs: Iterable[Ref]) -> dict[Ref, Target]:
    """What is known of these references, without a lock: a number once set stays, but for a job offered anew."""
    return await _read(connection, set(refs), lock=False)


async def lock_targets(connection: AsyncConnection, refs: Iterable[Ref]) -> dict[Ref, Target]:
    """The same, with a row made for each and locked, in sorted order."""
    wanted = sorted(set(refs), key=_lock_order)
    if not wanted:
        return {}
    rows = [{"source": ref.source, "kind": ref.kind.value, "external_id": ref.external_id} for ref in wanted]
    await insert_missing(connection, reference, [{**row, "waiting": False} for row in rows])
    return await _read(connection, set(wanted), lock=True)


async def _read(connection: AsyncConnection, wanted: set[Ref], *, lock: bool) -> dict[Ref, Target]:
    if not wanted:
        return {}
    # By the id alone, which leads the key: other sources' rows of the same id are few and dropped here.
    query = (
        select(reference)
        .where(any_of(connection, reference.c.external_id, sorted({ref.external_id for ref in wanted})))
        .order_by(*(in_byte_order(connection, column) for column in reference.primary_key.columns))
    )
    found = {}
    for row in await connection.execute(for_update(connection, query) if lock else query):
        ref = Ref(Kind(row.kind), row.source, row.external_id)
        if ref in wanted:
            found[ref] = Target(row.number, row.job, row.waiting)
    return found


async def save_targets(connection: AsyncConnection, targets: Mapping[Ref, Target]) -> None:
    """Writes what references stand for now. Their rows are locked by the caller, or its own."""
    rows = [
        {
            "source": ref.source,
            "kind": ref.kind.value,
            "external_id": ref.external_id,
            "number": target.number,
            "job": target.job,
            "waiting": target.waiting,
        }
        for ref, target in sorted(targets.items(), key=lambda item: _lock_order(item[0]))
    ]
    await upsert(connection, reference, rows)


def _lock_order(ref: Ref) -> tuple[str, str, str]:
    """The primary key's order, byte by byte: the same here and in the database whatever its collation."""
    return (ref.external_id, ref.source, ref.kind.value)
