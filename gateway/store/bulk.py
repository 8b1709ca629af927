"""Writes sets of rows: one statement and one parameter each, whatever their number.

Rows are written in the order given; whoever locks by writing sorts them by key first.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, bindparam, func, insert, select, true

from gateway.store.dialect import insert_into, is_sqlite
from gateway.store.given import encode_rows, given
from gateway.store.prepared import run_together

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Executable, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.codec import Row

_NOTIFY = select(func.pg_notify(bindparam("channel"), ""))


class Writes:
    """Collects writes of one transaction that need not see each other; `make` makes them together."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self._planned: list[tuple[Executable, Any]] = []
        self._told: dict[str, str] | None = None

    def add(self, statement: Executable, parameters: Any) -> None:
        """A write that is built once, with its parameters."""
        self._planned.append((statement, parameters))

    def insert(self, into: Table, rows: Sequence[Row]) -> None:
        """Inserts rows that are not there; bytes among their values are fine."""
        if not rows:
            return
        binary = [column.name for column in into.columns if isinstance(column.type, LargeBinary)]
        if binary and is_sqlite(self.connection):
            # Bytes do not travel in JSON, and this SQLite cannot decode them.
            self.add(insert(into), list(rows))
            return
        for row in rows if binary else ():
            for name in binary:
                row[name] = None if row[name] is None else f"\\x{row[name].hex()}"
        self.add(_insert(self.dialect, into, tuple(rows[0])), encode_rows(self.connection, rows))

    def insert_missing(self, into: Table, rows: Sequence[Row]) -> None:
        """Inserts the rows whose key is not there yet."""
        if rows:
            statement = _insert(self.dialect, into, tuple(rows[0]), on_conflict="nothing")
            self.add(statement, encode_rows(self.connection, rows))

    def upsert(self, into: Table, rows: Sequence[Row], kept: Collection[str] = ()) -> None:
        """Inserts rows, or replaces the columns named in them but the key and those `kept`."""
        if rows:
            statement = _insert(self.dialect, into, tuple(rows[0]), on_conflict="update", kept=tuple(kept))
            self.add(statement, encode_rows(self.connection, rows))

    def notify(self, channel: str) -> None:
        """Wakes whoever listens on `channel` when the transaction commits; SQLite has nobody outside this process."""
        self._told = None if is_sqlite(self.connection) else {"channel": channel}

    async def make(self) -> None:
        """Makes what was collected; what is collected from now on is made next time."""
        planned, told = self._planned, self._told
        self._planned, self._told = [], None
        await run_together(self.connection, planned, (_NOTIFY, told) if told else None)


async def notify(connection: AsyncConnection, channel: str) -> None:
    """`Writes.notify`, at once."""
    writes = Writes(connection)
    writes.notify(channel)
    await writes.make()


async def insert_rows(connection: AsyncConnection, into: Table, rows: Sequence[Row]) -> None:
    """`Writes.insert`, at once."""
    writes = Writes(connection)
    writes.insert(into, rows)
    await writes.make()


async def insert_missing(connection: AsyncConnection, into: Table, rows: Sequence[Row]) -> None:
    """`Writes.insert_missing`, at once."""
    writes = Writes(connection)
    writes.insert_missing(into, rows)
    await writes.make()


async def upsert(connection: AsyncConnection, into: Table, rows: Sequence[Row], kept: Collection[str] = ()) -> None:
    """`Writes.upsert`, at once."""
    writes = Writes(connection)
    writes.upsert(into, rows, kept)
    await writes.make()


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
