"""Calls that proved nothing, counted by the hour: how many, from where, and under which public key. Never a token."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Executable, delete, func, select, true

from gateway.core.values import dataclass
from gateway.store.dialect import insert_into
from gateway.store.given import encode_rows, given
from gateway.store.tables_control import refused_call

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

_KEY = ("hour", "address", "key", "reason")


@dataclass(frozen=True, slots=True)
class RefusedCalls:
    """`count` calls of one hour that were refused for one reason. `key` is empty where none was named."""

    hour: datetime
    address: str
    key: str
    reason: str
    count: int
    last_at: datetime


async def add_refused_calls(connection: AsyncConnection, counted: Sequence[RefusedCalls]) -> None:
    """Adds to what is counted already, by one statement."""
    if counted:
        rows = sorted(counted, key=lambda one: (one.hour, one.address, one.key, one.reason))
        await connection.execute(_adding(connection.dialect.name), encode_rows(connection, rows))


async def forget_refused_calls(connection: AsyncConnection, before: datetime) -> None:
    """Removes the counts of the hours before."""
    await connection.execute(delete(refused_call).where(refused_call.c.hour < before))


async def list_refused_calls(connection: AsyncConnection, since: datetime, limit: int = 1000) -> list[RefusedCalls]:
    """The counts of the hours since, the latest hour and the most of it first."""
    columns = (refused_call.c[name] for name in (*_KEY, "count", "last_at"))
    query = select(*columns).where(refused_call.c.hour >= since).limit(limit)
    query = query.order_by(refused_call.c.hour.desc(), refused_call.c.count.desc(), refused_call.c.address)
    return [RefusedCalls(*row) for row in await connection.execute(query)]


async def sum_refused_calls(connection: AsyncConnection, since: datetime) -> int:
    """How many calls were refused in the hours since."""
    query = select(func.coalesce(func.sum(refused_call.c.count), 0)).where(refused_call.c.hour >= since)
    return int((await connection.execute(query)).scalar_one())


@cache
def _adding(dialect: str) -> Executable:
    names = [*_KEY, "count", "last_at"]
    rows = given(dialect, **{name: refused_call.c[name].type for name in names})
    # SQLite needs the WHERE to tell ON CONFLICT from a join's ON.
    listed = select(*(rows.c[name] for name in names)).where(true()).order_by(*(rows.c[name] for name in _KEY))
    added = insert_into(dialect, refused_call).from_select(names, listed)
    return added.on_conflict_do_update(
        index_elements=[refused_call.c[name] for name in _KEY],
        set_={
            "count": refused_call.c.count + added.excluded["count"],
            "last_at": added.excluded.last_at,
        },
    )
