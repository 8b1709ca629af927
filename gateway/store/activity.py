"""Jobs and what happened to them, to be looked at: only reads, in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from gateway.core.job import Closure, JobStatus
from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.tables import appointment, delivery, destination, event, inbound_record, job, organization

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """A job in one line. `visits` counts its appointments, ended ones too."""

    number: int
    brand: str | None
    source: str
    external_id: str | None
    title: str
    organization: str
    status: JobStatus
    closure: Closure | None
    visits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event of a job's activity; `body` is canonical, without the texts of notes."""

    number: int
    job: int
    type: str
    occurred_at: datetime
    jobversion: int | None
    body: Mapping[str, Any]


async def list_jobs(connection: AsyncConnection) -> list[JobLine]:
    """All jobs, by brand, in the order in which they came."""
    visits = select(appointment.c.job, func.count().label("visits")).group_by(appointment.c.job).subquery()
    query = (
        select(job, organization.c.members, func.coalesce(visits.c.visits, 0).label("visits"))
        .join(organization, organization.c.number == job.c.organization)
        .outerjoin(visits, visits.c.job == job.c.number)
        .order_by(job.c.brand, job.c.number)
    )
    return [
        JobLine(
            number=row.number,
            brand=row.brand,
            source=row.source,
            external_id=row.external_id,
            title=codec.decode(row.state)["details"].get("title") or "",
            organization=codec.decode(row.members).get("name") or "",
            status=JobStatus(row.status),
            closure=Closure(row.closure) if row.closure else None,
            visits=row.visits,
        )
        for row in await connection.execute(query)
    ]


async def read_activity(connection: AsyncConnection, of: int | None = None) -> list[Happening]:
    """What happened to one job, or to all: newest first."""
    query = select(event).where(event.c.job.is_not(None))
    if of is not None:
        query = query.where(event.c.job == of)
    # What happened at one moment stands in the order in which it was decided.
    query = query.order_by(event.c.occurred_at.desc(), event.c.job, event.c.position.desc())
    return [
        Happening(
            number=row.number,
            job=row.job,
            type=row.type,
            occurred_at=row.occurred_at,
            jobversion=row.jobversion,
            body=codec.decode(row.body),
        )
        for row in await connection.execute(query)
    ]


async def count_outcomes(connection: AsyncConnection) -> Counter[tuple[str, str]]:
    """How many records ended in each state, for each reason ("" where there is none)."""
    record = inbound_record.c
    query = select(record.state, func.coalesce(record.reason, ""), func.count()).group_by(record.state, record.reason)
    return Counter({(state, reason): count for state, reason, count in (await connection.execute(query)).all()})


async def count_by_destination(connection: AsyncConnection) -> dict[str, Counter[str]]:
    """How many deliveries each destination has in each state, by its name."""
    query = (
        select(destination.c.name, delivery.c.state, func.count())
        .join(destination, destination.c.number == delivery.c.destination)
        .group_by(destination.c.name, delivery.c.state)
    )
    counted: dict[str, Counter[str]] = {}
    for name, state, count in (await connection.execute(query)).all():
        counted.setdefault(name, Counter())[state] += count
    return counted


async def count_happenings(connection: AsyncConnection) -> Counter[str]:
    """How many events of each type there are."""
    query = select(event.c.type, func.count()).group_by(event.c.type)
    counted: Counter[str] = Counter()
    for kind, count in (await connection.execute(query)).all():
        counted[kind] = count
    return counted


async def find_unmapped(connection: AsyncConnection) -> dict[str, str]:
    """By brand, one of the reasons that records wait for."""
    record = inbound_record.c
    query = select(record.brand, record.waits_text).where(record.state == "unmapped").order_by(record.number)
    return {brand: text for brand, text in (await connection.execute(query)).all() if brand and text}
