"""Group commit: requests that arrive together share one batch of `receive` and its commit; each gets its own outcomes.

Nobody waits for company: a batch takes what came while the one before it was on its way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from gateway.core.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.inbound.entry import Entry
    from gateway.inbound.record import RawRecord

MOST_RECORDS = 500
ROOM = 5_000


class NoRoomError(Exception):
    """More waits than is good for anybody: whoever asks comes again later."""


@dataclass(slots=True)
class _Waiting:
    records: Sequence[RawRecord]
    settled: asyncio.Future[list[Entry]]


class Gathering:
    """Holds requests until a batch takes them. `run` must be running; several may, for as many batches at once."""

    def __init__(
        self,
        receive: Callable[[Sequence[RawRecord]], Awaitable[list[Entry]]],
        *,
        most: int = MOST_RECORDS,
        room: int = ROOM,
    ) -> None:
        """`most` records at once, but for a single request that has more; `room` for so many records that wait."""
        self._receive = receive
        self._most = most
        self._room = room
        self._waiting: deque[_Waiting] = deque()
        self._held = 0
        self._came = asyncio.Event()

    async def submit(self, records: Sequence[RawRecord]) -> list[Entry]:
        """What became of `records`, in their order, once it is durable.

        Raises `NoRoomError` at once where too much waits, and whatever `receive` raises: then nothing of them is kept.
        """
        if not records:
            return []
        if self._held and self._held + len(records) > self._room:
            raise NoRoomError
        one = _Waiting(records, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._held += len(records)
        self._came.set()
        return await one.settled

    async def run(self) -> None:
        """Settles what is submitted, batch after batch, until it is cancelled."""
        while True:
            await self._came.wait()
            taken = self._take()
            if taken:
                await self._settle(taken)

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        records = 0
        while self._waiting and (not taken or records + len(self._waiting[0].records) <= self._most):
            one = self._waiting.popleft()
            self._held -= len(one.records)
            # Whoever went away before anything began need not be served.
            if not one.settled.done():
                taken.append(one)
                records += len(one.records)
        if not self._waiting:
            self._came.clear()
        return taken

    async def _settle(self, taken: Sequence[_Waiting]) -> None:
        try:
            entries = await self._receive([record for one in taken for record in one.records])
        except Exception as error:  # noqa: BLE001 - each request is answered by it; the next batch may do better
            for one in taken:
                if not one.settled.done():
                    one.settled.set_exception(error)
            return
        # Woken records of others are among the entries too.
        by_record = {id(entry.raw): entry for entry in entries}
        for one in taken:
            if not one.settled.done():
                one.settled.set_result([by_record[id(record)] for record in one.records])
