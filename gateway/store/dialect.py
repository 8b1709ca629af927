"""What the two databases say differently: key sets as one parameter, upserts, row locks.

A key set is one array (PostgreSQL) or one JSON text (SQLite), so that a statement's text never depends on its size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import BigInteger, String, Table, any_, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection


def is_sqlite(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "sqlite"


def any_of(
    connection: AsyncConnection, key: ColumnElement[Any], values: Iterable[int] | Iterable[str]
) -> ColumnElement[bool]:
    """`key` is one of `values` (all integers or all strings)."""
    listed = list(values)
    if is_sqlite(connection):
        each = func.json_each(bindparam(None, orjson.dumps(listed).decode(), unique=True)).table_valued("value")
        return key.in_(select(each.c.value))
    # Told by the column: there may be nothing listed.
    kind = ARRAY(String()) if isinstance(key.type, String) else ARRAY(BigInteger())
    return key == any_(bindparam(None, listed, type_=kind, unique=True))


def for_update(
    connection: AsyncConnection, query: Select[Any], *, skip_locked: bool = False, shared: bool = False
) -> Select[Any]:
    """Locks the rows read; `shared`: only against those who lock them to change them.

    SQLite's transaction is the only writer already.
    """
    if is_sqlite(connection):
        return query
    return query.with_for_update(skip_locked=skip_locked, read=shared, key_share=shared)


def in_byte_order(connection: AsyncConnection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """`column`, sorted as Python sorts strings."""
    if is_sqlite(connection) or not isinstance(column.type, String):
        return column
    return column.collate("C")


def insert_for(connection: AsyncConnection, into: Table) -> postgresql.Insert:
    """An insert that knows `ON CONFLICT`; both dialects' have the same methods."""
    if is_sqlite(connection):
        return sqlite.insert(into)  # type: ignore[return-value]
    return postgresql.insert(into)
