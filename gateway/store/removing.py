"""What a destination is owed still: what keeps it in service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from gateway.store.states import is_owed
from gateway.store.tables import delivery, destination

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


async def count_owed_to(connection: AsyncConnection, number: int) -> dict[str, int]:
    """How many deliveries to one destination are owed still, by state; dead ones where it is strict."""
    query = (
        select(delivery.c.state, func.count())
        .join(destination, destination.c.number == delivery.c.destination)
        .where(
            delivery.c.destination == number,
            is_owed(delivery.c.state, destination.c.strict),
        )
        .group_by(delivery.c.state)
    )
    return dict(sorted((state, count) for state, count in await connection.execute(query)))
