"""What was delivered to those who confirm, and was not confirmed in time."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, func, select

from gateway.core.values import dataclass
from gateway.store.columns import Moment, Number
from gateway.store.destinations import load_destinations
from gateway.store.given import encode_rows, given
from gateway.store.tables import delivery, destination, event
from gateway.store.tables_control import applied_version

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.destinations import Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class UnconfirmedView:
    """A delivery that its brand has not confirmed. `applied` is the newest version of its job that it has."""

    number: int
    destination: str
    brand: str
    job: int
    event_type: str
    jobversion: int
    applied: int | None
    settled_at: datetime


class Unconfirmed(NamedTuple):
    """How many deliveries to one destination are not confirmed, of how many jobs, and since when the oldest is."""

    destination: str
    deliveries: int
    jobs: int
    since: datetime


def confirming(destinations: Iterable[Destination], brand: str | None = None) -> list[Destination]:
    """Those whose owner says what it has applied; only `brand`'s where one is named."""
    return [one for one in destinations if "confirms" in one.settings and brand in {None, one.owner}]


async def list_unconfirmed(
    connection: AsyncConnection, now: datetime, *, brand: str | None = None, after: int = 0, limit: int = 100
) -> list[UnconfirmedView]:
    """Deliveries that should have been confirmed by now, in order of their numbers, those after `after`."""
    rows = await _overdue(connection, now, brand)
    if rows is None:
        return []
    found = await connection.execute(_listed(connection.dialect.name), {**rows, "after": after, "limit": limit})
    return [UnconfirmedView(**row) for row in found.mappings()]


async def count_unconfirmed(connection: AsyncConnection, now: datetime) -> list[Unconfirmed]:
    """The same, counted by destination; those with none are left out."""
    rows = await _overdue(connection, now, None)
    if rows is None:
        return []
    return [Unconfirmed(*row) for row in await connection.execute(_counted(connection.dialect.name), rows)]


async def _overdue(connection: AsyncConnection, now: datetime, brand: str | None) -> dict[str, str] | None:
    """The destinations that confirm, each with the moment up to which it should have; None where there is none."""
    listed = confirming((await load_destinations(connection)).values(), brand)
    rows = [
        {"destination": one.number, "before": now - timedelta(seconds=one.settings["confirms"]["within"])}
        for one in listed
    ]
    return encode_rows(connection, rows) if rows else None


def _unconfirmed(dialect: str, *columns: Any) -> Select[Any]:
    rows = given(dialect, destination=Number, before=Moment())
    theirs = (applied_version.c.brand == destination.c.owner) & (applied_version.c.job == event.c.job)
    return (
        select(*columns)
        .select_from(rows)
        .join(destination, destination.c.number == rows.c.destination)
        .join(delivery, delivery.c.destination == rows.c.destination)
        .join(event, event.c.number == delivery.c.event)
        .outerjoin(applied_version, theirs)
        .where(
            delivery.c.state == "delivered",
            delivery.c.settled_at < rows.c.before,
            event.c.jobversion > func.coalesce(applied_version.c.version, 0),
        )
    )


@cache
def _listed(dialect: str) -> Select[Any]:
    columns = (
        delivery.c.number,
        destination.c.name.label("destination"),
        destination.c.owner.label("brand"),
        event.c.job,
        event.c.type.label("event_type"),
        event.c.jobversion,
        applied_version.c.version.label("applied"),
        delivery.c.settled_at,
    )
    after, limit = bindparam("after", type_=Number), bindparam("limit", type_=Number)
    query = _unconfirmed(dialect, *columns).where(delivery.c.number > after)
    return query.order_by(delivery.c.number).limit(limit)


@cache
def _counted(dialect: str) -> Select[Any]:
    jobs = func.count(event.c.job.distinct())
    query = _unconfirmed(dialect, destination.c.name, func.count(), jobs, func.min(delivery.c.settled_at))
    return query.group_by(destination.c.name).order_by(destination.c.name)
