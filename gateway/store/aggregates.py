"""Loads and saves what a batch decides about: jobs with their visits, organizations, users, customers.

Every function works in the caller's transaction, takes and gives whole sets, and costs a fixed number of statements;
what is saved is written when the caller's `Writes` are made.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, or_, select, update

from gateway.store import codec
from gateway.store.columns import Number
from gateway.store.dialect import any_of, by_key, for_update, key_set, one_of
from gateway.store.given import encode_rows, given
from gateway.store.prepared import fetch_mappings
from gateway.store.tables import appointment, customer, job, organization, user

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Executable, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.job import Job, Visit
    from gateway.core.parties import Customer, Organization, User
    from gateway.store.bulk import Writes

VisitOfJob = tuple[int, int]


async def lock_jobs(connection: AsyncConnection, numbers: Iterable[int]) -> dict[int, Job]:
    """The jobs of these numbers, whole, locked in the order of their numbers until the transaction ends."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    dialect, keys = connection.dialect.name, {"keys": key_set(connection, wanted)}
    rows = await fetch_mappings(connection, by_key(dialect, job.c.number, lock=True), keys)
    visits: dict[int, list[Visit]] = {}
    for row in await fetch_mappings(connection, by_key(dialect, appointment.c.job), keys):
        visits.setdefault(row["job"], []).append(codec.visit_from(row))
    return {row["number"]: codec.job_from(row, visits.get(row["number"], ())) for row in rows}


def save_jobs(writes: Writes, before: Mapping[int, Job], after: Iterable[Job], now: datetime) -> None:
    """Writes new and changed jobs, and those of their visits that differ from `before`."""
    jobs = sorted(after, key=lambda changed: changed.number)
    rows = [codec.job_row(changed, now) for changed in jobs]
    writes.upsert(job, rows, kept=("source", "account", "organization", "external_id"))
    moved: list[codec.Row] = []
    for changed in jobs:
        old = before.get(changed.number)
        held = set(map(id, old.visits)) if old else set()
        moved.extend(codec.visit_row(changed.number, visit) for visit in changed.visits if id(visit) not in held)
    writes.upsert(appointment, moved, kept=("job",))


def save_sent(writes: Writes, jobs: Iterable[Job]) -> None:
    """Writes what was sent of locked jobs, and how far their events are counted: nothing was decided about them."""
    rows = [codec.sent_row(one) for one in sorted(jobs, key=lambda one: one.number)]
    if rows:
        writes.add(_set_state(writes.dialect), encode_rows(writes.connection, rows))


@cache
def _set_state(dialect: str) -> Executable:
    rows = given(dialect, number=Number, version=job.c.version.type, state=Text())
    changed = {"version": rows.c.version, "state": rows.c.state}
    return update(job).where(job.c.number == rows.c.number).values(changed)


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
    query = by_key(connection.dialect.name, organization.c.number, lock=lock)
    rows = await fetch_mappings(connection, query, {"keys": key_set(connection, wanted)})
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
    query = _users(connection.dialect.name, lock=lock, keep=keep)
    keys = {"numbers": key_set(connection, wanted), "organizations": key_set(connection, whole)}
    rows = await fetch_mappings(connection, query, keys)
    return {row["number"]: codec.user_from(row) for row in rows}


@cache
def _users(dialect: str, *, lock: bool, keep: bool) -> Select[Any]:
    named, of_whole = one_of(dialect, user.c.number, "numbers"), one_of(dialect, user.c.organization, "organizations")
    query = select(user).where(or_(named, of_whole)).order_by(user.c.number)
    return for_update(dialect, query, shared=not lock) if lock or keep else query


async def load_customers(connection: AsyncConnection, numbers: Iterable[int]) -> dict[int, Customer]:
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    query = by_key(connection.dialect.name, customer.c.number)
    rows = await fetch_mappings(connection, query, {"keys": key_set(connection, wanted)})
    return {row["number"]: codec.customer_from(row) for row in rows}


def save_organizations(writes: Writes, changed: Iterable[Organization]) -> None:
    rows = [codec.organization_row(one) for one in sorted(changed, key=lambda one: one.number)]
    for row in rows:
        row["receipts"] = "problems"
    writes.upsert(organization, rows, kept=("receipts", "handle"))


def save_users(writes: Writes, changed: Iterable[User]) -> None:
    writes.upsert(user, [codec.user_row(one) for one in sorted(changed, key=lambda one: one.number)])


def save_customers(writes: Writes, changed: Iterable[Customer]) -> None:
    writes.upsert(customer, [codec.customer_row(one) for one in sorted(changed, key=lambda one: one.number)])


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
