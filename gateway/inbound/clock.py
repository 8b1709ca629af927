"""The clock role: what happens because time passes. Any number of clocks may run; each works in short transactions."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from gateway.inbound.backoff import Backoff
from gateway.store import intake, positions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.inbound.receive import Receiver
    from gateway.store.database import Database

log = structlog.get_logger(__name__)

# An answer that arrived in time may take this long to be read.
EXPIRY_MARGIN = timedelta(seconds=60)
PARKED_AT_MOST = timedelta(days=7)
POSITIONS_AT_MOST = timedelta(days=1)
AT_ONCE = 500
FOLD_AFTER = timedelta(minutes=1)


class Clock:
    """`due` maps each task to its period in seconds; tests call the tasks themselves."""

    def __init__(self, database: Database, receiver: Receiver, *, expiry_margin: timedelta = EXPIRY_MARGIN) -> None:
        self._database = database
        self._receiver = receiver
        self._expiry_margin = expiry_margin

    async def run(self, stop: asyncio.Event) -> None:
        """Runs every task at its period until `stop` is set; what was begun is finished."""
        tasks: dict[Callable[[], Awaitable[int]], float] = {
            self.requeued: 0.25,
            self.expired: 1.0,
            self.resolved: 5.0,
            self.mapped: 2.0,
            self.overdue: 60.0,
            self.folded: 60.0,
            self.forgotten: 60.0,
        }
        async with asyncio.TaskGroup() as group:
            for task, period in tasks.items():
                group.create_task(self._repeat(task, period, stop))

    async def requeued(self) -> int:
        """Decides again what was released or sent back."""
        return await self._receiver.reprocess(AT_ONCE)

    async def expired(self) -> int:
        """Closes offers that nobody answered in time."""
        return await self._receiver.expire(self._expiry_margin, AT_ONCE)

    async def resolved(self) -> int:
        """Decides parked records that wait for nothing any more: those left where many woke at once.

        It is the net below each wake-up, too.
        """
        return await self._receiver.release_parked(AT_ONCE)

    async def mapped(self) -> int:
        """Releases what waits for a mapping that is there: a net below the import of it, while old and new overlap."""
        return await self._receiver.release_resolved()

    async def overdue(self) -> int:
        """Quarantines records that waited for a reference for too long."""
        return await self._receiver.give_up(PARKED_AT_MOST, AT_ONCE)

    async def folded(self) -> int:
        """Adds up the counts of the doors."""
        async with self._database.transaction() as connection:
            now = await self._database.now(connection)
            return await intake.fold(connection, now - FOLD_AFTER)

    async def forgotten(self) -> int:
        """Blanks where people were, a day after: the present position and the bytes that it came in by."""
        async with self._database.transaction() as connection:
            now = await self._database.now(connection)
            return await positions.forget(connection, now - POSITIONS_AT_MOST, AT_ONCE)

    async def _repeat(self, task: Callable[[], Awaitable[int]], period: float, stop: asyncio.Event) -> None:
        backoff = Backoff()
        while not stop.is_set():
            try:
                done = await task()
                backoff.succeeded()
            except Exception as error:  # noqa: BLE001 - the next round finds what this one left
                log.warning("clock.failed", task=task.__name__, error=type(error).__name__)
                await backoff.wait()
                continue
            if done < AT_ONCE:
                await _wait(stop, period)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
