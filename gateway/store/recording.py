"""Records what became of claimed deliveries, and gives lanes back."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sqlalchemy import Executable, bindparam, delete, insert, null, select, update

from gateway.core.values import dataclass
from gateway.store.applied import Stands, save_answered
from gateway.store.bridging import Link, hand_on, is_versioned
from gateway.store.bulk import Writes
from gateway.store.columns import Moment, Number
from gateway.store.given import encode_rows, given
from gateway.store.lanes import is_each, lock_each
from gateway.store.prepared import fetch
from gateway.store.tables import attempt, delivery, lane

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.claims import Claim, ClaimedDelivery, ClaimedLane, LaneKey


class Tried(NamedTuple):
    """What one try made of a delivery. `pending` is due again at `due_at`.

    `attempted`: it left the building; `retried`: it counts in the schedule. A try that is neither (the transport was
    away, or the document could not be made) leaves those counts alone. `noted`: it gets a row of its own in `attempt`.
    `part` is which of its messages is the next one; 0 too once there is none. `applied`: the version of its job that
    the answer says the destination's owner has applied.
    """

    delivery: ClaimedDelivery
    state: Literal["delivered", "pending", "dead"]
    outcome: str
    begun_at: datetime
    reason: str | None = None
    detail: str | None = None
    fault_domain: str | None = None
    due_at: datetime | None = None
    digest: str | None = None
    duration_ms: int = 0
    attempted: bool = True
    retried: bool = False
    noted: bool = True
    part: int = 0
    applied: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """`lost`: lanes whose claim had ended, of which nothing was recorded. `left_due`: something given back is due."""

    lost: frozenset[LaneKey]
    left_due: bool


class LaneResult(NamedTuple):
    """What was tried of one claimed lane, in its order: all delivered, but perhaps the last."""

    lane: ClaimedLane
    tried: Sequence[Tried] = ()

    @property
    def owed_still(self) -> Tried | None:
        """The last try, where its delivery is still owed: not delivered, and not given up on a relaxed destination."""
        last = self.tried[-1] if self.tried else None
        if last is None or last.state == "delivered":
            return None
        return last if last.state == "pending" or self.lane.destination.strict else None

    @property
    def confirmed(self) -> list[Stands]:
        """What the answers confirm."""
        owner = self.lane.destination.owner
        return [Stands(owner, one.delivery.lane, one.applied) for one in self.tried if one.applied is not None]

    @property
    def given_up(self) -> ClaimedDelivery | None:
        """The delivery that died where dead ones are not owed any more."""
        last = self.tried[-1] if self.tried else None
        gone = last is not None and last.state == "dead" and not self.lane.destination.strict
        return last.delivery if last is not None and gone else None


async def record(connection: AsyncConnection, results: Iterable[LaneResult], now: datetime) -> Recorded:
    """Records `results` of any claims and gives their lanes back, in the caller's transaction.

    A constant number of statements. A lane whose token is not its claim's any more is left alone with everything
    recorded of it.
    """
    by_place = {result.lane.place: result for result in results}
    owed = await lock_claimed(connection, {place: result.lane.token for place, result in by_place.items()})
    mine = {place: by_place[place] for place in owed}
    tried = [one for result in mine.values() for one in result.tried]
    writes = Writes(connection)
    _settle(writes, tried, now)
    noted = [_attempt_row(one) for one in tried if one.noted]
    if noted:
        writes.add(_insert_attempts(writes.dialect), encode_rows(connection, noted))
    left_due = _give_back(writes, mine, owed, now)
    await writes.make()
    given_up = [result.given_up for result in mine.values()]
    await hand_on(connection, [link_of(one) for one in given_up if one is not None], strict=())
    await save_answered(connection, [one for result in mine.values() for one in result.confirmed], now)
    return Recorded(frozenset(by_place.keys() - owed.keys()), left_due)


async def release(connection: AsyncConnection, claim: Claim, now: datetime) -> None:
    """Gives everything of `claim` back untried, due at once, in the caller's transaction."""
    await record(connection, [LaneResult(one) for one in claim.lanes], now)


async def lock_claimed(connection: AsyncConnection, tokens: Mapping[LaneKey, str]) -> dict[LaneKey, int]:
    """Locks, in everybody's order, the lanes that still carry the token of their claim. By place: what is owed."""
    wanted = [{"destination": number, "key": key, "token": tokens[number, key]} for number, key in sorted(tokens)]
    found = await fetch(connection, _own_lanes(connection.dialect.name), encode_rows(connection, wanted))
    return {(number, key): owed for number, key, owed in found}


def _settle(writes: Writes, tried: Iterable[Tried], now: datetime) -> None:
    """First tries that succeeded, as most do, by a statement that is given little; all others by one that sets all."""
    at_once = []
    others = []
    for one in tried:
        if one.state == "delivered" and not one.noted and one.delivery.claims == 1:
            at_once.append({"number": one.delivery.number, "digest": one.digest})
        else:
            others.append(_settled_row(one, now))
    if at_once:
        writes.add(_deliver_at_once(writes.dialect), {**encode_rows(writes.connection, at_once), "now": now})
    if others:
        writes.add(_settle_others(writes.dialect), encode_rows(writes.connection, others))


def _give_back(writes: Writes, mine: Mapping[LaneKey, LaneResult], owed: Mapping[LaneKey, int], now: datetime) -> bool:
    """Whether anything given back is due at once.

    The rows are locked: what is owed cannot have grown since it was read, so nothing appended is deleted with a lane.
    """
    finished: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for place, result in mine.items():
        last = result.owed_still
        left = owed[place] - len(result.tried) + (last is not None)
        if left > 0:
            due_at = _due_at(last, now)
            rest.append({"destination": place[0], "key": place[1], "owed": left, "due_at": due_at})
        else:
            finished.append({"destination": place[0], "key": place[1]})
    if finished:
        writes.add(delete_lanes(writes.dialect), encode_rows(writes.connection, finished))
    if rest:
        writes.add(_free_lanes(writes.dialect), encode_rows(writes.connection, rest))
    return any(row["due_at"] is not None and row["due_at"] <= now for row in rest)


def _due_at(last: Tried | None, now: datetime) -> datetime | None:
    """When a lane is due whose head is now what `last` tried (None: another); a dead head waits for an operator."""
    if last is None:
        return now
    return None if last.state == "dead" else last.due_at or now


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
        "part": tried.part,
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


def link_of(one: ClaimedDelivery) -> Link:
    """Its place in the chain of versions."""
    return Link(
        number=one.number,
        destination=one.destination,
        lane=one.lane,
        position=one.position,
        previous=one.previous,
        versioned=is_versioned(one.event.type, one.event.jobversion, one.operation),
    )


@cache
def _own_lanes(dialect: str) -> Executable:
    rows = given(dialect, destination=Number, key=Number, token=lane.c.token.type)
    return lock_each(dialect, rows, lane.c.destination, lane.c.key, lane.c.owed, where=lane.c.token == rows.c.token)


@cache
def _deliver_at_once(dialect: str) -> Executable:
    rows = given(dialect, number=Number, digest=delivery.c.digest.type)
    settled_at = bindparam("now", type_=Moment())
    changed = {"state": "delivered", "claims": 1, "attempts": 1, "digest": rows.c.digest, "settled_at": settled_at}
    return update(delivery).where(delivery.c.number == rows.c.number).values(changed)


@cache
def _settle_others(dialect: str) -> Executable:
    names = ("state", "reason", "detail", "claims", "attempts", "retries", "part", "due_at", "digest", "settled_at")
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
    gone = delete(lane).where(is_each(dialect, rows))
    return gone.where(lane.c.owed == 0) if finished_only else gone


@cache
def _free_lanes(dialect: str) -> Executable:
    rows = given(dialect, destination=Number, key=Number, owed=Number, due_at=Moment())
    mine = (lane.c.destination == rows.c.destination, lane.c.key == rows.c.key)
    return update(lane).where(*mine).values(owed=rows.c.owed, due_at=rows.c.due_at, token=null())
