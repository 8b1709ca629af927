"""Versions of brand profiles as documents, with their state and author. What they mean is `mapping`'s to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, text, update

from gateway.core.values import dataclass
from gateway.store.dialect import is_sqlite
from gateway.store.tables_control import profile

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """One version. `state`: draft | active | retired; the active one with the latest `effective_at` is in force."""

    brand: str
    version: int
    state: str
    effective_at: datetime
    digest: str
    author: str
    reason: str
    document: str
    imported_at: datetime


async def lock_profiles(connection: AsyncConnection) -> None:
    """Until the transaction ends nobody else brings a version into force; whoever reads does not wait."""
    if not is_sqlite(connection):
        await connection.execute(text(f"LOCK TABLE {profile.name} IN SHARE ROW EXCLUSIVE MODE"))


async def load_profiles(connection: AsyncConnection) -> list[ProfileRow]:
    """Every version, oldest first: events are rendered by the one that they were decided under."""
    rows = (await connection.execute(select(profile).order_by(profile.c.brand, profile.c.version))).mappings()
    return [ProfileRow(**row) for row in rows]


async def read_stamp(connection: AsyncConnection) -> tuple[tuple[str, int, str], ...]:
    """What changes when any version does: cheap to ask often."""
    query = select(profile.c.brand, profile.c.version, profile.c.state).order_by(profile.c.brand, profile.c.version)
    return tuple((brand, version, state) for brand, version, state in await connection.execute(query))


async def activate_profile(connection: AsyncConnection, row: ProfileRow) -> None:
    """Inserts a version as the active one of its brand; the one active so far is retired."""
    await connection.execute(
        update(profile).where(profile.c.brand == row.brand, profile.c.state == "active").values(state="retired")
    )
    await connection.execute(
        insert(profile).values(
            brand=row.brand,
            version=row.version,
            state=row.state,
            effective_at=row.effective_at,
            digest=row.digest,
            author=row.author,
            reason=row.reason,
            document=row.document,
            imported_at=row.imported_at,
        )
    )
