"""How simulated partners end: when they are done, or when they are told to."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def until_told(living: Coroutine[Any, Any, None]) -> None:
    """Runs `living` until it ends, or SIGTERM or SIGINT ends it."""
    task = asyncio.ensure_future(living)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return
