"""What was recorded of one brand since a moment: its events and the records in its own JSON, the newest first.

Read page by page in the caller's snapshot; nothing is kept from one page to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, func, or_, select

from gateway.store.claim_statements import OF_EVENT
from gateway.store.claims import event_from
from gateway.store.inbox import RecordRow, record_from
from gateway.store.tables import event, inbound_record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.document import StoredEvent

PAGE = 1_000


class OwnRecords(NamedTuple):
    """How a brand's own JSON is known: its senders' names, the topics it came by, the mark that the endpoint noted."""

    sources: tuple[str, ...]
    topics: tuple[str, ...]
    mark: tuple[str, str]


async def count_events(connection: AsyncConnection, brand: str, since: datetime) -> int:
    return await _count(connection, event, _is_of(brand, since))


async def read_events(
    connection: AsyncConnection, brand: str, since: datetime, limit: int
) -> AsyncIterator[list[StoredEvent]]:
    """Its events, at most `limit`."""
    query = select(*(event.c[name] for name in OF_EVENT)).where(_is_of(brand, since))
    before: int | None = None
    while limit > 0:
        found = (await connection.execute(_page(query, event, before, limit))).all()
        if not found:
            return
        yield [event_from(row) for row in found]
        before, limit = found[-1].number, limit - len(found)


async def count_own_records(connection: AsyncConnection, own: OwnRecords, since: datetime) -> int:
    return await _count(connection, inbound_record, _is_own(own, since))


async def read_own_records(
    connection: AsyncConnection, own: OwnRecords, since: datetime, limit: int
) -> AsyncIterator[list[RecordRow]]:
    """Its records with their bytes, at most `limit`; repeats have none and are left out."""
    query = select(inbound_record).where(_is_own(own, since))
    before: int | None = None
    while limit > 0:
        found = (await connection.execute(_page(query, inbound_record, before, limit))).mappings().all()
        if not found:
            return
        yield [record_from(row) for row in found]
        before, limit = found[-1]["number"], limit - len(found)


async def _count(connection: AsyncConnection, table: Table, condition: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(table).where(condition)
    return int((await connection.execute(query)).scalar_one())


def _page(
    query: Select[tuple[object, ...]], table: Table, before: int | None, limit: int
) -> Select[tuple[object, ...]]:
    query = query if before is None else query.where(table.c.number < before)
    return query.order_by(table.c.number.desc()).limit(min(PAGE, limit))


def _is_of(brand: str, since: datetime) -> ColumnElement[bool]:
    return and_(event.c.brand == brand, event.c.recorded_at >= since)


def _is_own(own: OwnRecords, since: datetime) -> ColumnElement[bool]:
    record = inbound_record.c
    name, text = own.mark
    # Headers are kept with their values in hexadecimal; only the endpoint's own have no partition.
    noted = record.headers.contains(f'["{name}","{text.encode().hex()}"]', autoescape=True)
    is_own = or_(record.door.in_(own.topics), and_(record.partition.is_(None), noted))
    return and_(record.source.in_(own.sources), record.received_at >= since, record.raw.is_not(None), is_own)
