"""Takes destinations out of service. Their rows stay: what was delivered there refers to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select, update

from gateway.store.destinations import REMOVED
from gateway.store.dialect import for_update
from gateway.store.states import OWED, is_any
from gateway.store.tables import delivery, destination

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


async def count_owed_to(connection: AsyncConnection, number: int) -> dict[str, int]:
    """How many deliveries to one destination are owed still, by state; dead ones where it is strict."""
    query = (
        select(delivery.c.state, func.count())
        .join(destination, destination.c.number == delivery.c.destination)
        .where(
            delivery.c.destination == number,
            is_any(delivery.c.state, OWED),
            or_(delivery.c.state != "dead", destination.c.strict),
        )
        .group_by(delivery.c.state)
    )
    return dict(sorted((state, count) for state, count in await connection.execute(query)))


async def lock_destination(connection: AsyncConnection, number: int) -> None:
    """Until the transaction ends nobody else changes its row."""
    query = select(destination.c.number).where(destination.c.number == number)
    await connection.execute(for_update(connection.dialect.name, query))


async def mark_removed(connection: AsyncConnection, number: int, reason: str, now: datetime) -> None:
    """Nothing is sent there any more, nor owed by whoever has read destinations since."""
    changed = {"state": REMOVED, "state_reason": reason[:200], "state_at": now}
    await connection.execute(update(destination).where(destination.c.number == number).values(changed))
