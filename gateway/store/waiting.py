"""Parked records: which of them may be decided, in the order received, and which are left for later.

A reference that has a number and is still `waiting` has records left on it: later ones wait behind them. A job's
are left behind the job: it is held by one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, func, select, update

from gateway.core.ids import Kind, Ref
from gateway.core.outcomes import Why
from gateway.store.dialect import any_of, for_update
from gateway.store.given import encode_rows, given
from gateway.store.inbox import record_from
from gateway.store.states import is_any
from gateway.store.tables import inbound_record, job, reference

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import Column, ColumnElement, FromClause, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.inbox import RecordRow

_PARKED = ("parked",)
_HOLDS = ("unmapped", "requeued")


@dataclass(frozen=True, slots=True)
class Ready:
    """What records are parked on though nothing is missing: references with a number; jobs, with who holds them."""

    refs: frozenset[Ref] = frozenset()
    jobs: Mapping[int, int | None] = field(default_factory=dict)


# When a record was received, and its number: what orders those that wait.
Turn = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Left:
    """What more records wait on than were asked for; with each, the first of these."""

    refs: Mapping[Ref, Turn]
    jobs: Mapping[int, Turn]


async def find_waiting(
    connection: AsyncConnection, refs: Collection[Ref], jobs: Collection[int], limit: int
) -> list[RecordRow]:
    """The first `limit` parked records that wait for one of `refs`, or behind what holds one of `jobs`.

    In the order received. Locked: they are about to be decided, by nobody else.
    """
    record = inbound_record.c
    found: list[RecordRow] = []
    if refs and limit > 0:
        asked = {**_encoded(connection, dict.fromkeys(refs)), "most": limit}
        rows = await connection.execute(_on_references(connection.dialect.name), asked)
        found += [record_from(row) for row in rows.mappings()]
    if jobs and limit > 0:
        behind = (
            is_any(record.state, _PARKED),
            any_of(connection, record.job, sorted(jobs)),
            record.waits_id.is_(None),
        )
        query = select(inbound_record).where(*behind).order_by(record.received_at, record.number).limit(limit)
        found += [
            record_from(row)
            for row in (await connection.execute(for_update(connection.dialect.name, query))).mappings()
        ]
    return sorted(found, key=lambda row: (row.received_at, row.number))[:limit]


@cache
def _on_references(dialect: str) -> Select[tuple[object, ...]]:
    rows, record = _asked(dialect), inbound_record.c
    query = select(inbound_record).join_from(rows, inbound_record, _waits_for(rows))
    query = query.where(is_any(record.state, _PARKED)).order_by(record.received_at, record.number)
    query = query.limit(bindparam("most"))
    return query if dialect == "sqlite" else query.with_for_update(of=inbound_record)


def _asked(dialect: str) -> FromClause:
    key = reference.c
    return given(
        dialect, source=key.source.type, kind=key.kind.type, external_id=key.external_id.type, job=key.job.type
    )


def _waits_for(rows: FromClause) -> ColumnElement[bool]:
    record = inbound_record.c
    return and_(
        record.waits_source == rows.c.source,
        record.waits_kind == rows.c.kind,
        record.waits_id == rows.c.external_id,
    )


def _encoded(connection: AsyncConnection, refs: Mapping[Ref, int | None]) -> dict[str, str]:
    rows = [
        {"source": ref.source, "kind": ref.kind.value, "external_id": ref.external_id, "job": number}
        for ref, number in sorted(refs.items())
    ]
    return encode_rows(connection, rows)


async def find_left(
    connection: AsyncConnection, refs: Collection[Ref], jobs: Collection[int], found: Iterable[int]
) -> Left:
    """Which of `refs` and `jobs` more records wait on than those of the numbers `found`."""
    record = inbound_record.c
    more = (is_any(record.state, _PARKED), ~any_of(connection, record.number, sorted(found)))
    left_refs: dict[Ref, Turn] = {}
    left_jobs: dict[int, Turn] = {}
    if refs:
        rows = _asked(connection.dialect.name)
        key = (record.waits_source, record.waits_kind, record.waits_id)
        query = _first_of(key).join_from(rows, inbound_record, _waits_for(rows)).where(*more)
        waits = await connection.execute(_only_first(query), _encoded(connection, dict.fromkeys(refs)))
        for source, kind, external_id, received_at, number, _ in waits:
            left_refs[Ref(Kind(kind), source, external_id)] = (received_at, number)
    if jobs:
        mine = (any_of(connection, record.job, sorted(jobs)), record.waits_id.is_(None))
        behind = await connection.execute(_only_first(_first_of((record.job,)).where(*mine, *more)))
        left_jobs = {job: (received_at, number) for job, received_at, number, _ in behind}
    return Left(left_refs, left_jobs)


def _first_of(key: tuple[Column[Any], ...]) -> Select[Any]:
    record = inbound_record.c
    turn = func.row_number().over(partition_by=key, order_by=(record.received_at, record.number))
    return select(*key, record.received_at, record.number, turn.label("turn"))


def _only_first(query: Select[Any]) -> Select[Any]:
    ranked = query.subquery("ranked")
    return select(ranked).where(ranked.c.turn == 1)


async def leave_behind(connection: AsyncConnection, jobs: Mapping[Ref, int]) -> None:
    """What waits for each of these references waits behind its job from now on. The job's lock is the caller's."""
    if not jobs:
        return
    rows = _asked(connection.dialect.name)
    moved = update(inbound_record).where(_waits_for(rows), is_any(inbound_record.c.state, _PARKED))
    behind = {"waits_source": None, "waits_kind": None, "waits_id": None, "job": rows.c.job}
    await connection.execute(moved.values(**behind, reason=Why.JOB_HELD.value), _encoded(connection, jobs))


async def find_ready(connection: AsyncConnection, limit: int) -> Ready:
    """At most `limit` references and as many jobs that records are parked on for nothing, the longest waiting first."""
    record = inbound_record.c
    first = func.min(record.received_at)
    key = (record.waits_source, record.waits_kind, record.waits_id)
    same = and_(
        reference.c.external_id == record.waits_id,
        reference.c.source == record.waits_source,
        reference.c.kind == record.waits_kind,
    )
    query = select(*key).join(reference, same).where(is_any(record.state, _PARKED), reference.c.number.is_not(None))
    refs = await connection.execute(query.group_by(*key).order_by(first).limit(limit))
    holder = inbound_record.alias("holder")
    held = and_(holder.c.number == job.c.held_by, is_any(holder.c.state, _HOLDS))
    behind = (
        select(record.job, job.c.held_by)
        .join(job, job.c.number == record.job)
        .join(holder, held, isouter=True)
        .where(is_any(record.state, _PARKED), record.waits_id.is_(None), holder.c.number.is_(None))
    )
    jobs = await connection.execute(behind.group_by(record.job, job.c.held_by).order_by(first).limit(limit))
    return Ready(
        frozenset(Ref(Kind(row.waits_kind), row.waits_source, row.waits_id) for row in refs),
        {row.job: row.held_by for row in jobs},
    )
