"""A sender's receipts in an order: positions are given to what was settled when somebody reads, never by who settles.

What a transaction settles that commits late has no position until it is visible: it comes later, and is not passed.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Executable, bindparam, select, update

from gateway.store.columns import Number
from gateway.store.dialect import for_update
from gateway.store.given import encode_rows, given
from gateway.store.last_positions import advance, find_last
from gateway.store.record_queries import may_be_of, view_from, views
from gateway.store.tables import inbound_record

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.record_queries import RecordView

# As many get their position in one call at most: a history of years is not numbered at once.
GIVEN_AT_MOST = 1_000


class Sender(NamedTuple):
    """Whose records: `kind` (another for test work) and `number` are the owner's, `name` is the source of them."""

    kind: str
    number: int
    name: str


async def give_positions(connection: AsyncConnection, sender: Sender) -> None:
    """Puts what was settled of `sender` since the last time at the end of its receipts, in the order of settling.

    Passes by what somebody has locked, to decide it again: it has not been settled yet. So it waits for nobody who
    decides, and nobody waits for long.
    """
    settled = (await connection.execute(_unplaced(connection.dialect.name), {"source": sender.name})).all()
    if not settled:
        return
    last = (await advance(connection, sender.kind, {sender.number: len(settled)}))[sender.number]
    in_order = sorted(settled, key=lambda row: (row.settled_at or row.received_at, row.received_at, row.number))
    first = last - len(in_order) + 1
    rows = [{"number": row.number, "position": position} for position, row in enumerate(in_order, first)]
    await connection.execute(_place(connection.dialect.name), encode_rows(connection, rows))


async def get_last_position(connection: AsyncConnection, sender: Sender) -> int:
    """The last position given; 0 where none was. Whoever reads after this sees all up to there."""
    return await find_last(connection, sender.kind, sender.number) or 0


async def list_receipts(
    connection: AsyncConnection, sender: Sender, *, after: int, limit: int, brand: str | None, by_user: int | None
) -> list[tuple[int, RecordView]]:
    """The next `limit` records with their positions: `by_user` of that user alone, `brand` of no other brand."""
    position = inbound_record.c.receipt_position
    query = views().add_columns(position).where(inbound_record.c.source == sender.name, position > after)
    if by_user is not None:
        query = query.where(inbound_record.c.by_user == by_user)
    if brand is not None:
        query = query.where(may_be_of(brand))
    rows = [dict(row) for row in (await connection.execute(query.order_by(position).limit(limit))).mappings()]
    return [(row.pop("receipt_position"), view_from(row)) for row in rows]


@cache
def _unplaced(dialect: str) -> Executable:
    record = inbound_record.c
    query = select(record.number, record.settled_at, record.received_at)
    query = query.where(record.source == bindparam("source"), record.receipt_position.is_(None))
    # The order of the index: without the null column in it PostgreSQL would sort.
    query = query.order_by(record.receipt_position, record.received_at).limit(GIVEN_AT_MOST)
    return for_update(dialect, query, skip_locked=True)


@cache
def _place(dialect: str) -> Executable:
    rows = given(dialect, number=Number, position=Number)
    return (
        update(inbound_record).where(inbound_record.c.number == rows.c.number).values(receipt_position=rows.c.position)
    )
