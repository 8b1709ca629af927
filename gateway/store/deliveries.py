"""What operators do to deliveries: reopen, skip, release. Each under its lane's lock, each with an audit row."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Executable, null, select, update

from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.bridging import Link, hand_on, is_versioned
from gateway.store.columns import Moment, Number
from gateway.store.dialect import any_of
from gateway.store.given import encode_rows, given
from gateway.store.lanes import lock_each, lower_owed
from gateway.store.operators import Action, write_action
from gateway.store.recording import delete_lanes
from gateway.store.states import OWED, is_owed
from gateway.store.tables import delivery, destination, event, lane

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.claims import LaneKey


class Verdict(StrEnum):
    """What came of a verb on one delivery. Values are stable."""

    DONE = "done"
    UNKNOWN = "unknown_delivery"
    # A relay has its lane: in a moment it has not.
    BUSY = "busy"
    WRONG_STATE = "wrong_state"
    # What was given up there was told to the partner as bridged: it comes back as a snapshot only.
    RELAXED = "relaxed_destination"
    # Of a note that was made private again.
    RETRACTED = "retracted"
    # Something later has happened to its job there: it would be shown as the present.
    NOT_LATEST = "not_latest"
    # Nothing is sent there any more.
    REMOVED = "removed_destination"
    # Of the version in force, by which it was to be redelivered: there is none, it tells the destination nothing of
    # this, or refuses to, or has yet to map what this says.
    NO_PROFILE = "no_profile_in_force"
    NOT_WANTED = "not_wanted"
    REFUSED = "refused_by_profile"
    UNMAPPED = "reason_unmapped"
    NO_CODE = "no_code_for_status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who does it, and why."""

    author: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """An event as a version of a profile tells it, that it could not be told without."""

    body: Mapping[str, Any]
    profile_version: int


@dataclass(frozen=True, slots=True)
class Released:
    """Of what was held: what may go, and what was given up."""

    freed: tuple[int, ...] = ()
    given_up: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Locked:
    """A delivery whose lane is locked. `claimed`: by a relay whose lease lasts."""

    link: Link
    event: int
    state: str
    strict: bool
    claimed: bool

    @property
    def lane(self) -> LaneKey:
        return self.link.destination, self.link.lane

    @property
    def owed(self) -> bool:
        return self.state in OWED and (self.strict or self.state != "dead")


async def reopen(
    connection: AsyncConnection, numbers: Collection[int], operator: Operator, now: datetime
) -> dict[int, Verdict]:
    """Returns dead deliveries to their places, with a whole schedule before them, in the caller's transaction."""
    locked = await _lock(connection, numbers, now)
    verdicts = _judged(numbers, locked, ("dead",))
    verdicts |= {
        number: Verdict.RELAXED for number, one in locked.items() if verdicts[number] is Verdict.DONE and not one.strict
    }
    done = _done(verdicts)
    if done:
        fresh = {"state": "pending", "reason": None, "detail": None, "retries": 0, "due_at": None, "settled_at": None}
        await connection.execute(update(delivery).where(any_of(connection, delivery.c.number, done)).values(fresh))
        await _make_due(connection, [locked[number] for number in done], now)
        await write_action(connection, _action("reopen", done, operator), now)
    return verdicts


async def skip(
    connection: AsyncConnection, numbers: Collection[int], operator: Operator, now: datetime
) -> dict[int, Verdict]:
    """Gives deliveries up: they are not owed any more, and the next one of their lane bridges them."""
    locked = await _lock(connection, numbers, now)
    verdicts = _judged(numbers, locked, OWED)
    done = _done(verdicts)
    if done:
        await _give_up(connection, [locked[number] for number in done], now)
        await write_action(connection, _action("skip", done, operator), now)
    return verdicts


async def release_held(
    connection: AsyncConnection, told: Mapping[int, Rewritten], refused: Collection[int], now: datetime
) -> Released:
    """Lets held deliveries go: what is `told` becomes pending, and the `refused` are given up and bridged.

    In the caller's transaction, which writes the audit rows; a constant number of statements. What a version makes of
    the events is written on them: the one change that an event admits. A lane that a relay has is not made due here:
    the relay stops before what is held, and makes the lane due when it records. Nothing of it is given up meanwhile.
    """
    locked = await _lock(connection, [*told, *refused], now)
    held = {number: one for number, one in locked.items() if one.state == "held"}
    given_up = sorted(number for number in refused if number in held and not held[number].claimed)
    if given_up:
        await _give_up(connection, [held[number] for number in given_up], now)
    freed = sorted(number for number in told if number in held)
    if freed:
        free = {"state": "pending", "waits_kind": None, "waits_text": None}
        await connection.execute(update(delivery).where(any_of(connection, delivery.c.number, freed)).values(free))
        by_event = {held[number].event: told[number] for number in freed}
        rows = [
            {"number": number, "body": codec.encode(one.body), "profile_version": one.profile_version}
            for number, one in sorted(by_event.items())
        ]
        await connection.execute(_rewrite_events(connection.dialect.name), encode_rows(connection, rows))
        await _make_due(connection, [held[number] for number in freed if not held[number].claimed], now)
    return Released(tuple(freed), tuple(given_up))


async def _give_up(connection: AsyncConnection, gone: Collection[_Locked], now: datetime) -> None:
    mine = any_of(connection, delivery.c.number, [one.link.number for one in gone])
    skipped = {"state": "skipped", "due_at": None, "settled_at": now}
    await connection.execute(update(delivery).where(mine).values(skipped))
    # A dead one of a relaxed destination was neither owed nor unbridged any more.
    left = [one for one in gone if one.owed]
    strict = {one.link.destination for one in left if one.strict}
    await hand_on(connection, [one.link for one in left], strict)
    await _lower_owed(connection, left)
    await _make_due(connection, left, now)


def _action(verb: str, numbers: Sequence[int], operator: Operator) -> Action:
    return Action(operator.author, verb, "delivery", tuple(numbers), operator.reason)


def _judged(numbers: Iterable[int], locked: Mapping[int, _Locked], states: tuple[str, ...]) -> dict[int, Verdict]:
    verdicts = {}
    for number in numbers:
        one = locked.get(number)
        if one is None:
            verdicts[number] = Verdict.UNKNOWN
        elif one.state not in states:
            verdicts[number] = Verdict.WRONG_STATE
        else:
            verdicts[number] = Verdict.BUSY if one.claimed else Verdict.DONE
    return verdicts


def _done(verdicts: Mapping[int, Verdict]) -> list[int]:
    return sorted(number for number, verdict in verdicts.items() if verdict is Verdict.DONE)


async def _lock(connection: AsyncConnection, numbers: Collection[int], now: datetime) -> dict[int, _Locked]:
    """Locks the lanes of these deliveries, in everybody's order, and only then reads what state they are in."""
    if not numbers:
        return {}
    mine = any_of(connection, delivery.c.number, numbers)
    places = (await connection.execute(select(delivery.c.destination, delivery.c.lane).where(mine))).all()
    rows = [{"destination": number, "key": key} for number, key in sorted({(one, key) for one, key in places})]
    locked = (await connection.execute(_lock_lanes(connection.dialect.name), encode_rows(connection, rows))).all()
    claimed = {(one, key) for one, key, due_at, token in locked if token is not None and due_at and due_at > now}
    query = (
        select(delivery, event.c.type, event.c.jobversion, destination.c.strict)
        .join(event, event.c.number == delivery.c.event)
        .join(destination, destination.c.number == delivery.c.destination)
        .where(mine)
    )
    found = (await connection.execute(query)).mappings().all()
    return {
        row["number"]: _Locked(
            link=Link(
                number=row["number"],
                destination=row["destination"],
                lane=row["lane"],
                position=row["position"],
                previous=row["previous"],
                versioned=is_versioned(row["type"], row["jobversion"], row["operation"]),
            ),
            event=row["event"],
            state=row["state"],
            strict=row["strict"],
            claimed=(row["destination"], row["lane"]) in claimed,
        )
        for row in found
    }


async def _lower_owed(connection: AsyncConnection, left: Iterable[_Locked]) -> None:
    counts = Counter(one.lane for one in left)
    rows = [{"destination": one, "key": key, "count": count} for (one, key), count in sorted(counts.items())]
    if not rows:
        return
    await connection.execute(lower_owed(connection.dialect.name), encode_rows(connection, rows))
    await connection.execute(delete_lanes(connection.dialect.name, finished_only=True), encode_rows(connection, rows))


async def _make_due(connection: AsyncConnection, touched: Iterable[_Locked], now: datetime) -> None:
    """Due at `now` where the head is pending, or when that is to be tried again; at rest where it waits.

    A claim that has ended loses its token.
    """
    lanes = {one.lane: one.strict for one in touched}
    if not lanes:
        return
    rows = [{"destination": one, "key": key, "strict": strict} for (one, key), strict in sorted(lanes.items())]
    heads = (await connection.execute(_heads(connection.dialect.name), encode_rows(connection, rows))).all()
    due = [
        {"destination": one, "key": key, "due_at": max(now, retried_at or now) if state == "pending" else None}
        for one, key, state, retried_at in heads
    ]
    if due:
        await connection.execute(_set_due(connection.dialect.name), encode_rows(connection, due))


@cache
def _lock_lanes(dialect: str) -> Executable:
    rows = given(dialect, destination=Number, key=Number)
    return lock_each(dialect, rows, lane.c.destination, lane.c.key, lane.c.due_at, lane.c.token)


@cache
def _heads(dialect: str) -> Executable:
    """What is owed first on each of these lanes, found one by one: a lane may be owed more than is to be read."""
    rows = given(dialect, destination=Number, key=Number, strict=Boolean())
    owed = delivery.alias("owed")
    first = (
        select(owed.c.number)
        .where(owed.c.destination == rows.c.destination, owed.c.lane == rows.c.key)
        .where(is_owed(owed.c.state, rows.c.strict))
        .order_by(owed.c.position)
        .limit(1)
        .correlate(rows)
        .scalar_subquery()
    )
    heads = select(first.label("number")).select_from(rows).subquery("heads")
    columns = (delivery.c.destination, delivery.c.lane, delivery.c.state, delivery.c.due_at)
    return select(*columns).join_from(heads, delivery, delivery.c.number == heads.c.number)


@cache
def _set_due(dialect: str) -> Executable:
    rows = given(dialect, destination=Number, key=Number, due_at=Moment())
    mine = (lane.c.destination == rows.c.destination, lane.c.key == rows.c.key)
    return update(lane).where(*mine).values(due_at=rows.c.due_at, token=null())


@cache
def _rewrite_events(dialect: str) -> Executable:
    rows = given(dialect, number=Number, body=event.c.body.type, profile_version=Number)
    changed = {"body": rows.c.body, "profile_version": rows.c.profile_version}
    return update(event).where(event.c.number == rows.c.number).values(changed)
