"""What the two databases say differently: key sets as one parameter, upserts, row locks.

A key set is one array (PostgreSQL) or one JSON text (SQLite), so that a statement's text never depends on its size.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import BigInteger, String, Table, Text, any_, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Column, ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection


def is_sqlite(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "sqlite"


def one_of(dialect: str, key: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """`key` is one of the parameter `name`, which `key_set` makes: for statements that are built once."""
    if dialect == "sqlite":
        each = func.json_each(bindparam(name, type_=Text())).table_valued("value")
        return key.in_(select(each.c.value))
    return key == any_(bindparam(name, type_=_array(key)))


def key_set(connection: AsyncConnection, values: Iterable[int] | Iterable[str]) -> list[int] | list[str] | str:
    """The parameter of a statement with `one_of`."""
    listed: list[Any] = list(values)
    return orjson.dumps(listed).decode() if is_sqlite(connection) else listed


def any_of(
    connection: AsyncConnection, key: ColumnElement[Any], values: Iterable[int] | Iterable[str]
) -> ColumnElement[bool]:
    """`key` is one of `values` (all integers or all strings): for statements that are seldom needed."""
    given = key_set(connection, values)
    if is_sqlite(connection):
        each = func.json_each(bindparam(None, given, unique=True)).table_valued("value")
        return key.in_(select(each.c.value))
    return key == any_(bindparam(None, given, type_=_array(key), unique=True))


def _array(key: ColumnElement[Any]) -> ARRAY[Any]:
    # Told by the column: there may be nothing listed.
    return ARRAY(String()) if isinstance(key.type, String) else ARRAY(BigInteger())


def for_update(dialect: str, query: Select[Any], *, skip_locked: bool = False, shared: bool = False) -> Select[Any]:
    """Locks the rows read; `shared`: only against those who lock them to change them.

    SQLite's transaction is the only writer already.
    """
    if dialect == "sqlite":
        return query
    return query.with_for_update(skip_locked=skip_locked, read=shared, key_share=shared)


@cache
def by_key(dialect: str, key: Column[Any], *, lock: bool = False, skip_locked: bool = False) -> Select[Any]:
    """The rows of a table whose `key` is one of `keys`, in the order of their numbers."""
    query = select(key.table).where(one_of(dialect, key, "keys")).order_by(key.table.c.number)
    return for_update(dialect, query, skip_locked=skip_locked) if lock else query


def in_byte_order(dialect: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """`column`, sorted as Python sorts strings."""
    if dialect == "sqlite" or not isinstance(column.type, String):
        return column
    return column.collate("C")


def insert_into(dialect: str, into: Table) -> postgresql.Insert:
    """An insert that knows `ON CONFLICT`; both dialects' have the same methods."""
    if dialect == "sqlite":
        return sqlite.insert(into)  # type: ignore[return-value]
    return postgresql.insert(into)
