"""Inbound records as people look at them: lists, one with its history, and its bytes for whoever says why."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, select

from gateway.core.outcomes import Why
from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.operators import Action, find_actions, write_action
from gateway.store.tables import delivery, destination, event, inbound_record, job

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.viewing import Viewer
    from gateway.store.deliveries import Operator
    from gateway.store.keys import Caller

_PLAIN = (
    *("number", "state", "reason", "field", "detail", "type", "source", "message_id", "job", "first"),
    *("door", "partition", "offset", "append_time", "arrived_at", "received_at", "settled_at"),
    *("waits_source", "waits_kind", "waits_id", "waits_text"),
)
_OF_EVENT = ("number", "type", "job", "jobversion", "profile_version", "occurred_at", "recorded_at", "recipients")


class RecordState(StrEnum):
    """What may have become of a record."""

    APPLIED = "applied"
    IGNORED = "ignored"
    REFUSED = "refused"
    PARKED = "parked"
    UNMAPPED = "unmapped"
    QUARANTINED = "quarantined"
    REQUEUED = "requeued"


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
    query = views().order_by(record.number.desc()).limit(limit)
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
    return [view_from(row) for row in (await connection.execute(query)).mappings()]


async def list_records_about(
    connection: AsyncConnection, job_number: int, viewer: Viewer, *, before: int | None, limit: int
) -> list[RecordView]:
    """What the viewer sent about a job, the newest first, below the number `before`."""
    record = inbound_record.c
    query = views().where(record.job == job_number, record.source == viewer.source)
    if viewer.technician is not None:
        query = query.where(record.by_user == viewer.technician)
    if before is not None:
        query = query.where(record.number < before)
    query = query.order_by(record.number.desc()).limit(limit)
    return [view_from(row) for row in (await connection.execute(query)).mappings()]


async def find_record(connection: AsyncConnection, number: int) -> RecordHistory | None:
    """One record with its history."""
    row = (await connection.execute(views().where(inbound_record.c.number == number))).mappings().one_or_none()
    if row is None:
        return None
    view = view_from(row)
    # By the index over (job, position); what made none has no job, and nothing equals 0.
    made = select(*(event.c[name] for name in _OF_EVENT)).where(
        event.c.record == number, event.c.job == (view.job or 0)
    )
    events = (await connection.execute(made.order_by(event.c.number))).mappings()
    receipts = await connection.execute(receipts_of(number))
    return RecordHistory(
        record=view,
        events=tuple(dict(one) for one in events),
        receipts=tuple(dict(one) for one in receipts.mappings()),
        actions=await find_actions(connection, "record", number),
    )


async def find_record_of(connection: AsyncConnection, number: int, caller: Caller) -> RecordView | None:
    """The record of that number, where it is among those that `caller` may see: its own, or its organization's."""
    query = views().where(inbound_record.c.number == number, inbound_record.c.source == caller.source)
    if caller.technician is not None:
        query = query.where(inbound_record.c.by_user == caller.technician)
    if caller.brand is not None:
        query = query.where(may_be_of(caller.brand))
    row = (await connection.execute(query)).mappings().one_or_none()
    return view_from(row) if row is not None else None


def receipts_of(number: int) -> Select[Any]:
    """What is owed of the receipts of record `number`: events without a job, which have an index of their own."""
    return (
        select(delivery.c.number, destination.c.name.label("destination"), delivery.c.state, delivery.c.created_at)
        .join(event, event.c.number == delivery.c.event)
        .join(destination, destination.c.number == delivery.c.destination)
        .where(event.c.record == number, event.c.job.is_(None))
        .order_by(delivery.c.number)
    )


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


def may_be_of(brand: str) -> ColumnElement[bool]:
    """Whether a record of `views` is of that brand's senders: it is of no other, as far as anybody can say."""
    told = func.coalesce(inbound_record.c.brand, job.c.brand)
    # A sender is not told whose a job is that is not its own.
    is_anothers = and_(inbound_record.c.brand.is_(None), inbound_record.c.reason == Why.NOT_YOUR_JOB.value)
    return or_(told.is_(None), told == brand, is_anothers)


def views() -> Select[Any]:
    """What `view_from` makes a record's view of."""
    brand = func.coalesce(inbound_record.c.brand, job.c.brand).label("brand")
    columns = (inbound_record.c[name] for name in _PLAIN)
    return select(*columns, brand, job.c.held_by.label("held_by")).join(
        job, job.c.number == inbound_record.c.job, isouter=True
    )


def view_from(row: Mapping[str, Any]) -> RecordView:
    """One row of `views`."""
    members = dict(row)
    held_by = members.pop("held_by")
    parked_behind = members["state"] == "parked" and members["waits_id"] is None
    return RecordView(**members, behind=held_by if parked_behind else None)
