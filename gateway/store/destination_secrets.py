"""The secrets that sign webhooks, by destination. They come and go sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, or_, select, update

from gateway.core.values import dataclass
from gateway.store.tables_control import destination_secret

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret that signs, until `expires_at` where a newer one has taken its place."""

    number: int
    destination: int
    secret: bytes
    expires_at: datetime | None = None


async def load_signing_secrets(connection: AsyncConnection, now: datetime) -> list[SealedSecret]:
    """All that sign at `now`, the newest first."""
    kept = destination_secret.c
    signing = or_(kept.expires_at.is_(None), kept.expires_at > now)
    query = select(kept.number, kept.destination, kept.secret, kept.expires_at).where(signing)
    return [SealedSecret(*row) for row in await connection.execute(query.order_by(kept.number.desc()))]


async def insert_signing_secret(connection: AsyncConnection, destination: int, sealed: bytes, now: datetime) -> int:
    """Keeps a secret, which signs from now on; returns its number."""
    made = insert(destination_secret).values(destination=destination, secret=sealed, created_at=now)
    number: int = (await connection.execute(made.returning(destination_secret.c.number))).scalar_one()
    return number


async def expire_signing_secrets(
    connection: AsyncConnection, destination: int, now: datetime, expires_at: datetime
) -> None:
    """Those of `destination` sign until `expires_at` at most; those that sign no longer are forgotten."""
    kept = destination_secret.c
    await connection.execute(delete(destination_secret).where(kept.destination == destination, kept.expires_at <= now))
    longer = or_(kept.expires_at.is_(None), kept.expires_at > expires_at)
    ended = update(destination_secret).where(kept.destination == destination, longer)
    await connection.execute(ended.values(expires_at=expires_at))


async def save_signing_secrets(connection: AsyncConnection, secrets: Iterable[tuple[int, bytes]]) -> None:
    """Puts secrets that were sealed anew in the places of the old ones."""
    rows = [{"kept": number, "sealed": secret} for number, secret in secrets]
    if rows:
        anew = update(destination_secret).where(destination_secret.c.number == bindparam("kept"))
        await connection.execute(anew.values(secret=bindparam("sealed")), rows)
