"""Jobs and all that is theirs, as callers read them: by keys, page by page, without a lock.

A page goes on after the last row of the one before it, never by counting rows: what comes in meanwhile moves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, or_, select

from gateway.core.sandbox import MARK
from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.store import codec
from gateway.store.claim_statements import OF_EVENT
from gateway.store.claims import event_from
from gateway.store.dialect import any_of
from gateway.store.tables import appointment, event, job, organization, reference

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement, RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.document import StoredEvent
    from gateway.core.ids import Ref
    from gateway.core.job import Job, Visit
    from gateway.core.viewing import Viewer


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A job whole, the name of its organization, and when it was saved last."""

    job: Job
    organization: str
    changed_at: datetime


class Logged(NamedTuple):
    """An event, its place among the events of its job, and who of the organization did it."""

    event: StoredEvent
    position: int
    by_user: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs: every member that is given must fit."""

    status: str | None = None
    closure: str | None = None
    external_id: str | None = None
    changed_since: datetime | None = None


async def find_number_of(connection: AsyncConnection, ref: Ref) -> int | None:
    """What a sender's own id stands for."""
    query = select(reference.c.number).where(
        reference.c.external_id == ref.external_id,
        reference.c.source == ref.source,
        reference.c.kind == ref.kind.value,
    )
    number: int | None = (await connection.execute(query)).scalar_one_or_none()
    return number


async def find_job(connection: AsyncConnection, number: int) -> KeptJob | None:
    """The job of that number."""
    found = await _load(connection, job.c.number == number, 1)
    return found[0] if found else None


async def list_jobs_of(
    connection: AsyncConnection, viewer: Viewer, wanted: Wanted, *, before: int | None, limit: int
) -> list[KeptJob]:
    """The viewer's jobs below the number `before`, the newest first. Whose they are, `sight_of` says the same way."""
    conditions = [_theirs(viewer)]
    if before is not None:
        conditions.append(job.c.number < before)
    if wanted.status is not None:
        conditions.append(job.c.status == wanted.status)
    if wanted.closure is not None:
        conditions.append(job.c.closure == wanted.closure)
    if wanted.external_id is not None:
        conditions.append(job.c.external_id == wanted.external_id)
    if wanted.changed_since is not None:
        conditions.append(job.c.updated_at >= wanted.changed_since)
    return await _load(connection, and_(*conditions), limit)


def _theirs(viewer: Viewer) -> ColumnElement[bool]:
    tests = job.c.source.endswith(MARK)
    same_world = tests if viewer.tests else ~tests
    if viewer.audience is Audience.ENTERPRISE:
        theirs = and_(job.c.account == viewer.account, same_world)
        return theirs if viewer.brand is None else and_(theirs, job.c.brand == viewer.brand)
    assigned = select(appointment.c.number).where(
        appointment.c.job == job.c.number, appointment.c.technician == viewer.technician
    )
    theirs = and_(job.c.organization == viewer.organization, same_world)
    return theirs if viewer.technician is None else and_(theirs, assigned.exists())


async def _load(connection: AsyncConnection, condition: ColumnElement[bool], limit: int) -> list[KeptJob]:
    query = (
        select(job, organization.c.handle, organization.c.members)
        .join(organization, organization.c.number == job.c.organization)
        .where(condition)
        .order_by(job.c.number.desc())
        .limit(limit)
    )
    rows = (await connection.execute(query)).mappings().all()
    if not rows:
        return []
    visits: dict[int, list[Visit]] = {}
    of_them = any_of(connection, appointment.c.job, [row["number"] for row in rows])
    for row in (await connection.execute(select(appointment).where(of_them).order_by(appointment.c.number))).mappings():
        visits.setdefault(row["job"], []).append(codec.visit_from(row))
    return [
        KeptJob(codec.job_from(row, visits.get(row["number"], ())), _name_of(row), row["updated_at"]) for row in rows
    ]


def _name_of(row: RowMapping) -> str:
    name = codec.decode(row["members"]).get("name")
    return name if isinstance(name, str) else row["handle"]


async def list_events_of(
    connection: AsyncConnection,
    number: int,
    kinds: Collection[str],
    *,
    before: tuple[datetime, int] | None,
    limit: int,
) -> list[Logged]:
    """Events of these kinds of the job `number`, the newest first, after the moment and position `before`.

    What happened at one moment stands in the order in which it was decided.
    """
    query = (
        select(event.c.position, event.c.by_user, *(event.c[name] for name in OF_EVENT))
        .where(event.c.job == number, event.c.type.in_(sorted(kinds)))
        .order_by(event.c.occurred_at.desc(), event.c.position.desc())
        .limit(limit)
    )
    if before is not None:
        moment, position = before
        earlier = event.c.occurred_at < moment
        query = query.where(or_(earlier, and_(event.c.occurred_at == moment, event.c.position < position)))
    rows = await connection.execute(query)
    return [Logged(event_from(of_event), position, by_user) for position, by_user, *of_event in rows]
