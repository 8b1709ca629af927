"""Records what became of claimed deliveries, and gives lanes back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Executable, bindparam, delete, insert, null, select, tuple_, update

from gateway.store.bridging import Link, hand_on, is_versioned
from gateway.store.columns import Moment, Number
from gateway.store.given import encode_rows, given
from gateway.store.tables import attempt, delivery, lane

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.claims import Claim, ClaimedDelivery, ClaimedLane, LaneKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What one try made of a delivery. `pending` is due again at `due_at`.

    `attempted`: it left the building; `retried`: it counts in the schedule. A try that is neither (the transport was
    away, or the document could not be made) leaves those counts alone. `noted`: it gets a row of its own in `attempt`.
    """

    delivery: ClaimedDelivery
    state: Literal["delivered", "pending", "dead"]
    outcome: str
    reason: str | None = None
    detail: str | None = None
    fault_domain: str | None = None
    due_at: datetime | None = None
    digest: str | None = None
    begun_at: datetime
    duration_ms: int = 0
    attempted: bool = True
    retried: bool = False
    noted: bool = True


@dataclass(frozen=True, slots=True)
class Recorded:
    """`lost`: lanes whose claim had ended, of which nothing was recorded. `left_due`: something given back is due."""

    lost: frozenset[LaneKey]
    left_due: bool


@dataclass(frozen=True, slots=True)
class LaneResult:
    """What was tried of one claimed lane, in its order: all delivered, but perhaps the last."""

    lane: ClaimedLane
    tried: Sequence[Tried] = ()

    @property
    def key(self) -> LaneKey:
        return self.lane.destination.number, self.lane.key

    @property
    def last(self) -> Tried | None:
        return self.tried[-1] if self.tried else None

    @property
    def given_up(self) -> ClaimedDelivery | None:
        """The delivery that died where dead ones are not owed any more."""
        if self.last is None or self.last.state != "dead" or self.lane.destination.strict:
            return None
        return self.last.delivery

    @property
    def settled(self) -> int:
        """How many are no longer owed."""
        is_last_owed = self.last is not None and self.last.state != "delivered" and self.given_up is None
        return len(self.tried) - is_last_owed

    def due_at(self, now: datetime) -> datetime | None:
        """When what is left is due; None while the dead head of a strict lane waits for an operator."""
        if self.last is None or self.last.state == "delivered" or self.given_up is not None:
            return now
        return None if self.last.state == "dead" else self.last.due_at or now


async def record(connection: AsyncConnection, claim: Claim, results: Iterable[LaneResult], now: datetime) -> Recorded:
    """Records `results` of `claim` and gives its lanes back, in the caller's transaction.

    A constant number of statements. A lane whose token is not the claim's any more is left alone with everything
    recorded of it.
    """
    by_key = {result.key: result for result in results}
    owed = await _lock_own_lanes(connection, claim, sorted(by_key))
    mine = {key: by_key[key] for key in owed}
    tried = [one for result in mine.values() for one in result.tried]
    if tried:
        rows = [_settled_row(one, now) for one in tried]
        await connection.execute(_settle(connection.dialect.name), encode_rows(connection, rows))
    noted = [_attempt_row(one) for one in tried if one.noted]
    if noted:
        await connection.execute(_insert_attempts(connection.dialect.name), encode_rows(connection, noted))
    given_up = [result.given_up for result in mine.values()]
    await hand_on(connection, [_link(one) for one in given_up if one is not None], strict=())
    left_due = await _give_back(connection, mine, owed, now)
    return Recorded(frozenset(by_key.keys() - owed.keys()), left_due)


async def release(connection: AsyncConnection, claim: Claim, now: datetime) -> None:
    """Gives everything of `claim` back untried, due at once, in the caller's transaction."""
    await record(connection, claim, [LaneResult(one) for one in claim.lanes], now)


async def _lock_own_lanes(connection: AsyncConnection, claim: Claim, keys: Sequence[LaneKey]) -> dict[LaneKey, int]:
    """Locks, in everybody's order, the lanes that still carry the claim's token. By key: what is owed."""
    rows = encode_rows(connection, [{"destination": number, "key": key} for number, key in keys])
    found = await connection.execute(_own_lanes(connection.dialect.name), {**rows, "token": claim.token})
    return {(number, key): owed for number, key, owed in found.all()}


async def _give_back(
    connection: AsyncConnection, mine: Mapping[LaneKey, LaneResult], owed: Mapping[LaneKey, int], now: datetime
) -> bool:
    """Whether anything given back is due at once.

    The rows are locked: what is owed cannot have grown since it was read, so nothing appended is deleted with a lane.
    """
    finished: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for (number, key), result in mine.items():
        left = owed[number, key] - result.settled
        row = {"destination": number, "key": key}
        if left > 0:
            rest.append({**row, "owed": left, "due_at": result.due_at(now)})
        else:
            finished.append(row)
    if finished:
        await connection.execute(delete_lanes(connection.dialect.name), encode_rows(connection, finished))
    if rest:
        await connection.execute(_free_lanes(connection.dialect.name), encode_rows(connection, rest))
    return any(row["due_at"] is not None and row["due_at"] <= now for row in rest)


def _settled_row(tried: Tried, now: datetime) -> dict[str, Any]:
    one = tried.delivery
    return {
        "number": one.number,
        "state": tried.state,
        "reason": tried.reason,
        "detail": tried.detail,
        "claims": one.claims,
        "attempts": one.attempts + tried.attempted,
        "retries": one.retries + tried.retried,
        "due_at": tried.due_at,
        "digest": tried.digest,
        "settled_at": None if tried.state == "pending" else now,
    }


def _attempt_row(tried: Tried) -> dict[str, Any]:
    return {
        "delivery": tried.delivery.number,
        # A claim tries a delivery once at most, so its ordinal is the claim's.
        "ordinal": tried.delivery.claims,
        "begun_at": tried.begun_at,
        "duration_ms": tried.duration_ms,
        "outcome": tried.outcome,
        "reason": tried.reason,
        "detail": tried.detail,
        "fault_domain": tried.fault_domain,
        "profile_version": tried.delivery.event.profile_version,
        "digest": tried.digest,
    }


def _link(one: ClaimedDelivery) -> Link:
    return Link(
        number=one.number,
        destination=one.destination,
        lane=one.lane,
        position=one.position,
        previous=one.previous,
        versioned=is_versioned(one.event.type, one.event.jobversion),
    )


@cache
def _own_lanes(dialect: str) -> Executable:
    rows = given(dialect, destination=Number, key=Number)
    mine = (lane.c.destination == rows.c.destination) & (lane.c.key == rows.c.key)
    query = (
        select(lane.c.destination, lane.c.key, lane.c.owed)
        .join_from(rows, lane, mine)
        .where(lane.c.token == bindparam("token"))
        .order_by(lane.c.destination, lane.c.key)
    )
    return query if dialect == "sqlite" else query.with_for_update(of=lane)


@cache
def _settle(dialect: str) -> Executable:
    names = ("state", "reason", "detail", "claims", "attempts", "retries", "due_at", "digest", "settled_at")
    rows = given(dialect, number=Number, **{name: delivery.c[name].type for name in names})
    values = {name: rows.c[name] for name in names}
    return update(delivery).where(delivery.c.number == rows.c.number).values(values)


@cache
def _insert_attempts(dialect: str) -> Executable:
    names = [column.name for column in attempt.columns]
    rows = given(dialect, **{column.name: column.type for column in attempt.columns})
    return insert(attempt).from_select(names, select(*(rows.c[name] for name in names)))


@cache
def delete_lanes(dialect: str, *, finished_only: bool = False) -> Executable:
    """Deletes the lanes `rows`, which the caller has locked; `finished_only`: those with nothing owed."""
    rows = given(dialect, destination=Number, key=Number)
    if dialect == "sqlite":
        gone = delete(lane).where(tuple_(lane.c.destination, lane.c.key).in_(select(rows.c.destination, rows.c.key)))
    else:
        gone = delete(lane).where(lane.c.destination == rows.c.destination, lane.c.key == rows.c.key)
    return gone.where(lane.c.owed == 0) if finished_only else gone


@cache
def _free_lanes(dialect: str) -> Executable:
    rows = given(dialect, destination=Number, key=Number, owed=Number, due_at=Moment())
    mine = (lane.c.destination == rows.c.destination, lane.c.key == rows.c.key)
    return update(lane).where(*mine).values(owed=rows.c.owed, due_at=rows.c.due_at, token=null())
