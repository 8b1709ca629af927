"""Runs what a command asks of the database, and says in a sentence where that cannot be done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from gateway.cli_output import NOT_SO, fail, read_settings
from gateway.store.database import Database
from gateway.store.readiness import NotReady, explained, insist_on_schema

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.store.database import Transaction

_T = TypeVar("_T")


def look(read: Callable[[Transaction], Awaitable[_T]]) -> _T:
    """What `read` finds, in one snapshot of the database that the settings name."""

    async def reading(database: Database) -> _T:
        async with database.snapshot() as connection:
            return await read(connection)

    return ask(reading)


def ask(work: Callable[[Database], Awaitable[_T]]) -> _T:
    """What `work` does with the database that the settings name."""
    settings = read_settings()
    try:
        return asyncio.run(_ask(settings.database_url, work))
    except NotReady as error:
        fail(str(error), NOT_SO)


async def _ask(url: str, work: Callable[[Database], Awaitable[_T]]) -> _T:
    database = Database(url, pool_size=1)
    try:
        await insist_on_schema(database)
        with explained():
            return await work(database)
    finally:
        await database.close()
