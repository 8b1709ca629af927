"""Conservation: what came in and what is owed, counted at the doors, against the rows in their states.

Everything is read in the caller's transaction: run it in a snapshot, and a running gateway balances too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from sqlalchemy import func, literal, select, union_all

from gateway.core.values import dataclass
from gateway.store.delivery_queries import count_deliveries, count_owed
from gateway.store.states import is_owed
from gateway.store.tables import delivery, destination, event, inbound_record, intake, lane
from gateway.store.tables_control import retired_total

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

# How many lanes or gaps are named; all are counted.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Flow:
    """`total` is what was counted at the doors, `states` the rows, those that retention removed included."""

    total: int
    states: Mapping[str, int]

    @property
    def difference(self) -> int:
        return self.total - sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets of one partition that were never counted in; negative where more was counted than there are offsets."""

    topic: str
    partition: int
    after: int
    missing: int


@dataclass(frozen=True, slots=True)
class Drift:
    """A lane whose counter is not the number of its owed deliveries."""

    destination: str
    lane: int
    too_many: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """`gaps` and `drifts` name the first few; `missing` and `drifting` count all of them."""

    inbound: Flow
    outbound: Flow
    missing: int
    gaps: tuple[Gap, ...]
    drifting: int
    drifts: tuple[Drift, ...]

    @property
    def difference(self) -> int:
        """Everything that does not agree, added up; 0 where all does."""
        return abs(self.inbound.difference) + abs(self.outbound.difference) + self.missing + self.drifting


@dataclass(slots=True)
class BrandCounts:
    """One brand's rows by state, and what its events owe. Nobody counts records by brand at a door."""

    inbound: Counter[str] = field(default_factory=Counter)
    outbound: Counter[str] = field(default_factory=Counter)
    owed: int = 0


async def read_ledger(connection: AsyncConnection) -> Ledger:
    """The whole ledger."""
    gaps = await _find_gaps(connection)
    drifting, drifts = await _find_drifts(connection)
    return Ledger(
        inbound=await _inbound(connection),
        outbound=Flow(await count_owed(connection), dict(sorted((await count_deliveries(connection)).items()))),
        missing=sum(abs(gap.missing) for gap in gaps),
        gaps=tuple(gaps[:NAMED]),
        drifting=drifting,
        drifts=drifts,
    )


async def _inbound(connection: AsyncConnection) -> Flow:
    counted = select(func.coalesce(func.sum(intake.c.count), 0))
    record = inbound_record.c
    rows = select(record.state, func.count()).group_by(record.state)
    retired = select(retired_total.c.state, retired_total.c.count).where(retired_total.c.flow == "inbound")
    states: Counter[str] = Counter()
    for query in (rows, retired):
        for state, count in (await connection.execute(query)).all():
            states[state] += count
    # The counts of the doors are never lowered: what retention removed stays counted there.
    return Flow(int((await connection.execute(counted)).scalar_one()), dict(sorted(states.items())))


async def _find_gaps(connection: AsyncConnection) -> list[Gap]:
    """Walks each partition's runs in the order taken in; one that begins lower is a topic made anew."""
    query = select(intake).where(intake.c.first_offset.is_not(None))
    query = query.order_by(intake.c.door, intake.c.partition, intake.c.taken_at, intake.c.first_offset)
    gaps = []
    end: dict[tuple[str, int], int] = {}
    for row in await connection.execute(query):
        key = (row.door, row.partition)
        before = end.get(key)
        between = row.first_offset - before - 1 if before is not None and row.first_offset > before else 0
        missing = between + (row.last_offset - row.first_offset + 1) - row.count
        if missing:
            gaps.append(Gap(row.door, row.partition, row.first_offset if before is None else before, missing))
        end[key] = row.last_offset
    return gaps


async def _find_drifts(connection: AsyncConnection) -> tuple[int, tuple[Drift, ...]]:
    owed = (
        select(delivery.c.destination, delivery.c.lane.label("key"), literal(-1).label("count"))
        .join(destination, destination.c.number == delivery.c.destination)
        .where(is_owed(delivery.c.state, destination.c.strict))
    )
    both = union_all(select(lane.c.destination, lane.c.key, lane.c.owed.label("count")), owed).subquery()
    too_many = func.sum(both.c.count).label("too_many")
    wrong = select(both.c.destination, both.c.key, too_many).group_by(both.c.destination, both.c.key)
    drifting = wrong.having(too_many != 0).subquery()
    query = (
        select(destination.c.name, drifting.c.key, drifting.c.too_many, func.sum(func.abs(drifting.c.too_many)).over())
        .join(destination, destination.c.number == drifting.c.destination)
        .order_by(destination.c.name, drifting.c.key)
        .limit(NAMED)
    )
    rows = (await connection.execute(query)).all()
    drifts = tuple(Drift(name, key, int(count)) for name, key, count, _ in rows)
    return (int(rows[0][3]) if rows else 0), drifts


async def count_by_door(connection: AsyncConnection) -> dict[str, Flow]:
    """Each door's count against its rows that are still there."""
    counted = select(intake.c.door, func.sum(intake.c.count)).group_by(intake.c.door)
    record = inbound_record.c
    rows = select(record.door, record.state, func.count()).group_by(record.door, record.state)
    totals = {door: int(count) for door, count in (await connection.execute(counted)).all()}
    states: dict[str, dict[str, int]] = {door: {} for door in totals}
    for door, state, count in (await connection.execute(rows)).all():
        states.setdefault(door, {})[state] = count
    return {door: Flow(totals.get(door, 0), dict(sorted(found.items()))) for door, found in sorted(states.items())}


async def count_by_brand(connection: AsyncConnection) -> dict[str, BrandCounts]:
    """Each brand's records and deliveries by state, with what its events owe; under "" what belongs to none."""
    record = inbound_record.c
    brands: dict[str, BrandCounts] = {}
    rows = select(record.brand, record.state, func.count()).group_by(record.brand, record.state)
    for brand, state, count in (await connection.execute(rows)).all():
        brands.setdefault(brand or "", BrandCounts()).inbound[state] += count
    owed = select(event.c.brand, func.sum(event.c.recipients)).group_by(event.c.brand)
    # What operations made is counted as a whole (`read_ledger`), by brand from the rows alone.
    made = select(event.c.brand, func.count()).join(delivery, delivery.c.event == event.c.number)
    made = made.where(delivery.c.operation.is_not(None)).group_by(event.c.brand)
    for query in (owed, made):
        for brand, count in (await connection.execute(query)).all():
            brands.setdefault(brand or "", BrandCounts()).owed += int(count)
    sent = select(event.c.brand, delivery.c.state, func.count()).join(event, event.c.number == delivery.c.event)
    for brand, state, count in (await connection.execute(sent.group_by(event.c.brand, delivery.c.state))).all():
        brands.setdefault(brand or "", BrandCounts()).outbound[state] += count
    return dict(sorted(brands.items()))
