"""Hears what other processes announce: that something was appended, that a key has changed. PostgreSQL only.

SQLite has one process. Whoever relies on an announcement asks whether it is heard.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import make_url
from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

if TYPE_CHECKING:
    from collections.abc import Callable

_BROKEN = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def listen(
    database_url: str,
    channel: str,
    heard: Callable[[], object],
    lost: Callable[[], object] = lambda: None,
) -> None:
    """Calls `heard` at every announcement, and when it begins to listen; runs until it is cancelled.

    On a connection of its own, made again when it breaks: then `lost` is called. Returns at once for SQLite.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return

    def hear(*_: object) -> None:
        heard()

    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        connection = await _connect(address)
        broken = asyncio.Event()
        connection.add_termination_listener(lambda *_, broken=broken: broken.set())
        try:
            await connection.add_listener(channel, hear)
            # What was announced while nobody listened.
            heard()
            await broken.wait()
        except _BROKEN:
            await asyncio.sleep(0)
        finally:
            lost()
            connection.terminate()


async def _connect(address: str) -> asyncpg.Connection:
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(_BROKEN), wait=wait_exponential_jitter(multiplier=0.1, max=5.0), reraise=True
    )
    return await retrying(asyncpg.connect, address)
