"""Freezes what an operator selects: what was seen is what is done, whatever comes to fit the selection later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, case, cast, func, insert, literal, null, select, union_all

from gateway.core.document import stamp
from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.store import codec
from gateway.store.columns import Number
from gateway.store.dialect import any_of
from gateway.store.operations import Terms, open_operation, seal
from gateway.store.redelivering import ByVersion, has_later
from gateway.store.releasing import MAY_BE_REQUEUED
from gateway.store.states import OWED
from gateway.store.tables import delivery, destination, event, inbound_record
from gateway.store.tables_control import operation_item

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import CTE, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.deliveries import Operator
    from gateway.store.operations import Verb

MOST = 1_000_000
_NOWHERE: ColumnElement[Any] = cast(null(), Number).label("destination")


class OperationKind(StrEnum):
    """What an operator can do to a selection."""

    REOPEN = "reopen"
    REDELIVER = "redeliver"
    SKIP = "skip"
    REQUEUE = "requeue"


# Which states each kind is for: what stands otherwise is not selected.
FITTING: Mapping[OperationKind, tuple[str, ...]] = {
    OperationKind.REOPEN: ("dead",),
    OperationKind.REDELIVER: ("delivered",),
    OperationKind.SKIP: OWED,
    OperationKind.REQUEUE: MAY_BE_REQUEUED,
}


class Unselected(StrEnum):
    """Why nothing was frozen. Values are stable."""

    EVERYTHING = "selects_everything"
    NOTHING = "selects_nothing"
    TOO_MUCH = "selects_too_much"
    UNKNOWN_DESTINATION = "unknown_destination"
    WRONG_STATE = "wrong_state"
    NOT_FOR_RECORDS = "not_for_records"
    # Only a redelivery can be rendered by another version than the one that decided.
    ONLY_FOR_REDELIVERIES = "only_for_redeliveries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows: every member that is given must fit. `since` and `until` are about the last thing that became of it:
    when it was settled, or else made.
    """

    numbers: tuple[int, ...] = ()
    brand: str | None = None
    destination: str | None = None
    states: tuple[str, ...] = ()
    reason: str | None = None
    job: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_whole(self) -> bool:
        narrowing = (self.brand, self.destination, self.reason, self.job, self.since, self.until)
        return not self.numbers and all(one is None for one in narrowing)


async def freeze(
    connection: AsyncConnection,
    kind: OperationKind,
    selection: Selection,
    operator: Operator,
    now: datetime,
    *,
    version: ByVersion = ByVersion.DECIDED,
) -> int | Unselected:
    """Freezes an operation over what fits, in the caller's transaction; its number, or why there is none.

    A redelivery of what is not its job's latest happening on a destination that does not understand versions, and what
    is dead on a relaxed one, become one snapshot for each job and destination. `version` renders what is redelivered:
    which one is in force is asked when it is done.
    """
    if version is ByVersion.ACTIVE and kind is not OperationKind.REDELIVER:
        return Unselected.ONLY_FOR_REDELIVERIES
    verb: Verb = "redeliver_by_active" if version is ByVersion.ACTIVE else kind.value
    flaw = await _find_flaw(connection, kind, selection)
    if flaw is not None:
        return flaw
    if kind is OperationKind.REQUEUE:
        found = _records(connection, selection)
    else:
        found = await _deliveries(connection, kind, verb, selection)
    some = select(found.c.at).limit(MOST + 1).subquery()
    counted = select(func.count(), func.min(some.c.at)).select_from(some)
    [selected, oldest] = (await connection.execute(counted)).one()
    if not selected:
        return Unselected.NOTHING
    if selected > MOST:
        return Unselected.TOO_MUCH
    number = await open_operation(connection, verb, Terms(), operator, now)
    names = ["operation", "ordinal", "verb", "subject", "destination", "state"]
    await connection.execute(insert(operation_item).from_select(names, _items(found, number), include_defaults=False))
    about = {"selected": selected, "oldest": stamp(oldest.astimezone(UTC))}
    await seal(connection, number, verb, about, operator, now)
    return number


async def _find_flaw(connection: AsyncConnection, kind: OperationKind, selection: Selection) -> Unselected | None:
    if selection.is_whole:
        return Unselected.EVERYTHING
    if not set(selection.states) <= set(FITTING[kind]):
        return Unselected.WRONG_STATE
    if selection.destination is None:
        return None
    if kind is OperationKind.REQUEUE:
        return Unselected.NOT_FOR_RECORDS
    named = select(destination.c.number).where(destination.c.name == selection.destination)
    known = (await connection.execute(named)).one_or_none()
    return Unselected.UNKNOWN_DESTINATION if known is None else None


def _items(found: CTE, number: int) -> Select[Any]:
    """The rows of the operation, job by job and each in its order; what is told whole is told once."""
    plain = select(found.c.verb, found.c.number.label("subject"), _NOWHERE, found.c.lane)
    plain = plain.add_columns(found.c.position).where(found.c.verb != "snapshot")
    whole = select(found.c.verb, found.c.lane.label("subject"), found.c.destination, found.c.lane)
    whole = whole.add_columns(literal(0).label("position")).where(found.c.verb == "snapshot").distinct()
    both = union_all(plain, whole).subquery("both")
    ordinal = func.row_number().over(order_by=(both.c.lane, both.c.position, both.c.subject, both.c.destination))
    columns = (both.c.verb, both.c.subject, both.c.destination, literal("waiting"))
    return select(literal(number), ordinal, *columns)


async def _deliveries(connection: AsyncConnection, kind: OperationKind, verb: Verb, selection: Selection) -> CTE:
    at = func.coalesce(delivery.c.settled_at, delivery.c.created_at, type_=delivery.c.created_at.type)
    conditions = [delivery.c.state.in_(selection.states or FITTING[kind]), *_times(at, selection)]
    if selection.numbers:
        conditions.append(any_of(connection, delivery.c.number, selection.numbers))
    if selection.brand is not None:
        conditions.append(event.c.brand == selection.brand)
    if selection.destination is not None:
        conditions.append(destination.c.name == selection.destination)
    if selection.reason is not None:
        conditions.append(delivery.c.reason == selection.reason)
    if selection.job is not None:
        conditions.append(event.c.job == selection.job)
    done = await _verb(connection, kind, verb)
    query = (
        select(delivery.c.number, delivery.c.destination, delivery.c.lane, delivery.c.position, at.label("at"))
        .add_columns(done.label("verb"))
        .join(event, event.c.number == delivery.c.event)
        .join(destination, destination.c.number == delivery.c.destination)
        .where(*conditions)
    )
    return query.cte("found")


async def _verb(connection: AsyncConnection, kind: OperationKind, verb: Verb) -> ColumnElement[Any]:
    """What is done to each: `verb`, or a snapshot where that would go back in time."""
    takes_snapshots = (event.c.job.is_not(None), destination.c.audience != Audience.CUSTOMER.value)
    if kind is OperationKind.REOPEN:
        return case(((~destination.c.strict) & takes_snapshots[0] & takes_snapshots[1], "snapshot"), else_=verb)
    if kind is not OperationKind.REDELIVER:
        return literal(verb)
    rows = await connection.execute(select(destination.c.number, destination.c.settings))
    understanding = [row.number for row in rows if codec.decode(row.settings).get("understands_versions", False)]
    understands = any_of(connection, delivery.c.destination, understanding)
    goes_back = takes_snapshots[0] & takes_snapshots[1] & has_later()
    return case((understands, verb), (goes_back, "snapshot"), else_=verb)


def _records(connection: AsyncConnection, selection: Selection) -> CTE:
    record = inbound_record.c
    at = func.coalesce(record.settled_at, record.received_at, type_=record.received_at.type)
    states = selection.states or FITTING[OperationKind.REQUEUE]
    conditions = [record.state.in_(states), *_times(at, selection)]
    if selection.numbers:
        conditions.append(any_of(connection, record.number, selection.numbers))
    for column, value in ((record.brand, selection.brand), (record.reason, selection.reason)):
        if value is not None:
            conditions.append(column == value)
    if selection.job is not None:
        conditions.append(record.job == selection.job)
    columns = (record.number, _NOWHERE, literal(0).label("lane"), record.number.label("position"))
    return select(*columns, at.label("at"), literal("requeue").label("verb")).where(*conditions).cte("found")


def _times(at: ColumnElement[Any], selection: Selection) -> list[ColumnElement[bool]]:
    conditions = []
    if selection.since is not None:
        conditions.append(at >= selection.since)
    if selection.until is not None:
        conditions.append(at < selection.until)
    return conditions
