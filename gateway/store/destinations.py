"""Destinations: where documents go, and which of them have something due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import TextClause, bindparam, case, null, select, text

from gateway.core.commands import ConfirmedBy
from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.store import codec
from gateway.store.columns import Moment
from gateway.store.dialect import any_of, for_update, insert_into
from gateway.store.outbox import RANKS
from gateway.store.prepared import fetch_mappings
from gateway.store.tables import destination

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


# Of a destination that was taken out of service: only what it was owed and had is still to be read.
REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A row of `destination`. `settings` are its publisher's; `strict`: a dead head blocks its lane.

    `sandbox`: it is for test work, and for nothing else.
    """

    number: int
    name: str
    kind: str
    audience: Audience
    owner: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: str = "active"
    strict: bool = True
    sandbox: bool = False

    @property
    def superseding(self) -> bool:
        """Whether a visit's progress may be overtaken before it leaves."""
        return self.settings.get("superseding") is True

    @property
    def confirms_by_topic(self) -> bool:
        """Whether its owner says on a topic of its own what it has applied."""
        return bool(self.settings.get("confirms", {}).get("by") == ConfirmedBy.TOPIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDestination:
    """A destination as a profile or a setting names it; its name is its identity."""

    name: str
    kind: str
    audience: Audience
    owner: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = True
    sandbox: bool = False

    def as_number(self, number: int) -> Destination:
        """What it is once it is there, under that number."""
        return Destination(
            number=number,
            name=self.name,
            kind=self.kind,
            audience=self.audience,
            owner=self.owner,
            settings=self.settings,
            strict=self.strict,
            sandbox=self.sandbox,
        )


async def put_destinations(connection: AsyncConnection, wanted: Iterable[NewDestination]) -> dict[str, Destination]:
    """`save_destinations`; returns all there are, by name."""
    await save_destinations(connection, wanted)
    return await load_destinations(connection)


async def save_destinations(connection: AsyncConnection, wanted: Iterable[NewDestination]) -> None:
    """Makes the destinations, or brings those of the same names up to date, in the caller's transaction.

    Their state and their owner stay, but a removed one is active again; another's of that name is left as it is.
    """
    rows = [_row(one) for one in sorted(wanted, key=lambda one: one.name)]
    if not rows:
        return
    insert = insert_into(connection.dialect.name, destination)
    changed: dict[str, Any] = {name: insert.excluded[name] for name in ("kind", "settings", "strict", "sandbox")}
    was_removed = destination.c.state == REMOVED
    changed["state"] = case((was_removed, "active"), else_=destination.c.state)
    for name in ("state_reason", "breaker"):
        changed[name] = case((was_removed, null()), else_=destination.c[name])
    # In everybody's order: relays lock several at a time.
    there = select(destination.c.number).where(any_of(connection, destination.c.name, [row["name"] for row in rows]))
    await connection.execute(for_update(connection.dialect.name, there.order_by(destination.c.number)))
    same = (destination.c.owner == insert.excluded.owner) & (destination.c.audience == insert.excluded.audience)
    await connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=changed, where=same), rows)


async def load_destinations(connection: AsyncConnection, owner: str | None = None) -> dict[str, Destination]:
    """All of them, or those of one owner, by name."""
    query = select(destination).order_by(destination.c.name)
    if owner is not None:
        query = query.where(destination.c.owner == owner)
    rows = (await connection.execute(query)).mappings()
    return {row["name"]: destination_from(row) for row in rows}


async def find_due_destinations(connection: AsyncConnection, kind: str, now: datetime) -> list[Destination]:
    """The destinations of `kind` that have a lane due, neither paused nor removed, in one statement.

    Its cost grows with the number of destinations that are owed something, not with how much they are owed.
    """
    rows = await fetch_mappings(connection, due_destinations(lock=False), {"kind": kind, "now": now})
    return [destination_from(row) for row in rows]


@cache
def due_destinations(*, lock: bool) -> TextClause:
    """Rows of destinations with a lane due. Parameters: kind, now. `lock`: locked in the order of their numbers.

    A loose index scan: from one destination's first lane to the next one's; then one probe per rank.
    """
    probes = " OR ".join(
        "(SELECT 1 FROM lane WHERE lane.destination = destination.number"
        f" AND lane.rank = {rank} AND lane.due_at <= :now LIMIT 1) IS NOT NULL"
        for rank in RANKS
    )
    return text(
        f"""
        WITH RECURSIVE owed(number) AS (
            SELECT min(destination) FROM lane
            UNION ALL
            SELECT (SELECT min(lane.destination) FROM lane WHERE lane.destination > owed.number)
            FROM owed WHERE owed.number IS NOT NULL
        )
        SELECT destination.* FROM owed JOIN destination ON destination.number = owed.number
        WHERE destination.kind = :kind AND destination.state NOT IN ('paused', '{REMOVED}') AND ({probes})
        {"ORDER BY destination.number FOR UPDATE OF destination" if lock else ""}
        """
    ).bindparams(bindparam("now", type_=Moment()))


def _row(one: NewDestination) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "audience": one.audience.value,
        "owner": one.owner,
        "settings": codec.encode(one.settings),
        "strict": one.strict,
        "sandbox": one.sandbox,
    }


def destination_from(row: Mapping[Any, Any]) -> Destination:
    """From a row of the table."""
    return Destination(
        number=row["number"],
        name=row["name"],
        kind=row["kind"],
        audience=Audience(row["audience"]),
        owner=row["owner"],
        settings=codec.decode(row["settings"]),
        state=row["state"],
        strict=bool(row["strict"]),
        sandbox=bool(row["sandbox"]),
    )
