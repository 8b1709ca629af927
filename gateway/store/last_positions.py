"""How far positions have been given: whoever gives some holds the row, so that none is visible before a lower one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Executable, select, true

from gateway.store.dialect import any_of, insert_into
from gateway.store.given import encode_rows, given
from gateway.store.tables_control import last_position

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection


async def advance(connection: AsyncConnection, kind: str, counts: Mapping[int, int]) -> dict[int, int]:
    """Gives each owner as many positions as counted; returns the last ones. Locked, in order, until the commit."""
    rows = [{"kind": kind, "owner": owner, "position": count} for owner, count in sorted(counts.items())]
    advanced = await connection.execute(_advance(connection.dialect.name), encode_rows(connection, rows))
    return dict(map(tuple, advanced.all()))


async def load_last(connection: AsyncConnection, kind: str, owners: Collection[int]) -> dict[int, int]:
    """The last position given to each; 0 where none was. All up to there are visible from now on."""
    mine = (last_position.c.kind == kind, any_of(connection, last_position.c.owner, sorted(owners)))
    rows = await connection.execute(select(last_position.c.owner, last_position.c.position).where(*mine))
    return dict.fromkeys(owners, 0) | dict(map(tuple, rows.all()))


@cache
def _advance(dialect: str) -> Executable:
    names = ["kind", "owner", "position"]
    rows = given(dialect, **{name: last_position.c[name].type for name in names})
    # SQLite needs the WHERE to tell ON CONFLICT from a join's ON.
    counted = select(*(rows.c[name] for name in names)).where(true()).order_by(rows.c.kind, rows.c.owner)
    added = insert_into(dialect, last_position).from_select(names, counted)
    further = added.on_conflict_do_update(
        index_elements=[last_position.c.kind, last_position.c.owner],
        set_={"position": last_position.c.position + added.excluded.position},
    )
    return further.returning(last_position.c.owner, last_position.c.position)
