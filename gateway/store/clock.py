"""The database's time, without asking for it every time."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.database import Database

_GOOD_FOR = 10.0


class DatabaseClock:
    """Reads the database's clock every ten seconds and carries it on by this machine's monotonic one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read_at = float("-inf")
        self._read: datetime

    async def now(self, connection: AsyncConnection) -> datetime:
        """The present; costs a statement when the last reading is too old."""
        if time.monotonic() - self._read_at > _GOOD_FOR:
            self._read = await self._database.now(connection)
            self._read_at = time.monotonic()
        return self._read + timedelta(seconds=time.monotonic() - self._read_at)
