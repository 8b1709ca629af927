"""Deliveries as people look at them: lists, one with its history, and counts for the ledger."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, or_, select

from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.store import codec
from gateway.store.tables import attempt, delivery, destination, event
from gateway.store.tables_control import operation, operator_action, retired_total

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection


class DeliveryState(StrEnum):
    """What may have become of a delivery."""

    PENDING = "pending"
    HELD = "held"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    DEAD = "dead"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """One delivery with the names that people know it by. `profile_version` renders it, if it is a brand's."""

    number: int
    destination: str
    brand: str | None
    job: int | None
    event: int
    event_type: str
    jobversion: int | None
    previous: int | None
    profile_version: int | None
    state: str
    reason: str | None
    detail: str | None
    waits_kind: str | None
    waits_text: str | None
    attempts: int
    retries: int
    due_at: datetime | None
    created_at: datetime
    settled_at: datetime | None
    superseded_by: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedView:
    """An event that nobody is owed. `unmatched`: why, by the name of each destination that could have had it."""

    number: int
    type: str
    job: int | None
    brand: str | None
    profile_version: int | None
    occurred_at: datetime
    recorded_at: datetime
    unmatched: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryHistory:
    """One delivery, the tries that did not simply succeed, and what operators did to it; both in order."""

    delivery: DeliveryView
    attempts: tuple[Mapping[str, Any], ...]
    actions: tuple[Mapping[str, Any], ...]


async def list_deliveries(
    connection: AsyncConnection,
    *,
    states: Collection[str] = (),
    destination_name: str | None = None,
    brand: str | None = None,
    job: int | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[DeliveryView]:
    """Deliveries in order of their numbers, those after `after`; every filter given must fit."""
    query = _views().where(delivery.c.number > after).order_by(delivery.c.number).limit(limit)
    if states:
        query = query.where(delivery.c.state.in_(sorted(states)))
    if destination_name is not None:
        query = query.where(destination.c.name == destination_name)
    if brand is not None:
        query = query.where(event.c.brand == brand)
    if job is not None:
        query = query.where(event.c.job == job)
    return [DeliveryView(**row) for row in (await connection.execute(query)).mappings()]


async def find_delivery(connection: AsyncConnection, number: int) -> DeliveryHistory | None:
    """One delivery with its history."""
    row = (await connection.execute(_views().where(delivery.c.number == number))).mappings().one_or_none()
    if row is None:
        return None
    tries = select(attempt).where(attempt.c.delivery == number).order_by(attempt.c.ordinal)
    # Numbers are kept as a JSON list.
    patterns = (f"[{number}]", f"[{number},%", f"%,{number},%", f"%,{number}]")
    named = or_(*(operator_action.c.numbers.like(pattern) for pattern in patterns))
    done = select(operator_action).where(operator_action.c.subject == "delivery", named)
    actions = (await connection.execute(done.order_by(operator_action.c.number))).mappings().all()
    return DeliveryHistory(
        delivery=DeliveryView(**row),
        attempts=tuple(dict(one) for one in (await connection.execute(tries)).mappings()),
        actions=tuple({**one, "numbers": codec.decode(one["numbers"])} for one in actions),
    )


async def list_unmatched(
    connection: AsyncConnection, *, brand: str | None = None, after: int = 0, limit: int = 100
) -> list[UnmatchedView]:
    """Events that nobody is owed though somebody could be told of them: in order of their numbers, after `after`."""
    names = ("number", "type", "job", "brand", "profile_version", "occurred_at", "recorded_at", "unmatched")
    query = select(*(event.c[name] for name in names)).where(event.c.unmatched.is_not(None), event.c.number > after)
    if brand is not None:
        query = query.where(event.c.brand == brand)
    rows = (await connection.execute(query.order_by(event.c.number).limit(limit))).mappings()
    return [UnmatchedView(**{**row, "unmatched": codec.decode(row["unmatched"])}) for row in rows]


async def count_deliveries(connection: AsyncConnection) -> dict[str, int]:
    """How many deliveries are in each state, those that retention removed included."""
    counted = select(delivery.c.state, func.count()).group_by(delivery.c.state)
    retired = select(retired_total.c.state, retired_total.c.count).where(retired_total.c.flow == "outbound")
    counts: Counter[str] = Counter()
    for query in (counted, retired):
        for state, count in (await connection.execute(query)).all():
            counts[state] += count
    return counts


async def count_owed(connection: AsyncConnection) -> int:
    """How many deliveries there must be: the recipients of all events, and what operations made."""
    recipients = (await connection.execute(select(func.coalesce(func.sum(event.c.recipients), 0)))).scalar_one()
    made = (await connection.execute(select(func.coalesce(func.sum(operation.c.made), 0)))).scalar_one()
    retired = select(func.coalesce(func.sum(retired_total.c.count), 0)).where(retired_total.c.flow == "outbound")
    return int(recipients) + int(made) + int((await connection.execute(retired)).scalar_one())


def _views() -> Select[Any]:
    columns = ("number", "event", "previous", "state", "reason", "detail", "attempts", "retries")
    waits = ("waits_kind", "waits_text")
    moments = ("due_at", "created_at", "settled_at", "superseded_by")
    version = func.coalesce(delivery.c.profile_version, event.c.profile_version)
    is_brands = destination.c.audience == Audience.ENTERPRISE.value
    return (
        select(
            *(delivery.c[name] for name in (*columns, *waits, *moments)),
            destination.c.name.label("destination"),
            event.c.brand,
            event.c.job,
            event.c.type.label("event_type"),
            event.c.jobversion,
            case((is_brands, version)).label("profile_version"),
        )
        .join(event, event.c.number == delivery.c.event)
        .join(destination, destination.c.number == delivery.c.destination)
    )
