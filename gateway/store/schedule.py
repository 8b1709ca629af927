"""What the clock looks for: offers that nobody answered in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select

from gateway.store.states import is_any
from gateway.store.tables import caught_up, inbound_record, job

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

# In Connect's protocol the type of an answer names the entity.
_ANSWERS = ("offer.accept", "offer.decline", "job")
_UNDECIDED = ("parked", "requeued")


async def find_expired_offers(connection: AsyncConnection, answers: str, before: datetime, limit: int) -> list[int]:
    """Jobs whose `accept_by` lies before `before`, once every answer in time has been read and settled.

    Topics that begin with `answers` can carry one: each of their partitions must have been read up to `accept_by`; one
    that nobody reads stops expiry. So does an answer to that offer which is parked, or about to be decided again.
    """
    read_up_to = select(func.min(caught_up.c.caught_up_to)).where(
        caught_up.c.topic.startswith(answers, autoescape=True)
    )
    earliest = (await connection.execute(read_up_to)).scalar_one()
    horizon = before if earliest is None else min(before, earliest)
    waits = exists().where(
        inbound_record.c.job == job.c.number,
        is_any(inbound_record.c.state, _UNDECIDED),
        inbound_record.c.type.in_(_ANSWERS),
    )
    query = select(job.c.number).where(job.c.accept_by.is_not(None), job.c.accept_by < horizon, ~waits)
    return [row.number for row in await connection.execute(query.order_by(job.c.accept_by).limit(limit))]
