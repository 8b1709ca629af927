"""Wakes relays of other processes when something was appended. PostgreSQL only; SQLite has one process.

A wake-up is a hint: whoever misses one finds the work at the next slow poll.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import make_url
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from gateway.store.outbox import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable

_BROKEN = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def listen(database_url: str, wake: Callable[[], None]) -> None:
    """Calls `wake` at every announcement, and whenever one may have been missed; runs until it is cancelled.

    On a connection of its own, made again when it breaks. Returns at once for SQLite.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        connection = await _connect(address)
        broken = asyncio.Event()
        connection.add_termination_listener(lambda *_, broken=broken: broken.set())
        try:
            await connection.add_listener(CHANNEL, lambda *_: wake())
            # What was announced while nobody listened.
            wake()
            await broken.wait()
        except _BROKEN:
            await asyncio.sleep(0)
        finally:
            connection.terminate()


async def _connect(address: str) -> asyncpg.Connection:
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(_BROKEN), wait=wait_exponential_jitter(multiplier=0.1, max=5.0), reraise=True
    )
    return await retrying(asyncpg.connect, address)
