"""Senders' own ids: what each stands for, who waits for it.

No wake-up is lost: whoever creates and whoever parks holds the reference's row. One that is there is locked before it
is decided upon; one that is not is inserted, and of two who insert it the later begins its transaction anew.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gateway.core.ids import Kind, Ref
from gateway.core.values import dataclass
from gateway.store.dialect import for_update, in_byte_order, key_set, one_of
from gateway.store.prepared import fetch
from gateway.store.tables import reference

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.bulk import Writes


@dataclass(frozen=True, slots=True)
class Target:
    """What a reference stands for. `number` is None while nobody has created it; `job` is set for parts of a job."""

    number: int | None
    job: int | None = None
    waiting: bool = False


async def find_targets(connection: AsyncConnection, refs: Iterable[Ref]) -> dict[Ref, Target]:
    """What is known of these references. A number once set stays, but for a job offered anew.

    Rows of those that nobody has created yet, or that somebody waits for, are locked, in sorted order.
    """
    wanted = set(refs)
    found = await _read(connection, wanted, lock=False)
    waited_for = {ref for ref, target in found.items() if target.number is None or target.waiting}
    return found | await _read(connection, waited_for, lock=True)


async def find_numbers(connection: AsyncConnection, refs: Iterable[Ref]) -> dict[Ref, int]:
    """What those of these references stand for that stand for something; without a lock."""
    found = await _read(connection, set(refs), lock=False)
    return {ref: target.number for ref, target in found.items() if target.number is not None}


async def _read(connection: AsyncConnection, wanted: set[Ref], *, lock: bool) -> dict[Ref, Target]:
    if not wanted:
        return {}
    ids = key_set(connection, sorted({ref.external_id for ref in wanted}))
    found = {}
    for row in await fetch(connection, _by_external_id(connection.dialect.name, lock=lock), {"ids": ids}):
        ref = Ref(Kind(row.kind), row.source, row.external_id)
        if ref in wanted:
            found[ref] = Target(row.number, row.job, row.waiting)
    return found


@cache
def _by_external_id(dialect: str, *, lock: bool) -> Select[Any]:
    """By the id alone, which leads the key: other sources' rows of the same id are few, and dropped by the reader."""
    query = select(reference).where(one_of(dialect, reference.c.external_id, "ids"))
    if not lock:
        return query
    ordered = query.order_by(*(in_byte_order(dialect, column) for column in reference.primary_key.columns))
    return for_update(dialect, ordered)


def save_targets(writes: Writes, targets: Mapping[Ref, Target], absent: Container[Ref]) -> None:
    """Writes what references stand for now. Rows of `absent` were not there when the caller looked.

    The database refuses a row that somebody else has made meanwhile; any other row is locked by the caller, or its own.
    """
    rows: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for ref, target in sorted(targets.items(), key=lambda item: _lock_order(item[0])):
        rows[ref in absent].append(
            {
                "external_id": ref.external_id,
                "source": ref.source,
                "kind": ref.kind,
                "number": target.number,
                "job": target.job,
                "waiting": target.waiting,
            }
        )
    writes.insert(reference, rows[True])
    writes.upsert(reference, rows[False])


def _lock_order(ref: Ref) -> tuple[str, str, str]:
    """The primary key's order, byte by byte: the same here and in the database whatever its collation."""
    return (ref.external_id, ref.source, ref.kind.value)
