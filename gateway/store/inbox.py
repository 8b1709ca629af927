"""Inbound records: recognised at first sight, kept with what became of them.

Every function works in the caller's transaction and costs a fixed number of statements.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gateway.core.ids import Kind, Ref
from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.dialect import any_of, for_update, key_set, one_of
from gateway.store.prepared import fetch
from gateway.store.states import is_any
from gateway.store.tables import inbound_record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.bulk import Writes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Kafka record stands: what knows it again after a crash."""

    door: str
    partition: int
    offset: int
    append_time: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A record that holds its message id."""

    number: int
    digest: str


@dataclass(slots=True, kw_only=True)
class RecordRow:
    """One row of `inbound_record`, as written at the end of a batch or read back to be decided again."""

    number: int
    door: str
    partition: int | None
    offset: int | None
    append_time: datetime | None
    arrived_at: datetime
    received_at: datetime
    source: str | None
    message_id: str | None
    type: str | None
    digest: str
    holds_id: bool
    state: str
    reason: str | None = None
    member: str | None = None
    detail: str | None = None
    first: int | None = None
    job: int | None = None
    brand: str | None = None
    by_user: int | None = None
    waits_for: Ref | None = None
    waits_text: str | None = None
    settled_at: datetime | None = None
    receipts: int = 0
    headers: tuple[tuple[str, bytes | None], ...] = ()
    raw: bytes | None = None


async def find_known_places(connection: AsyncConnection, places: Collection[Place]) -> set[Place]:
    """Which of these were taken in before."""
    if not places:
        return set()
    record = inbound_record.c
    query = select(record.door, record.partition, record.offset, record.append_time).where(
        any_of(connection, record.door, sorted({place.door for place in places})),
        any_of(connection, record.partition, sorted({place.partition for place in places})),
        any_of(connection, record.offset, sorted({place.offset for place in places})),
    )
    known = {Place(*row) for row in (await connection.execute(query)).all()}
    return known.intersection(places)


async def find_held_ids(connection: AsyncConnection, ids: Collection[tuple[str, str]]) -> dict[tuple[str, str], Seen]:
    """The records that hold these (source, message id)."""
    if not ids:
        return {}
    asked = {"ids": key_set(connection, sorted({message_id for _, message_id in ids}))}
    rows = await fetch(connection, _by_message_id(connection.dialect.name), asked)
    found = {(source, message_id): Seen(number, digest) for source, message_id, number, digest in rows}
    return {key: seen for key, seen in found.items() if key in ids}


@cache
def _by_message_id(dialect: str) -> Select[Any]:
    record = inbound_record.c
    return select(record.source, record.message_id, record.number, record.digest).where(
        one_of(dialect, record.message_id, "ids"), record.holds_id, record.message_id.is_not(None)
    )


def insert_records(writes: Writes, rows: Iterable[RecordRow]) -> None:
    """Writes new records, with their outcome."""
    writes.insert(inbound_record, [_row(one) for one in sorted(rows, key=_inbox_order)])


def update_records(writes: Writes, rows: Iterable[RecordRow]) -> None:
    """Writes what became of records that were kept before. Their bytes stay; their receipts are new ones."""
    written = [_row(one) | {"receipt_position": None} for one in sorted(rows, key=_inbox_order)]
    for row in written:
        del row["raw"], row["headers"]
    writes.upsert(inbound_record, written)


def _inbox_order(row: RecordRow) -> tuple[str, str, int]:
    # Two receivers that take in the same ids must meet them in the same order.
    return (row.message_id or "", row.source or "", row.number)


def _row(one: RecordRow) -> dict[str, Any]:
    waits = one.waits_for
    return {
        "number": one.number,
        "door": one.door,
        "partition": one.partition,
        "offset": one.offset,
        "append_time": one.append_time,
        "arrived_at": one.arrived_at,
        "received_at": one.received_at,
        "source": one.source,
        "message_id": one.message_id,
        "type": one.type,
        "digest": one.digest,
        "holds_id": one.holds_id,
        "state": one.state,
        "reason": one.reason,
        "field": one.member,
        "detail": one.detail,
        "first": one.first,
        "job": one.job,
        "brand": one.brand,
        "by_user": one.by_user,
        "waits_source": waits.source if waits else None,
        "waits_kind": waits.kind.value if waits else None,
        "waits_id": waits.external_id if waits else None,
        "waits_text": one.waits_text,
        "settled_at": one.settled_at,
        "receipts": one.receipts,
        "headers": codec.encode([[name, value.hex() if value is not None else None] for name, value in one.headers])
        if one.headers
        else None,
        "raw": one.raw,
    }


def record_from(row: Any) -> RecordRow:
    """The row of a record as it was written."""
    headers = codec.decode(row["headers"]) if row["headers"] else ()
    waits = Ref(Kind(row["waits_kind"]), row["waits_source"], row["waits_id"]) if row["waits_kind"] else None
    return RecordRow(
        number=row["number"],
        door=row["door"],
        partition=row["partition"],
        offset=row["offset"],
        append_time=row["append_time"],
        arrived_at=row["arrived_at"],
        received_at=row["received_at"],
        source=row["source"],
        message_id=row["message_id"],
        type=row["type"],
        digest=row["digest"],
        holds_id=row["holds_id"],
        state=row["state"],
        reason=row["reason"],
        member=row["field"],
        detail=row["detail"],
        first=row["first"],
        job=row["job"],
        brand=row["brand"],
        by_user=row["by_user"],
        waits_for=waits,
        waits_text=row["waits_text"],
        settled_at=row["settled_at"],
        receipts=row["receipts"],
        headers=tuple((name, bytes.fromhex(value) if value is not None else None) for name, value in headers),
        raw=row["raw"],
    )


_REQUEUED = ("requeued",)


async def claim_requeued(connection: AsyncConnection, limit: int) -> list[RecordRow]:
    """Records that are to be decided again, the longest waiting first, locked until the transaction ends."""
    query = _in_order(select(inbound_record).where(is_any(inbound_record.c.state, _REQUEUED))).limit(limit)
    rows = (await connection.execute(for_update(connection.dialect.name, query, skip_locked=True))).mappings()
    return [record_from(row) for row in rows]


def _in_order(query: Any) -> Any:
    return query.order_by(inbound_record.c.received_at, inbound_record.c.number)


async def claim_overdue(connection: AsyncConnection, before: datetime, limit: int) -> list[RecordRow]:
    """Records that have waited for a reference since `before`, locked until the transaction ends.

    Those that wait behind a held completion have no time limit.
    """
    record = inbound_record.c
    late = select(inbound_record).where(
        record.state == "parked", record.waits_id.is_not(None), record.received_at < before
    )
    query = for_update(connection.dialect.name, late.order_by(record.number).limit(limit), skip_locked=True)
    return [record_from(row) for row in (await connection.execute(query)).mappings()]
