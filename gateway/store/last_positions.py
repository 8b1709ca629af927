"""How far positions have been given: whoever gives some holds the row, so that none is visible before a lower one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Executable, select, true

from gateway.store.dialect import insert_into
from gateway.store.given import encode_rows, given
from gateway.store.tables_control import last_position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncConnection


async def advance(connection: AsyncConnection, kind: str, counts: Mapping[int, int]) -> dict[int, int]:
    """Gives each owner as many positions as counted; returns the last ones. Locked, in order, until the commit."""
    rows = [{"kind": kind, "owner": owner, "position": count} for owner, count in sorted(counts.items())]
    advanced = await connection.execute(_advance(connection.dialect.name), encode_rows(connection, rows))
    return dict(map(tuple, advanced.all()))


async def find_last(connection: AsyncConnection, kind: str, owner: int) -> int | None:
    """The last position given, if any was. Whoever reads after this sees all up to there."""
    mine = (last_position.c.kind == kind, last_position.c.owner == owner)
    return (await connection.execute(select(last_position.c.position).where(*mine))).scalar_one_or_none()


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
