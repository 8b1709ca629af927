"""Whether the database can be worked with at all: reachable, and with the tables of this version."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, table, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.core.values import dataclass
from gateway.store.migrate import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.database import Database

MIGRATE = "run `gateway migrate`"


class NotReady(Exception):
    """Why the database cannot be worked with; a sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The version of the tables that are there (None: none are), and the one that this program needs."""

    present: str | None
    needed: str | None

    @property
    def is_current(self) -> bool:
        return self.present == self.needed


async def read_schema(connection: AsyncConnection) -> Schema:
    """Compares the tables' version with this program's."""
    needed = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    if not await connection.run_sync(_has_versions):
        return Schema(None, needed)
    version = select(text("version_num")).select_from(table("alembic_version"))
    return Schema((await connection.execute(version)).scalar_one_or_none(), needed)


def _has_versions(connection: Connection) -> bool:
    return inspect(connection).has_table("alembic_version")


async def insist_on_schema(database: Database) -> None:
    """Raises `NotReady` unless the database answers and has this version's tables. Makes no file of its own."""
    if database.file is not None and not await asyncio.to_thread(Path(database.file).exists):
        raise NotReady(f"there is no database at {database.file} yet: {MIGRATE}")
    with explained():
        async with database.snapshot() as connection:
            schema = await read_schema(connection)
    if schema.present is None:
        raise NotReady(f"the database has no tables yet: {MIGRATE}")
    if not schema.is_current:
        raise NotReady(f"the database is at version {schema.present}, this program needs {schema.needed}: {MIGRATE}")


@contextmanager
def explained() -> Iterator[None]:
    """Turns what drivers raise where a database is away, full or busy into `NotReady`."""
    try:
        yield
    except DBAPIError as error:
        raise NotReady(f"the database: {error.orig}") from error
    except SQLAlchemyError as error:
        raise NotReady(f"the database: {error}") from error
    except OSError as error:
        raise NotReady(f"the database cannot be reached: {error}") from error
