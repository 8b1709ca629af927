"""Versions of brand profiles as documents, and the activations that say which of them is in force when.

What the documents mean is `mapping`'s to say.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, text

from gateway.core.values import dataclass
from gateway.store.bulk import upsert
from gateway.store.dialect import is_sqlite
from gateway.store.given import encode_rows, given
from gateway.store.prepared import fetch
from gateway.store.tables_control import activation, in_place, profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection


# The version of an activation that takes back what was to happen at its moment.
TAKEN_BACK = 0


class State(StrEnum):
    """Of a version. `draft`: it has never been meant to be in force; `retired`: it has been. Values are stable."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """One version; it never changes."""

    brand: str
    version: int
    digest: str
    author: str
    reason: str
    document: str
    imported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewActivation:
    """From `effective_at` on `brand` goes by `version`; `TAKEN_BACK`: what was to happen at that moment does not."""

    brand: str
    version: int
    effective_at: datetime
    author: str
    reason: str
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(NewActivation):
    """One that is kept, under the number that tells which was made last."""

    number: int


def holding(activations: Iterable[Activation]) -> list[Activation]:
    """Those that were not taken back, by their moments. Of one brand and moment the last made stands for all."""
    last = {(one.brand, one.effective_at): one for one in sorted(activations, key=lambda one: one.number)}
    mine = (one for one in last.values() if one.version != TAKEN_BACK)
    return sorted(mine, key=lambda one: (one.effective_at, one.number))


def in_force(activations: Iterable[Activation], at: datetime) -> dict[str, Activation]:
    """By brand, the activation whose version is in force at that moment."""
    return {one.brand: one for one in holding(activations) if one.effective_at <= at}


def coming(activations: Iterable[Activation], at: datetime) -> list[Activation]:
    """Those that take force after that moment, the next one first."""
    return [one for one in holding(activations) if one.effective_at > at]


def states(rows: Iterable[ProfileRow], activations: Sequence[Activation], at: datetime) -> dict[tuple[str, int], State]:
    """What each version is at that moment. One that is in force, or has been, and is to be again is scheduled."""
    found = {(row.brand, row.version): State.DRAFT for row in rows}
    by_state: Mapping[State, Iterable[Activation]] = {
        State.RETIRED: (one for one in holding(activations) if one.effective_at <= at),
        State.SCHEDULED: coming(activations, at),
        State.ACTIVE: in_force(activations, at).values(),
    }
    for state, those in by_state.items():
        found |= {(one.brand, one.version): state for one in those}
    return found


async def lock_profiles(connection: AsyncConnection) -> None:
    """Until the transaction ends nobody else keeps or activates a version; whoever reads does not wait."""
    if not is_sqlite(connection):
        await connection.execute(text(f"LOCK TABLE {profile.name} IN SHARE ROW EXCLUSIVE MODE"))


async def load_profiles(connection: AsyncConnection, brand: str | None = None) -> list[ProfileRow]:
    """Every version, or those of one brand, oldest first: an event is rendered by the one that it was decided under."""
    query = select(profile).order_by(profile.c.brand, profile.c.version)
    if brand is not None:
        query = query.where(profile.c.brand == brand)
    return [ProfileRow(**row) for row in (await connection.execute(query)).mappings()]


async def load_documents(
    connection: AsyncConnection, versions: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], str]:
    """The texts of these versions, by brand and version."""
    wanted = encode_rows(connection, ({"brand": brand, "version": version} for brand, version in versions))
    rows = await fetch(connection, _documents(connection.dialect.name), wanted)
    return {(row.brand, row.version): row.document for row in rows}


@cache
def _documents(dialect: str) -> Select[tuple[str, int, str]]:
    wanted = given(dialect, brand=profile.c.brand.type, version=profile.c.version.type)
    same = (wanted.c.brand == profile.c.brand) & (wanted.c.version == profile.c.version)
    return select(profile.c.brand, profile.c.version, profile.c.document).join_from(wanted, profile, same)


async def find_profile(connection: AsyncConnection, brand: str, version: int) -> ProfileRow | None:
    """One version of a brand."""
    query = select(profile).where(profile.c.brand == brand, profile.c.version == version)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else ProfileRow(**row)


async def load_activations(connection: AsyncConnection, brand: str | None = None) -> list[Activation]:
    """Every activation, or those of one brand, in the order in which they were made."""
    query = select(activation).order_by(activation.c.number)
    if brand is not None:
        query = query.where(activation.c.brand == brand)
    return [Activation(**row) for row in (await connection.execute(query)).mappings()]


async def read_stamp(connection: AsyncConnection) -> tuple[int, int]:
    """What changes when a version or an activation comes: cheap to ask often."""
    newest = select(func.coalesce(func.max(activation.c.number), 0)).scalar_subquery()
    row = (await connection.execute(select(func.count(), newest).select_from(profile))).one()
    return row[0], row[1]


async def keep_profile(connection: AsyncConnection, row: ProfileRow) -> None:
    """Inserts a version. The caller holds `lock_profiles`."""
    members = ("brand", "version", "digest", "author", "reason", "document", "imported_at")
    await connection.execute(insert(profile).values({name: getattr(row, name) for name in members}))


async def add_activation(connection: AsyncConnection, new: NewActivation) -> Activation:
    """Appends an activation. The caller holds `lock_profiles`: numbers are committed in their order."""
    members = ("brand", "version", "effective_at", "author", "reason", "made_at")
    values = {name: getattr(new, name) for name in members}
    made = insert(activation).values(values).returning(activation.c.number)
    return Activation(number=(await connection.execute(made)).scalar_one(), **values)


async def load_in_place(connection: AsyncConnection) -> dict[str, int]:
    """By brand, the number of the activation that its destinations and its account's settings go by."""
    rows = await connection.execute(select(in_place))
    return {row.brand: row.activation for row in rows}


async def note_in_place(connection: AsyncConnection, one: Activation) -> None:
    """Keeps that destinations and settings go by this activation from now on."""
    await upsert(connection, in_place, [{"brand": one.brand, "activation": one.number}])
