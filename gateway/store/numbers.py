"""Hands out numbers. A process takes blocks in a transaction of its own, so that nobody waits for a counter's lock.

Numbers of several processes are not in order of time; nothing may rely on it (see `job.sequence`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from gateway.store.tables import counter

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.database import Database

BLOCK = 20_000
# Below it are the numbers that people may give to organizations: no record has one of them.
FIRST_RECORD = 10_001
_HIGHEST_NAMED = 10**15


class NumbersExhausted(LookupError):
    """Fewer numbers are reserved than asked for: reserve more, with no transaction open, and begin again."""

    def __init__(self, kind: str, asked: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.asked = asked


class Numbers:
    """Numbers of the kinds `record`, `event` and `delivery`."""

    def __init__(self, database: Database, *, block: int = BLOCK) -> None:
        self._database = database
        self._block = block
        self._free: dict[str, range] = {}

    async def reserve(self, kind: str, count: int) -> None:
        """Makes sure that `take` can hand out `count` numbers. Call it with no transaction open."""
        if len(self._free.get(kind, range(0))) >= count:
            return
        size = max(self._block, count)
        taken = update(counter).where(counter.c.kind == kind).values(next=counter.c.next + size)
        async with self._database.transaction() as connection:
            end: int = (await connection.execute(taken.returning(counter.c.next))).scalar_one()
        # What was left of the old block is given up: a gap, never a number used twice.
        self._free[kind] = range(end - size, end)

    def take(self, kind: str, count: int) -> range:
        """The next `count` reserved numbers; raises `NumbersExhausted`."""
        free = self._free[kind]
        if len(free) < count:
            raise NumbersExhausted(kind, self._block)
        self._free[kind] = free[count:]
        return free[:count]


async def take_one(connection: AsyncConnection, kind: str) -> int:
    """One number in the caller's transaction: for what a command makes, and no batch."""
    taken = update(counter).where(counter.c.kind == kind).values(next=counter.c.next + 1)
    end: int = (await connection.execute(taken.returning(counter.c.next))).scalar_one()
    return end - 1


async def claim_record_number(connection: AsyncConnection, number: int) -> bool:
    """Whether a person may use `number`: no record has it, and from now on none will get it."""
    if number < FIRST_RECORD:
        return True
    if number > _HIGHEST_NAMED:
        return False
    unused = (counter.c.kind == "record") & (counter.c.next <= number)
    moved = await connection.execute(update(counter).where(unused).values(next=number + 1))
    return moved.rowcount == 1
