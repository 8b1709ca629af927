"""The database's time, without asking for it every time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from gateway.store.dialect import is_sqlite
from gateway.store.prepared import fetch

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.database import Database

_GOOD_FOR = 10.0
_SET_BACK = timedelta(minutes=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_NOW = select(func.clock_timestamp())


async def read_now(connection: AsyncConnection) -> datetime:
    """The present: the database's clock on PostgreSQL, this machine's on SQLite."""
    if is_sqlite(connection):
        return datetime.now(UTC)
    [(moment,)] = await fetch(connection, _NOW)
    return moment  # type: ignore[no-any-return]


class CarriedClock:
    """A reading of a clock, carried on by this machine's monotonic one.

    It does not go back, unless it was set back: readings are late to arrive, each by another time.
    """

    def __init__(self) -> None:
        self._read, self._read_at = _EARLIEST, 0.0
        self._latest = _EARLIEST

    def set(self, moment: datetime) -> None:
        """`moment` is the present."""
        self._read, self._read_at = moment, time.monotonic()

    def now(self) -> datetime:
        """The present."""
        moment = self._read + timedelta(seconds=time.monotonic() - self._read_at)
        if moment > self._latest or self._latest - moment > _SET_BACK:
            self._latest = moment
        return self._latest


class DatabaseClock:
    """Reads the database's clock every ten seconds and carries it on.

    Did it go back, what comes now would stand before what came already, and what waits is released by when it was
    received.
    """

    def __init__(self, database: Database, *, good_for: float = _GOOD_FOR) -> None:
        self._database = database
        self._good_for = good_for
        self._read_at = float("-inf")
        self._carried = CarriedClock()

    async def now(self, connection: AsyncConnection) -> datetime:
        """The present; costs a statement when the last reading is too old."""
        if time.monotonic() - self._read_at > self._good_for:
            self._carried.set(await self._database.now(connection))
            self._read_at = time.monotonic()
        return self._carried.now()
