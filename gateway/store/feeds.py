"""Feeds by cursor: positions are given where deliveries are recorded, and read in order of them."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Select, bindparam, func, select

from gateway.core.document import rendered_by
from gateway.store.bulk import Writes
from gateway.store.claim_statements import OF_EVENT
from gateway.store.claims import event_from
from gateway.store.columns import Number
from gateway.store.given import encode_rows, given
from gateway.store.last_positions import advance
from gateway.store.tables import delivery, event
from gateway.store.tables_control import feed_position, last_position

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.document import StoredEvent
    from gateway.store.claims import ClaimedDelivery

_KIND = "feed"
# Where whoever gives positions says so, once for each recording.
CHANNEL = "gateway_feed"


class Kept(NamedTuple):
    """What a feed has: the positions from `oldest` to `last`; none where `last` comes before `oldest`."""

    oldest: int
    last: int


class FeedRow(NamedTuple):
    """One event at its position. `previous` is as it was when it was delivered."""

    destination: int
    position: int
    previous: int | None
    event: StoredEvent


async def give_positions(connection: AsyncConnection, delivered: Sequence[ClaimedDelivery]) -> None:
    """Puts deliveries at the end of their destinations' feeds, in the order given, in the recording transaction.

    Three statements, whatever their number; the last wakes whoever follows feeds, when that commits. Each destination's
    counter stays locked until the commit: positions have no gaps that fill later. Lanes are locked before counters, by
    everybody.
    """
    if not delivered:
        return
    counts = Counter(one.destination for one in delivered)
    last = await advance(connection, _KIND, counts)
    following = {destination: last[destination] - count for destination, count in counts.items()}
    rows = []
    for one in delivered:
        following[one.destination] += 1
        rows.append({"destination": one.destination, "position": following[one.destination], "delivery": one.number})
    writes = Writes(connection)
    writes.insert(feed_position, rows)
    writes.notify(CHANNEL)
    await writes.make()


async def load_kept(connection: AsyncConnection, destinations: Collection[int]) -> dict[int, Kept]:
    """What the feed of each destination has. Whoever reads after this sees all up to the last."""
    rows = encode_rows(connection, [{"destination": one} for one in sorted(destinations)])
    found = (await connection.execute(_kept(connection.dialect.name), rows)).all()
    return {destination: Kept(oldest or (last or 0) + 1, last or 0) for destination, oldest, last in found}


async def read_feed(
    connection: AsyncConnection, after: Mapping[int, int], limit: int, most_bytes: int
) -> list[FeedRow]:
    """The next `limit` events of some destinations, each after a position: of each the first, then of each the second.

    Fewer where their bodies have more than `most_bytes` together, but one at least. Positions have no gaps, so they
    bound what is read; its cost does not grow with the feeds.
    """
    rows = [{"destination": destination, "after": place} for destination, place in sorted(after.items())]
    asked = {**encode_rows(connection, rows), "limit": limit, "most": most_bytes}
    found = await connection.execute(_next_events(connection.dialect.name), asked)
    return [
        FeedRow(destination, position, previous, rendered_by(event_from(of_event), version))
        for destination, position, previous, version, *of_event in found.all()
    ]


@cache
def _kept(dialect: str) -> Select[Any]:
    rows, position = given(dialect, destination=Number), feed_position.c
    # Not the least of a group: that would read all of it.
    oldest = select(position.position).where(position.destination == rows.c.destination)
    last = select(last_position.c.position)
    last = last.where(last_position.c.kind == _KIND, last_position.c.owner == rows.c.destination)
    first = oldest.order_by(position.position).limit(1).scalar_subquery()
    return select(rows.c.destination, first, last.scalar_subquery())


@cache
def _next_events(dialect: str) -> Select[Any]:
    rows, position = given(dialect, destination=Number, after=Number), feed_position.c
    limit, most = bindparam("limit", type_=Number), bindparam("most", type_=Number)
    turn = (position.position - rows.c.after).label("turn")
    following = (
        (position.destination == rows.c.destination)
        & (position.position > rows.c.after)
        & (position.position <= rows.c.after + limit)
    )
    in_turn = select(feed_position, turn).join_from(rows, feed_position, following)
    page = in_turn.order_by(turn, position.destination).limit(limit).subquery("page")
    # Bytes are not counted exactly: it is about orders of magnitude.
    before = func.sum(func.length(event.c.body)).over(order_by=(page.c.turn, page.c.destination), rows=(None, -1))
    of_event = (event.c[name].label(f"event_{name}") for name in OF_EVENT)
    read = (
        select(
            page, delivery.c.previous, delivery.c.profile_version, *of_event, func.coalesce(before, 0).label("before")
        )
        .join_from(page, delivery, delivery.c.number == page.c.delivery)
        .join(event, event.c.number == delivery.c.event)
        .subquery("read")
    )
    of_delivery = (read.c.destination, read.c.position, read.c.previous, read.c.profile_version)
    columns = (*of_delivery, *(read.c[f"event_{name}"] for name in OF_EVENT))
    return select(*columns).where(read.c.before < most).order_by(read.c.turn, read.c.destination)
