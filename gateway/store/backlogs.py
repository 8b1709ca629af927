"""What waits for each destination, for people to look at: how it stands, what is owed, what is under way."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, select

from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.destinations import Destination, destination_from
from gateway.store.states import OWED, is_any
from gateway.store.tables import delivery, destination, lane

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

MEASURED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """One destination. `owed` deliveries are on `lanes`, of which some are `claimed`, and `stuck` ones have nothing to
    send until somebody does something: behind a dead or held one. The `oldest` is owed since.

    `recent`: deliveries within `MEASURED`. `reason` and `since` are of its state.
    """

    destination: Destination
    reason: str | None
    since: datetime | None
    breaker: Mapping[str, Any] | None
    budget: Mapping[str, Any] | None
    lanes: int
    stuck: int
    owed: int
    claimed: int
    oldest: datetime | None
    recent: int


async def load_backlogs(connection: AsyncConnection, now: datetime, name: str | None = None) -> list[Backlog]:
    """All destinations, or the one of that name if there is one, by name; in four statements.

    Reads each lane that is owed something, each delivery that is owed, and those of the last minute.
    """
    query = select(destination).order_by(destination.c.name)
    if name is not None:
        query = query.where(destination.c.name == name)
    rows = (await connection.execute(query)).mappings().all()
    only = rows[0]["number"] if name is not None and rows else None
    is_claimed = and_(lane.c.token.is_not(None), lane.c.due_at > now)
    is_stuck = and_(lane.c.token.is_(None), lane.c.due_at.is_(None))
    sums = (func.sum(case((one, 1), else_=0)) for one in (is_stuck, is_claimed))
    counted = (func.count(), func.sum(lane.c.owed), *sums)
    lanes = select(lane.c.destination, *counted).where(_of(lane.c.destination, only)).group_by(lane.c.destination)
    owed = (
        select(delivery.c.destination, func.min(delivery.c.created_at))
        .where(_of(delivery.c.destination, only), is_any(delivery.c.state, OWED))
        .group_by(delivery.c.destination)
    )
    settled = (
        select(delivery.c.destination, func.count())
        .where(_of(delivery.c.destination, only), is_any(delivery.c.state, ("delivered",)))
        .where(delivery.c.settled_at > now - MEASURED)
        .group_by(delivery.c.destination)
    )
    of_lanes = {number: counts for number, *counts in await connection.execute(lanes)}
    oldest = dict(map(tuple, (await connection.execute(owed)).all()))
    recent = dict(map(tuple, (await connection.execute(settled)).all()))
    return [
        _backlog(
            row, of_lanes.get(row["number"], (0, 0, 0, 0)), oldest.get(row["number"]), recent.get(row["number"], 0)
        )
        for row in rows
    ]


def _of(number: ColumnElement[int], only: int | None) -> ColumnElement[bool]:
    return number == only if only is not None else number > 0


def _backlog(row: Mapping[Any, Any], counts: Any, oldest: datetime | None, recent: int) -> Backlog:
    lanes, owed, stuck, claimed = counts
    return Backlog(
        destination=destination_from(row),
        reason=row["state_reason"],
        since=row["state_at"],
        breaker=codec.decode(row["breaker"]) if row["breaker"] else None,
        budget=codec.decode(row["budget"]) if row["budget"] else None,
        lanes=lanes,
        stuck=stuck,
        owed=owed,
        claimed=claimed,
        oldest=oldest,
        recent=recent,
    )
