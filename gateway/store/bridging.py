"""Bridges what leaves a lane without having been delivered: its `previous` goes to the next undelivered delivery."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from sqlalchemy import Boolean, Executable, select, update

from gateway.core.events import EventType
from gateway.core.values import dataclass
from gateway.store.given import encode_rows, given
from gateway.store.states import is_owed
from gateway.store.tables import delivery, event

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A delivery's place in the chain of versions of its lane. `versioned`: it takes part in the chain at all."""

    number: int
    destination: int
    lane: int
    position: int
    previous: int | None
    versioned: bool


def is_versioned(event_type: str, jobversion: int | None, operation: int | None) -> bool:
    """Whether a delivery stands in the chain of versions, `operation` being what made it.

    A snapshot does, by the version that it carries: what comes next follows on it. A redelivery is beside the chain.
    """
    return jobversion is not None and (operation is None or event_type == EventType.JOB_SNAPSHOT)


async def hand_on(
    connection: AsyncConnection, left: Collection[Link], strict: Collection[int]
) -> dict[int, int | None]:
    """Hands the `previous` of what just left on, in the transaction in which it left and under its lanes' locks.

    Two statements for any number of lanes. `strict` are the destinations whose dead deliveries are still owed.
    Returns the changed `previous` of deliveries by number.
    """
    if not left:
        return {}
    lanes = [
        {"destination": number, "key": key, "strict": number in strict}
        for number, key in sorted({(one.destination, one.lane) for one in left})
    ]
    rows = await connection.execute(_owed(connection.dialect.name), encode_rows(connection, lanes))
    owed = [
        Link(
            number=row.number,
            destination=row.destination,
            lane=row.lane,
            position=row.position,
            previous=row.previous,
            versioned=is_versioned(row.type, row.jobversion, row.operation),
        )
        for row in rows
    ]
    changed = bridged(left, owed)
    if changed:
        given_rows = [{"number": number, "previous": previous} for number, previous in changed.items()]
        await connection.execute(_set_previous(connection.dialect.name), encode_rows(connection, given_rows))
    return changed


def bridged(left: Iterable[Link], owed: Iterable[Link]) -> dict[int, int | None]:
    """Which links get another `previous`. Of several in a row that left, the first one's counts.

    The others that left get it too: what is appended after the last of them will ask that one.
    """
    gone = {one.number for one in left}
    links = {one.number: one for one in (*owed, *left) if one.versioned}
    in_order = sorted(links.values(), key=lambda one: (one.destination, one.lane, one.position))
    changed: dict[int, int | None] = {}
    for _, chain in groupby(in_order, key=lambda one: (one.destination, one.lane)):
        first_gone: Link | None = None
        for one in chain:
            if first_gone is not None:
                changed[one.number] = first_gone.previous
            if one.number not in gone:
                first_gone = None
            elif first_gone is None:
                first_gone = one
    return changed


@cache
def _owed(dialect: str) -> Executable:
    rows = given(dialect, destination=delivery.c.destination.type, key=delivery.c.lane.type, strict=Boolean())
    columns = (delivery.c.number, delivery.c.destination, delivery.c.lane, delivery.c.position, delivery.c.previous)
    of_event = (event.c.type, event.c.jobversion)
    mine = (delivery.c.destination == rows.c.destination) & (delivery.c.lane == rows.c.key)
    return (
        select(*columns, delivery.c.operation, *of_event)
        .join_from(rows, delivery, mine)
        .join(event, event.c.number == delivery.c.event)
        .where(is_owed(delivery.c.state, rows.c.strict))
    )


@cache
def _set_previous(dialect: str) -> Executable:
    rows = given(dialect, number=delivery.c.number.type, previous=delivery.c.previous.type)
    return update(delivery).where(delivery.c.number == rows.c.number).values(previous=rows.c.previous)
