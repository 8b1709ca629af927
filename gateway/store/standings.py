"""Where each destination stands: its state, its breaker and its budget, read and moved under its row's lock.

Rows are locked in the order of their numbers; whoever locks lanes too and waits for them does so before.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Executable, TextClause, bindparam, case, text, update

from gateway.core.values import dataclass, replace
from gateway.store import codec
from gateway.store.columns import Moment, Number
from gateway.store.destinations import REMOVED, Destination, destination_from, due_destinations
from gateway.store.dialect import by_key, is_sqlite, key_set
from gateway.store.given import encode_rows, given
from gateway.store.operators import Action, write_action, write_actions
from gateway.store.prepared import fetch, fetch_mappings
from gateway.store.tables import destination

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.deliveries import Operator

# No destination has so many lanes claimed at a time: counting ends there.
_MANY = 1000
_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A destination's row as it moves. `breaker` and `budget` are whoever's moves them."""

    destination: Destination
    state: str
    reason: str | None
    breaker: Mapping[str, Any] | None
    budget: Mapping[str, Any] | None

    @property
    def number(self) -> int:
        return self.destination.number


class Pause(NamedTuple):
    """A destination that the gateway itself pauses, and why."""

    number: int
    reason: str


async def lock_due(connection: AsyncConnection, kind: str, now: datetime) -> list[Standing]:
    """Locks the destinations of `kind` that have a lane due, neither paused nor removed, in one statement."""
    statement = due_destinations(lock=not is_sqlite(connection))
    return [_standing_from(row) for row in await fetch_mappings(connection, statement, {"kind": kind, "now": now})]


async def lock_standings(connection: AsyncConnection, numbers: Iterable[int]) -> dict[int, Standing]:
    """Locks destinations, by number."""
    query = by_key(connection.dialect.name, destination.c.number, lock=True)
    rows = await fetch_mappings(connection, query, {"keys": key_set(connection, sorted(numbers))})
    return {row["number"]: _standing_from(row) for row in rows}


async def lock_free(connection: AsyncConnection, numbers: Iterable[int]) -> list[Standing]:
    """Locks those of the destinations that nobody else holds, and waits for none: the caller may hold lanes."""
    query = by_key(connection.dialect.name, destination.c.number, lock=True, skip_locked=True)
    rows = await fetch_mappings(connection, query, {"keys": key_set(connection, sorted(numbers))})
    return [_standing_from(row) for row in rows]


async def count_claimed(connection: AsyncConnection, numbers: Collection[int], now: datetime) -> dict[int, int]:
    """How many lanes of each destination are claimed by whatever relays whose lease lasts.

    The caller holds the destinations' locks: a statement sees what was committed when it began.
    """
    rows = encode_rows(connection, [{"destination": number} for number in numbers])
    found = await fetch(connection, _claimed(connection.dialect.name), {**rows, "now": now})
    return {row.destination: row.claimed for row in found}


async def save_standings(connection: AsyncConnection, moved: Sequence[Standing], now: datetime) -> None:
    """Writes the standings of destinations whose rows the caller has locked; a changed state is since `now`."""
    rows = [
        {
            "number": one.number,
            "state": one.state,
            "state_reason": one.reason,
            "breaker": codec.encode(one.breaker) if one.breaker is not None else None,
            "budget": codec.encode(one.budget) if one.budget is not None else None,
        }
        for one in moved
    ]
    if rows:
        await fetch(connection, _save(connection.dialect.name), {**encode_rows(connection, rows), "now": now})


async def write_pauses(connection: AsyncConnection, pauses: Iterable[Pause], now: datetime) -> None:
    """The audit rows of destinations that the gateway itself paused; what the partner wrote is not kept for ever."""
    whys = ((one.number, one.reason.partition(":")[0]) for one in pauses)
    actions = (Action("gateway", "pause", "destination", (number,), why) for number, why in whys)
    await write_actions(connection, actions, now)


async def pause(connection: AsyncConnection, number: int, operator: Operator, now: datetime) -> bool:
    """Pauses a destination, with its audit row; what it is owed stays. False where it is paused or removed already."""
    return await _move(connection, number, operator, now, ("pause", "paused", operator.reason, None))


async def resume(
    connection: AsyncConnection, number: int, operator: Operator, now: datetime, breaker: Mapping[str, Any] | None
) -> bool:
    """Makes a destination active, however it was stopped, with its audit row. False where it is active or gone.

    `breaker`: what it begins with.
    """
    return await _move(connection, number, operator, now, ("resume", "active", None, breaker))


async def remove(connection: AsyncConnection, number: int, operator: Operator, now: datetime) -> bool:
    """Takes a destination out of service, with its audit row: nothing is sent there any more. False where it is out."""
    return await _move(connection, number, operator, now, ("remove", REMOVED, operator.reason, None))


async def _move(
    connection: AsyncConnection,
    number: int,
    operator: Operator,
    now: datetime,
    to: tuple[str, str, str | None, Mapping[str, Any] | None],
) -> bool:
    verb, state, reason, breaker = to
    standing = (await lock_standings(connection, [number]))[number]
    if standing.state in {state, REMOVED}:
        return False
    moved = replace(standing, state=state, reason=reason and reason[:_LONGEST_REASON], breaker=breaker)
    await save_standings(connection, [moved], now)
    await write_action(connection, Action(operator.author, verb, "destination", (number,), operator.reason), now)
    return True


def _standing_from(row: Mapping[Any, Any]) -> Standing:
    return Standing(
        destination=destination_from(row),
        state=row["state"],
        reason=row["state_reason"],
        breaker=codec.decode(row["breaker"]) if row["breaker"] else None,
        budget=codec.decode(row["budget"]) if row["budget"] else None,
    )


def claimed_lanes(of: str) -> str:
    """SQL that counts the lanes of destination `of` that are claimed `:now`."""
    # By the index's order: a scan that only collects would visit what was claimed and is gone again and again.
    return f"""(
        SELECT count(*) FROM (
            SELECT 1 FROM lane
            WHERE lane.destination = {of} AND lane.token IS NOT NULL AND lane.due_at > :now
            ORDER BY lane.due_at LIMIT {_MANY}
        ) AS mine
    )"""


@cache
def _claimed(dialect: str) -> TextClause:
    listed = (
        "SELECT value ->> 'destination' AS destination FROM json_each(:rows)"
        if dialect == "sqlite"
        else "SELECT destination FROM json_to_recordset(CAST(:rows AS json)) AS wanted(destination bigint)"
    )
    return text(
        f"SELECT listed.destination, {claimed_lanes('listed.destination')} AS claimed FROM ({listed}) AS listed"
    ).bindparams(bindparam("now", type_=Moment()))


@cache
def _save(dialect: str) -> Executable:
    names = ("state", "state_reason", "breaker", "budget")
    rows = given(dialect, number=Number, **{name: destination.c[name].type for name in names})
    since = case((destination.c.state == rows.c.state, destination.c.state_at), else_=bindparam("now", type_=Moment()))
    values = {**{name: rows.c[name] for name in names}, "state_at": since}
    return update(destination).where(destination.c.number == rows.c.number).values(values)
