"""What stands still, as the database tells it: partitions that nobody reads, pauses, what has waited longest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from gateway.core.values import dataclass
from gateway.store.destinations import REMOVED
from gateway.store.tables import caught_up, delivery, destination, inbound_record, job, lane

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

_WAITING = ("parked", "unmapped", "quarantined", "requeued")
_STUCK = ("held", "dead")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many are in a state, or in a queue, and since when the oldest is."""

    state: str
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Unread:
    """A partition that has not been read up to where it should be."""

    topic: str
    partition: int
    caught_up_to: datetime


@dataclass(frozen=True, slots=True)
class Stopped:
    """A destination that is not active: paused, or its breaker is open."""

    name: str
    state: str
    reason: str | None
    since: datetime | None


async def find_waiting_records(connection: AsyncConnection) -> list[Waiting]:
    """Records in states that somebody or something has to end."""
    record = inbound_record.c
    query = select(record.state, func.count(), func.min(record.received_at)).where(record.state.in_(_WAITING))
    rows = await connection.execute(query.group_by(record.state).order_by(record.state))
    return [Waiting(*row) for row in rows]


async def find_owed_deliveries(connection: AsyncConnection, now: datetime) -> list[Waiting]:
    """Deliveries of every destination that are held or dead; pending ones that a relay should have taken by `now`.

    What waits to be polled, for its next try, behind a dead one or for a destination that has stopped is none of these.
    """
    of_destination = destination.c.number == delivery.c.destination
    of_lane = (lane.c.destination == delivery.c.destination) & (lane.c.key == delivery.c.lane)
    pending = (
        select(delivery.c.state, func.count(), func.min(lane.c.due_at))
        .join_from(delivery, destination, of_destination)
        .join(lane, of_lane)
        .where(delivery.c.state == "pending", lane.c.due_at <= now)
        .where(destination.c.kind != "poll", destination.c.state == "active")
        .group_by(delivery.c.state)
    )
    stuck = select(delivery.c.state, func.count(), func.min(delivery.c.created_at)).where(delivery.c.state.in_(_STUCK))
    stuck = stuck.group_by(delivery.c.state).order_by(delivery.c.state)
    return [Waiting(*row) for query in (stuck, pending) for row in await connection.execute(query)]


async def find_unread(connection: AsyncConnection, answers: str, before: datetime) -> list[Unread]:
    """Partitions of the topics that begin with `answers` that were read up to a moment before `before` at most."""
    query = select(caught_up.c.topic, caught_up.c.partition, caught_up.c.caught_up_to)
    query = query.where(caught_up.c.topic.startswith(answers, autoescape=True), caught_up.c.caught_up_to < before)
    rows = await connection.execute(query.order_by(caught_up.c.topic, caught_up.c.partition))
    return [Unread(*row) for row in rows]


async def count_overdue_offers(connection: AsyncConnection, before: datetime) -> int:
    """Open offers that should have been answered before `before`."""
    query = select(func.count()).select_from(job).where(job.c.accept_by.is_not(None), job.c.accept_by < before)
    return int((await connection.execute(query)).scalar_one())


async def find_unpolled(connection: AsyncConnection, before: datetime) -> list[Waiting]:
    """Active queues, by name, with something that was due before `before` and that no poll has taken since."""
    query = select(destination.c.name, func.count(), func.min(lane.c.due_at)).join_from(
        destination, lane, lane.c.destination == destination.c.number
    )
    query = query.where(destination.c.kind == "poll", destination.c.state == "active", lane.c.due_at < before)
    rows = await connection.execute(query.group_by(destination.c.name).order_by(destination.c.name))
    return [Waiting(*row) for row in rows]


async def find_stopped_destinations(connection: AsyncConnection) -> list[Stopped]:
    """Every destination that is not active, by name; of those removed only what is owed something still."""
    is_owed = select(lane.c.key).where(lane.c.destination == destination.c.number).exists()
    stopped = (destination.c.state != "active") & ((destination.c.state != REMOVED) | is_owed)
    columns = (destination.c.name, destination.c.state, destination.c.state_reason, destination.c.state_at)
    rows = await connection.execute(select(*columns).where(stopped).order_by(destination.c.name))
    return [Stopped(*row) for row in rows]
