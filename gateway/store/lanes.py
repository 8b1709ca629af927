"""Rows of `lane`, found one by one by their primary key.

The table is empty one moment and full the next. A plan made while the planner believed it empty would read all of it
for every batch, so nothing is left to it: `LIMIT` inside `LATERAL` allows one way only.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import any_, func, literal_column, select, true, tuple_, update

from gateway.store.columns import Number
from gateway.store.given import given
from gateway.store.tables import lane

if TYPE_CHECKING:
    from sqlalchemy import Column, ColumnElement, Executable, FromClause, Select


_ALL = true()


def lock_each(dialect: str, rows: FromClause, *columns: Column[Any], where: ColumnElement[bool] = _ALL) -> Select[Any]:
    """`columns` of those of the lanes `rows` (destination, key) that `where` holds for, locked in the order given."""
    mine = (lane.c.destination == rows.c.destination) & (lane.c.key == rows.c.key) & where
    if dialect == "sqlite":
        return select(*columns).join_from(rows, lane, mine)
    found = select(*columns).select_from(lane).where(mine).correlate(rows).limit(1).with_for_update().lateral("found")
    return select(*found.c).join_from(rows, found, true())


def is_each(dialect: str, rows: FromClause) -> ColumnElement[bool]:
    """That a lane is one of `rows` (destination, key), which the caller has locked."""
    if dialect == "sqlite":
        return tuple_(lane.c.destination, lane.c.key).in_(select(rows.c.destination, rows.c.key))
    sought = lane.alias("sought")
    mine = (sought.c.destination == rows.c.destination) & (sought.c.key == rows.c.key)
    # Under its row's lock an address stays.
    address: ColumnElement[Any] = literal_column("sought.ctid").label("address")
    found = select(address).select_from(sought).where(mine).correlate(rows).limit(1).lateral("found")
    return literal_column("lane.ctid") == any_(
        func.array(select(found.c.address).join_from(rows, found, true()).scalar_subquery())
    )


@cache
def lower_owed(dialect: str) -> Executable:
    """Lowers what is owed on lanes that the caller has locked: by `count` of each of `rows` (destination, key)."""
    rows = given(dialect, destination=Number, key=Number, count=Number)
    mine = (lane.c.destination == rows.c.destination, lane.c.key == rows.c.key)
    return update(lane).where(*mine).values(owed=lane.c.owed - rows.c.count)
