"""Inbound records as people look at them: lists, one with its history, and its bytes for whoever says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.operators import Action, find_actions, write_action
from gateway.store.tables import delivery, destination, event, inbound_record, job

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.deliveries import Operator

_PLAIN = (
    *("number", "state", "reason", "field", "detail", "type", "source", "message_id", "job", "first"),
    *("door", "partition", "offset", "append_time", "arrived_at", "received_at", "settled_at"),
    *("waits_source", "waits_kind", "waits_id", "waits_text"),
)
_OF_EVENT = ("number", "type", "job", "jobversion", "profile_version", "occurred_at", "recorded_at", "recipients")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """One record without what it holds. `behind` is the record that holds its job, where it is parked on that."""

    number: int
    state: str
    reason: str | None
    field: str | None
    detail: str | None
    type: str | None
    source: str | None
    message_id: str | None
    job: int | None
    first: int | None
    brand: str | None
    door: str
    partition: int | None
    offset: int | None
    append_time: datetime | None
    arrived_at: datetime
    received_at: datetime
    settled_at: datetime | None
    waits_source: str | None
    waits_kind: str | None
    waits_id: str | None
    waits_text: str | None
    behind: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHistory:
    """One record with the events it made, the receipts owed for it, and what operators did to it; each in order."""

    record: RecordView
    events: tuple[Mapping[str, Any], ...]
    receipts: tuple[Mapping[str, Any], ...]
    actions: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class RawContent:
    """The bytes of a record as they came in, with its headers."""

    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None


async def list_records(
    connection: AsyncConnection,
    *,
    states: Collection[str] = (),
    reasons: Collection[str] = (),
    brand: str | None = None,
    source: str | None = None,
    job_number: int | None = None,
    limit: int = 100,
) -> list[RecordView]:
    """Records, the newest first; every filter given must fit."""
    record = inbound_record.c
    query = _views().order_by(record.number.desc()).limit(limit)
    if states:
        query = query.where(record.state.in_(sorted(states)))
    if reasons:
        query = query.where(record.reason.in_(sorted(reasons)))
    if brand is not None:
        query = query.where(func.coalesce(record.brand, job.c.brand) == brand)
    if source is not None:
        query = query.where(record.source == source)
    if job_number is not None:
        query = query.where(record.job == job_number)
    return [_view_from(row) for row in (await connection.execute(query)).mappings()]


async def find_record(connection: AsyncConnection, number: int) -> RecordHistory | None:
    """One record with its history."""
    row = (await connection.execute(_views().where(inbound_record.c.number == number))).mappings().one_or_none()
    if row is None:
        return None
    view = _view_from(row)
    # By the index over (job, position): a receipt belongs to no job and stands at 0.
    receipt = event.c.job.is_(None) & (event.c.position == 0)
    mine = or_(event.c.job == view.job, receipt) if view.job is not None else receipt
    made = select(*(event.c[name] for name in _OF_EVENT)).where(event.c.record == number, mine).order_by(event.c.number)
    events = [dict(one) for one in (await connection.execute(made)).mappings()]
    return RecordHistory(
        record=view,
        events=tuple(one for one in events if one["job"] is not None),
        receipts=await _receipts(connection, [one["number"] for one in events if one["job"] is None]),
        actions=await find_actions(connection, "record", number),
    )


async def _receipts(connection: AsyncConnection, events: Collection[int]) -> tuple[Mapping[str, Any], ...]:
    if not events:
        return ()
    query = (
        select(delivery.c.number, destination.c.name.label("destination"), delivery.c.state, delivery.c.created_at)
        .join(destination, destination.c.number == delivery.c.destination)
        .where(delivery.c.event.in_(events))
        .order_by(delivery.c.number)
    )
    return tuple(dict(one) for one in (await connection.execute(query)).mappings())


async def reveal_record(
    connection: AsyncConnection, number: int, operator: Operator, now: datetime
) -> RawContent | None:
    """The bytes of a record, for whoever says why: they may hold what is private. The audit row goes with them."""
    columns = (inbound_record.c.headers, inbound_record.c.raw)
    row = (await connection.execute(select(*columns).where(inbound_record.c.number == number))).one_or_none()
    if row is None:
        return None
    await write_action(connection, Action(operator.author, "reveal", "record", (number,), operator.reason), now)
    headers = codec.decode(row.headers) if row.headers else ()
    return RawContent(
        tuple((name, bytes.fromhex(value) if value is not None else None) for name, value in headers), row.raw
    )


def _views() -> Select[Any]:
    brand = func.coalesce(inbound_record.c.brand, job.c.brand).label("brand")
    columns = (inbound_record.c[name] for name in _PLAIN)
    return select(*columns, brand, job.c.held_by.label("held_by")).join(
        job, job.c.number == inbound_record.c.job, isouter=True
    )


def _view_from(row: Mapping[str, Any]) -> RecordView:
    members = dict(row)
    held_by = members.pop("held_by")
    parked_behind = members["state"] == "parked" and members["waits_id"] is None
    return RecordView(**members, behind=held_by if parked_behind else None)
