"""Where people were last seen is kept for a day; then the place goes and the row stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select, text, update

from gateway.store.dialect import any_of, for_update
from gateway.store.tables import KEEPS_POSITION, inbound_record, user

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.store.database import Transaction

_FORGOTTEN = "nothing_reported_since"


async def forget(connection: Transaction, before: datetime, limit: int) -> int:
    """Blanks positions from before `before`, and the raw bytes of the records that brought them; returns how many."""
    seen = or_(user.c.latitude.is_not(None), user.c.longitude.is_not(None))
    query = select(user.c.number).where(user.c.position_at < before, seen).limit(limit)
    people = [
        row.number for row in await connection.execute(for_update(connection.dialect.name, query, skip_locked=True))
    ]
    if people:
        blank = {"latitude": None, "longitude": None, "position_why_none": _FORGOTTEN}
        await connection.execute(update(user).where(any_of(connection, user.c.number, people)).values(**blank))
    record = inbound_record.c
    query = (
        select(record.number)
        .where(record.received_at < before, text(KEEPS_POSITION))
        .order_by(record.number)
        .limit(limit)
    )
    records = [
        row.number for row in await connection.execute(for_update(connection.dialect.name, query, skip_locked=True))
    ]
    if records:
        await connection.execute(
            update(inbound_record).where(any_of(connection, record.number, records)).values(raw=None)
        )
    return len(people) + len(records)
