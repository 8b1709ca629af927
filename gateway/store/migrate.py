"""Brings a database's tables to what this version of the gateway needs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from gateway.store.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).with_name("migrations")

# Any constant will do, as long as nothing else in the database takes an advisory lock by it.
_LOCK = 7_310_001


def upgrade(database_url: str) -> None:
    """Migrates to the newest version, in one transaction of its own; does nothing where that is reached already.

    The folder of an SQLite database is made where it is missing. Several at once wait for one another. Blocks; call it
    where no event loop runs (or in a thread).
    """
    asyncio.run(_upgrade(database_url))


async def _upgrade(database_url: str) -> None:
    database = Database(database_url)
    if database.file is not None:
        await asyncio.to_thread(Path(database.file).parent.mkdir, parents=True, exist_ok=True)
    try:
        async with database.transaction() as connection:
            if not database.is_sqlite:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_run_migrations)
    finally:
        await database.close()


def _run_migrations(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
