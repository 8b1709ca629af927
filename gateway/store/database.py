"""Opens a database and its transactions. PostgreSQL: a pool. SQLite: one writer connection, `BEGIN IMMEDIATE`."""

from __future__ import annotations

import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from asyncpg import ConnectionDoesNotExistError, InternalClientError, Record
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.store.clock import read_now
from gateway.store.prepared import driver_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

# What every function of `store` works in; nobody else looks inside.
Transaction = AsyncConnection

_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=10000",
)

# Statements here go by key. A plan made while the planner believes a table small (it is new, or was just emptied)
# would read all of it, for every batch, until the next analysis.
_POSTGRESQL_SETTINGS = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off", "jit": "off"}

_WHOLE_TABLES = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
_ONLY_READS = "gateway_only_reads"


class Database:
    """One database. Every method opens its own transaction or takes one; nothing is shared between them.

    What fails is logged with its statement, and without the parameters: they hold what is private.
    """

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        if self.is_sqlite:
            self.engine = create_async_engine(
                url, pool_size=1, max_overflow=0, isolation_level=None, hide_parameters=True
            )
            _tune_sqlite(self.engine)
        else:
            connect_args = {"server_settings": _POSTGRESQL_SETTINGS, "record_class": _Row}
            self.engine = create_async_engine(
                url, pool_size=pool_size, max_overflow=5, connect_args=connect_args, hide_parameters=True
            )

        self._autocommitting = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def file(self) -> str | None:
        """The file of a SQLite database."""
        return self.engine.url.database if self.is_sqlite else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed on leaving, rolled back on an exception."""
        if self.is_sqlite:
            async with self.engine.begin() as connection:
                yield connection
            return
        async with self._begun() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self, *, by_keys: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads: it sees one state of everything, and holds up nobody.

        `by_keys`: no table is read whole in it, as in ordinary transactions.
        """
        if self.is_sqlite:
            async with self.engine.connect() as connection:
                await connection.execution_options(**{_ONLY_READS: True})
                async with connection.begin():
                    yield connection
            return
        async with self._begun(isolation="repeatable_read", readonly=True) as connection:
            # Whole tables are read here, which the settings of ordinary connections rule out.
            for name in () if by_keys else _WHOLE_TABLES:
                await connection.exec_driver_sql(f"SET LOCAL {name} = on")
            yield connection

    @asynccontextmanager
    async def _begun(self, **terms: Any) -> AsyncIterator[AsyncConnection]:
        """A transaction of the driver's: SQLAlchemy would begin one with its first statement only, and not all are."""
        async with self._autocommitting.connect() as connection:
            while driver_of(connection).is_closed():
                # The server went away while nobody used it: the pool has another, or makes one.
                await connection.invalidate()
                await connection.get_raw_connection()
            has_ended = False
            driver = driver_of(connection)
            try:
                transaction = driver.transaction(**terms)
                await transaction.start()
                try:
                    yield connection
                except BaseException:
                    # What ended it is told, above all a cancellation; where that broke the connection, nothing of it
                    # is left to roll back.
                    with contextlib.suppress(Exception):
                        await transaction.rollback()
                        has_ended = True
                    raise
                await transaction.commit()
                has_ended = True
            except InternalClientError as error:
                if not driver.is_closed():
                    raise
                # The server's farewell was read and its end was not yet: the driver takes that for a fault of its own.
                raise ConnectionDoesNotExistError("the server ended the connection") from error
            finally:
                # One may be open that was cancelled while it began: the driver would take the next one for a savepoint
                # of it, whose commit keeps nothing.
                if not has_ended:
                    await connection.invalidate()

    async def now(self, connection: AsyncConnection) -> datetime:
        """The present: the database's clock on PostgreSQL, this machine's on SQLite."""
        return await read_now(connection)

    async def close(self) -> None:
        await self.engine.dispose()


class _Row(Record):
    """A row of the driver's whose columns are attributes too."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def _tune_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in _SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    # The driver would begin a deferred transaction, whose first write may then fail with "database is locked".
    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:
        only_reads = connection.get_execution_options().get(_ONLY_READS, False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")
