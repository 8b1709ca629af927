"""What the booking pages read and count: whose page it is, how a booked job stands, how many came this hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from gateway.core.ids import Kind, Ref
from gateway.store import codec
from gateway.store.aggregates import load_organizations
from gateway.store.dialect import insert_into
from gateway.store.job_reads import find_job, find_number_of
from gateway.store.tables import organization
from gateway.store.tables_control import booking_count

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.job import Job
    from gateway.core.parties import Organization

# A job offered anew points at the one in its place; nobody is offered one job more often than that.
_MOST_REPLACED = 50


async def find_organization(connection: AsyncConnection, handle: str) -> Organization | None:
    """The organization of that handle."""
    query = select(organization).where(organization.c.handle == handle)
    row = (await connection.execute(query)).mappings().one_or_none()
    return codec.organization_from(row) if row is not None else None


async def find_booked(connection: AsyncConnection, source: str, booking: str) -> tuple[Job, Organization] | None:
    """The job that a booking of `source` has become, as it stands, and whose it is.

    Where it was offered anew to somebody else, the job in its place.
    """
    number = await find_number_of(connection, Ref(Kind.JOB, source, booking))
    found = await find_job(connection, number) if number is not None else None
    for _ in range(_MOST_REPLACED):
        if found is None or found.job.replaced_by is None:
            break
        found = await find_job(connection, found.job.replaced_by)
    if found is None:
        return None
    owners = await load_organizations(connection, [found.job.organization])
    return found.job, owners[found.job.organization]


async def count_booking(connection: AsyncConnection, subject: str, hour: int, most: int) -> bool:
    """Counts a booking of `subject` in that hour; False, and nothing is counted, where there were `most` already."""
    counting = insert_into(connection.dialect.name, booking_count).values(hour=hour, subject=subject, count=1)
    counting = counting.on_conflict_do_update(
        index_elements=[booking_count.c.hour, booking_count.c.subject],
        set_={"count": booking_count.c.count + 1},
        where=booking_count.c.count < most,
    )
    row = (await connection.execute(counting.returning(booking_count.c.count))).one_or_none()
    if row is not None and row.count == 1:
        await connection.execute(delete(booking_count).where(booking_count.c.hour < hour))
    return row is not None
