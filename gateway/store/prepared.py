"""Runs statements that are built once: on PostgreSQL by the driver itself, on SQLite through SQLAlchemy.

SQLAlchemy's way to the driver costs more of the processor than the statement (ADR 24). What it does on that way
is not needed here: statements built once need no cache, and every column type passes PostgreSQL's values as they are.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asyncpg import PostgresError
from sqlalchemy.dialects.postgresql.asyncpg import dialect as make_dialect

from gateway.store.dialect import is_sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncpg import Connection
    from sqlalchemy import Executable
    from sqlalchemy.ext.asyncio import AsyncConnection

_DIALECT: Final = make_dialect()  # type: ignore[no-untyped-call]
_PLACE = re.compile(r"\$(\d+)")
_NOTHING: Final[Mapping[str, Any]] = {}


class _Text(NamedTuple):
    """A statement as the driver takes it: its parameters' names in their order, with what is given where none is."""

    sql: str
    names: tuple[str, ...]
    usual: Mapping[str, Any]

    def arguments(self, given: Mapping[str, Any]) -> list[Any]:
        return [given[name] if name in given else self.usual[name] for name in self.names]


def driver_of(connection: AsyncConnection) -> Connection:
    """PostgreSQL's driver under `connection`."""
    driver: Connection = connection.sync_connection.connection.driver_connection  # type: ignore[union-attr, assignment]
    return driver


async def fetch(
    connection: AsyncConnection, statement: Executable, parameters: Mapping[str, Any] = _NOTHING
) -> Sequence[Any]:
    """The rows of a statement that is built once: their columns are attributes, and stand in their order."""
    if is_sqlite(connection):
        result = await connection.execute(statement, parameters)
        return result.all() if result.returns_rows else ()
    text = _text(statement)
    return await _ask(connection, text.sql, text.arguments(parameters))


async def fetch_mappings(
    connection: AsyncConnection, statement: Executable, parameters: Mapping[str, Any] = _NOTHING
) -> Sequence[Any]:
    """The same, with columns by name: `row["number"]`."""
    if is_sqlite(connection):
        return (await connection.execute(statement, parameters)).mappings().all()
    return await fetch(connection, statement, parameters)


async def run_together(
    connection: AsyncConnection, writes: Sequence[tuple[Executable, Any]], closing: tuple[Executable, Any] | None = None
) -> None:
    """Runs writes that need not see each other, and then `closing`, a query: on PostgreSQL as one statement."""
    if is_sqlite(connection) or not writes:
        for statement, parameters in (*writes, *((closing,) if closing else ())):
            await connection.execute(statement, parameters)
        return
    statements = tuple(statement for statement, _ in writes)
    sql = _together(statements, closing[0] if closing else None)
    given = [*writes, *((closing,) if closing else ())]
    arguments = [one for statement, parameters in given for one in _text(statement).arguments(parameters)]
    await _ask(connection, sql, arguments)


async def _ask(connection: AsyncConnection, sql: str, arguments: Sequence[Any]) -> Sequence[Any]:
    try:
        return await driver_of(connection).fetch(sql, *arguments)
    except PostgresError as error:
        # Whoever logs it learns which statement it was, and nothing of what a row held.
        error.detail = None
        error.add_note(sql)
        raise


@cache
def _text(statement: Executable) -> _Text:
    compiled: Any = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
    needed = dict.fromkeys(name for name, parameter in compiled.binds.items() if parameter.required)
    usual = {name: value for name, value in compiled.construct_params(needed).items() if name not in needed}
    return _Text(compiled.string, tuple(compiled.positiontup), usual)


@cache
def _together(statements: tuple[Executable, ...], closing: Executable | None) -> str:
    parts, before = [], 0
    for statement in (*statements, *((closing,) if closing is not None else ())):
        text = _text(statement)
        parts.append(_PLACE.sub(lambda found, by=before: f"${int(found[1]) + by}", text.sql))  # type: ignore[misc]
        before += len(text.names)
    main = parts.pop() if closing is not None else "SELECT 1"
    if not parts[1:] and closing is None:
        return parts[0]
    # PostgreSQL carries out writes that nothing reads in the reverse of the order in which they stand. Rows are locked
    # in the order of the tables that all batches have in common.
    listed = ", ".join(f"write_{nth} AS ({part})" for nth, part in reversed(list(enumerate(parts))))
    return f"WITH {listed} {main}"
