"""Writes sets of rows: one statement and one parameter each, whatever their number.

Rows are written in the order given; whoever locks by writing sorts them by key first.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import LargeBinary, insert, select, true

from gateway.store.dialect import insert_into, is_sqlite
from gateway.store.given import encode_rows, given

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Executable, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.codec import Row


async def insert_rows(connection: AsyncConnection, into: Table, rows: Sequence[Row]) -> None:
    """Inserts rows that are not there; bytes among their values are fine."""
    if not rows:
        return
    binary = [column.name for column in into.columns if isinstance(column.type, LargeBinary)]
    if binary and is_sqlite(connection):
        # Bytes do not travel in JSON, and this SQLite cannot decode them.
        await connection.execute(insert(into), list(rows))
        return
    for row in rows if binary else ():
        for name in binary:
            row[name] = None if row[name] is None else f"\\x{row[name].hex()}"
    await connection.execute(_insert(connection.dialect.name, into, tuple(rows[0])), encode_rows(connection, rows))


async def insert_missing(connection: AsyncConnection, into: Table, rows: Sequence[Row]) -> None:
    """Inserts the rows whose key is not there yet."""
    if rows:
        statement = _insert(connection.dialect.name, into, tuple(rows[0]), on_conflict="nothing")
        await connection.execute(statement, encode_rows(connection, rows))


async def upsert(connection: AsyncConnection, into: Table, rows: Sequence[Row], kept: Collection[str] = ()) -> None:
    """Inserts rows, or replaces the columns named in them but the key and those `kept`."""
    if rows:
        statement = _insert(connection.dialect.name, into, tuple(rows[0]), on_conflict="update", kept=tuple(kept))
        await connection.execute(statement, encode_rows(connection, rows))


@cache
def _insert(
    dialect: str, into: Table, names: tuple[str, ...], *, on_conflict: str = "fail", kept: tuple[str, ...] = ()
) -> Executable:
    rows = given(dialect, **{name: into.c[name].type for name in names})
    # SQLite needs the WHERE to tell ON CONFLICT from a join's ON.
    listed = select(*(rows.c[name] for name in names)).where(true())
    filled = insert_into(dialect, into).from_select(list(names), listed, include_defaults=False)
    if on_conflict == "nothing":
        return filled.on_conflict_do_nothing()
    if on_conflict == "update":
        keys = [key.name for key in into.primary_key.columns]
        changed = {name: filled.excluded[name] for name in names if name not in keys and name not in kept}
        return filled.on_conflict_do_update(index_elements=keys, set_=changed)
    return filled
