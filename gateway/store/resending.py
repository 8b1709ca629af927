"""Which jobs are to be told again as they stand now: those that differ at a brand's, those that a destination lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, case, func, select

from gateway.core.sandbox import MARK
from gateway.core.visibility import Audience
from gateway.store.tables import delivery, event, job, lane, organization
from gateway.store.tables_control import applied_version

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.destinations import Destination


class Differing(NamedTuple):
    """A job of which the brand has another version than it was sent. `owed`: something is on its way there still.

    `sent` is the newest version meant for the destination, `applied` the one that the brand has confirmed, `since` when
    the first that it has not was delivered.
    """

    job: int
    sent: int
    applied: int | None
    since: datetime | None
    owed: bool


async def find_differing(connection: AsyncConnection, destination: Destination) -> list[Differing]:
    """Jobs that `destination` was sent something of which its brand has not confirmed, in order of their numbers.

    Compared is what was meant for this destination: what it does not ask for it does not lack. Reads every delivery
    to it that is kept.
    """
    theirs = and_(applied_version.c.brand == destination.owner, applied_version.c.job == event.c.job)
    applied = func.max(applied_version.c.version)
    is_delivered = delivery.c.state == "delivered"
    is_news = event.c.jobversion > func.coalesce(applied_version.c.version, 0)
    arrived = func.count(case((is_delivered, 1)))
    query = (
        select(
            event.c.job,
            func.max(event.c.jobversion),
            applied,
            func.min(case((and_(is_delivered, is_news), delivery.c.settled_at))),
            select(lane.c.key)
            .where(lane.c.destination == destination.number, lane.c.key == event.c.job)
            .exists()
            .label("owed"),
        )
        .join_from(delivery, event, event.c.number == delivery.c.event)
        .outerjoin(applied_version, theirs)
        .where(delivery.c.destination == destination.number, event.c.jobversion.is_not(None))
        .group_by(event.c.job)
        .having(func.max(event.c.jobversion) > func.coalesce(applied, 0), (arrived > 0) | applied.is_not(None))
        .order_by(event.c.job)
    )
    rows = await connection.execute(query)
    return [Differing(number, sent, version, since, bool(owed)) for number, sent, version, since, owed in rows]


async def find_untold(connection: AsyncConnection, destination: Destination, since: datetime | None) -> list[int]:
    """Jobs of the destination's owner, test work or the rest as it is for, of which it has never been owed anything.

    Only those that changed since `since`, if that is given; in order of their numbers.
    """
    told = (
        select(delivery.c.number)
        .join(event, event.c.number == delivery.c.event)
        .where(event.c.job == job.c.number, delivery.c.destination == destination.number)
    )
    is_test = job.c.source.endswith(MARK)
    query = select(job.c.number).where(
        _is_of(destination), is_test if destination.sandbox else ~is_test, ~told.exists()
    )
    if since is not None:
        query = query.where(job.c.updated_at >= since)
    return list((await connection.execute(query.order_by(job.c.number))).scalars())


def _is_of(destination: Destination) -> ColumnElement[bool]:
    if destination.audience is Audience.ENTERPRISE:
        return job.c.brand == destination.owner
    own = select(organization.c.number).where(organization.c.handle == destination.owner)
    return job.c.organization == own.scalar_subquery()
