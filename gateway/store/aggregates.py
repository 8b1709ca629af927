"""Loads and saves what a batch decides about: jobs with their visits, organizations, users, customers.

Every function works in the caller's transaction, takes and gives whole sets, and costs a fixed number of statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from gateway.store import codec
from gateway.store.bulk import upsert
from gateway.store.dialect import any_of, for_update
from gateway.store.tables import appointment, customer, job, organization, user

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.job import Job, Visit
    from gateway.core.parties import Customer, Organization, User

VisitOfJob = tuple[int, int]


async def lock_jobs(connection: AsyncConnection, numbers: Iterable[int]) -> dict[int, Job]:
    """The jobs of these numbers, whole, locked in the order of their numbers until the transaction ends."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    query = select(job).where(any_of(connection, job.c.number, wanted)).order_by(job.c.number)
    rows = (await connection.execute(for_update(connection, query))).mappings().all()
    visits: dict[int, list[Visit]] = {}
    query = select(appointment).where(any_of(connection, appointment.c.job, wanted)).order_by(appointment.c.number)
    for row in (await connection.execute(query)).mappings():
        visits.setdefault(row["job"], []).append(codec.visit_from(row))
    return {row["number"]: codec.job_from(row, visits.get(row["number"], ())) for row in rows}


async def save_jobs(
    connection: AsyncConnection, before: Mapping[int, Job], after: Iterable[Job], now: datetime
) -> None:
    """Writes new and changed jobs, and those of their visits that differ from `before`."""
    jobs = sorted(after, key=lambda changed: changed.number)
    rows = [codec.job_row(changed, now) for changed in jobs]
    await upsert(connection, job, rows, kept=("source", "account", "organization", "external_id"))
    moved: list[codec.Row] = []
    for changed in jobs:
        old = before.get(changed.number)
        held = set(map(id, old.visits)) if old else set()
        moved.extend(codec.visit_row(changed.number, visit) for visit in changed.visits if id(visit) not in held)
    await upsert(connection, appointment, moved, kept=("job",))


async def find_jobs_of_appointments(connection: AsyncConnection, numbers: Iterable[int]) -> dict[int, int]:
    """The job of each of these appointments."""
    query = select(appointment.c.number, appointment.c.job).where(any_of(connection, appointment.c.number, numbers))
    return {row.number: row.job for row in await connection.execute(query)}


async def load_organizations(
    connection: AsyncConnection, numbers: Iterable[int], changing: Iterable[int] = ()
) -> dict[int, Organization]:
    """The organizations of these numbers; those that are about to be changed are locked."""
    return await _read_organizations(connection, changing, lock=True) | await _read_organizations(
        connection, set(numbers) - set(changing), lock=False
    )


async def _read_organizations(
    connection: AsyncConnection, numbers: Iterable[int], *, lock: bool
) -> dict[int, Organization]:
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    query = select(organization).where(any_of(connection, organization.c.number, wanted))
    query = query.order_by(organization.c.number)
    rows = (await connection.execute(for_update(connection, query) if lock else query)).mappings()
    return {row["number"]: codec.organization_from(row) for row in rows}


async def load_users(
    connection: AsyncConnection,
    numbers: Iterable[int],
    all_of: Iterable[int] = (),
    *,
    lock: bool = False,
    keep: bool = False,
) -> dict[int, User]:
    """The users of these numbers, and all users of the organizations `all_of`.

    `lock`: they are about to be changed. `keep`: nobody else changes them who locks them, until the transaction ends.
    """
    wanted, whole = sorted(set(numbers)), sorted(set(all_of))
    if not wanted and not whole:
        return {}
    chosen = any_of(connection, user.c.number, wanted)
    if whole:
        chosen = or_(chosen, any_of(connection, user.c.organization, whole))
    query = select(user).where(chosen).order_by(user.c.number)
    if lock or keep:
        query = for_update(connection, query, shared=not lock)
    rows = (await connection.execute(query)).mappings()
    return {row["number"]: codec.user_from(row) for row in rows}


async def load_customers(connection: AsyncConnection, numbers: Iterable[int]) -> dict[int, Customer]:
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    query = select(customer).where(any_of(connection, customer.c.number, wanted))
    return {row["number"]: codec.customer_from(row) for row in (await connection.execute(query)).mappings()}


async def save_organizations(connection: AsyncConnection, changed: Iterable[Organization]) -> None:
    rows = [codec.organization_row(one) for one in sorted(changed, key=lambda one: one.number)]
    for row in rows:
        row["receipts"] = "problems"
    await upsert(connection, organization, rows, kept=("receipts", "handle"))


async def save_users(connection: AsyncConnection, changed: Iterable[User]) -> None:
    await upsert(connection, user, [codec.user_row(one) for one in sorted(changed, key=lambda one: one.number)])


async def save_customers(connection: AsyncConnection, changed: Iterable[Customer]) -> None:
    rows = [codec.customer_row(one) for one in sorted(changed, key=lambda one: one.number)]
    await upsert(connection, customer, rows)


async def find_visits_not_begun(connection: AsyncConnection, technicians: Iterable[int]) -> dict[int, list[VisitOfJob]]:
    """By technician, (appointment, job) of every scheduled visit of theirs."""
    wanted = sorted(set(technicians))
    if not wanted:
        return {}
    query = (
        select(appointment.c.technician, appointment.c.number, appointment.c.job)
        .where(any_of(connection, appointment.c.technician, wanted), appointment.c.status == "scheduled")
        .order_by(appointment.c.number)
    )
    found: dict[int, list[VisitOfJob]] = {}
    for technician, number, of in await connection.execute(query):
        found.setdefault(technician, []).append((number, of))
    return found
