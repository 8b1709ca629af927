"""What operators do to deliveries: reopen, skip, release. Each under its lane's lock, each with an audit row."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Boolean, Executable, null, select, update

from gateway.core.values import dataclass
from gateway.core.waits import Telling
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
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.reasons import Reason
    from gateway.core.waits import Wait
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What a version of a profile makes of something held: the `reason`, where it waited for one."""

    profile_version: int
    tells: Callable[[str, Mapping[str, Any]], Telling]
    reason: Reason | None = None


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
        skipped = {"state": "skipped", "due_at": None, "settled_at": now}
        await connection.execute(update(delivery).where(any_of(connection, delivery.c.number, done)).values(skipped))
        # A dead one of a relaxed destination was neither owed nor unbridged any more.
        left = [locked[number] for number in done if locked[number].owed]
        strict = {one.link.destination for one in left if one.strict}
        await hand_on(connection, [one.link for one in left], strict)
        await _lower_owed(connection, left)
        await _make_due(connection, left, now)
        await write_action(connection, _action("skip", done, operator), now)
    return verdicts


async def release_held(
    connection: AsyncConnection,
    *,
    brand: str,
    wait: Wait,
    mapping: Mapped,
    operator: Operator,
    now: datetime,
) -> list[int]:
    """Lets go what `brand` has waited for, of `wait`, by the version that maps it; returns the deliveries.

    The version, and the reason that it maps, are written on their events: the one change that an event admits. What it
    refuses to tell, of how a job stands, is given up; what it has no code for stays. A lane that a relay has is not
    made due here; the relay stops before what is held, and makes the lane due when it records.
    """
    query = (
        select(delivery.c.number, destination.c.kind, event.c.number.label("event"), event.c.type, event.c.body)
        .join(event, event.c.number == delivery.c.event)
        .join(destination, destination.c.number == delivery.c.destination)
        .where(delivery.c.state == "held", delivery.c.waits_kind == wait.kind, delivery.c.waits_text == wait.value)
        .where(event.c.brand == brand)
        .order_by(delivery.c.number)
    )
    bodies: dict[int, dict[str, Any]] = {}
    judged: dict[Telling, list[int]] = {telling: [] for telling in Telling}
    for number, kind, event_number, event_type, body in (await connection.execute(query)).all():
        members = codec.decode(body)
        # Who polls is told in words that are no brand's.
        telling = Telling.TOLD if kind == "poll" else mapping.tells(event_type, members)
        judged[telling].append(number)
        bodies[event_number] = _with_reason(members, mapping.reason)
    locked = await _lock(connection, judged[Telling.TOLD] + judged[Telling.REFUSED], now)
    given_up = await skip(connection, judged[Telling.REFUSED], operator, now)
    released = sorted(number for number in judged[Telling.TOLD] if locked[number].state == "held")
    if released:
        free = {"state": "pending", "waits_kind": None, "waits_text": None}
        await connection.execute(update(delivery).where(any_of(connection, delivery.c.number, released)).values(free))
        rows = [
            {"number": number, "body": codec.encode(bodies[number]), "profile_version": mapping.profile_version}
            for number in sorted({locked[number].event for number in released})
        ]
        await connection.execute(_rewrite_events(connection.dialect.name), encode_rows(connection, rows))
        await _make_due(connection, [locked[number] for number in released if not locked[number].claimed], now)
        await write_action(connection, _action("release", released, operator), now)
    return sorted(released + _done(given_up))


def _with_reason(members: dict[str, Any], reason: Reason | None) -> dict[str, Any]:
    if reason is None:
        return members
    mapped = {"code": reason.code, "label": reason.label, "outcome": reason.outcome}
    return {**members, "reason": {**members["reason"], **mapped}}


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
    owed = (await connection.execute(_owed_states(connection.dialect.name), encode_rows(connection, rows))).all()
    heads = {key: next(of_lane) for key, of_lane in groupby(sorted(map(tuple, owed)), key=itemgetter(0, 1))}
    due = [
        {"destination": one, "key": key, "due_at": max(now, retried_at or now) if state == "pending" else None}
        for (one, key), (*_, state, retried_at) in heads.items()
    ]
    if due:
        await connection.execute(_set_due(connection.dialect.name), encode_rows(connection, due))


@cache
def _lock_lanes(dialect: str) -> Executable:
    rows = given(dialect, destination=Number, key=Number)
    return lock_each(dialect, rows, lane.c.destination, lane.c.key, lane.c.due_at, lane.c.token)


@cache
def _owed_states(dialect: str) -> Executable:
    rows = given(dialect, destination=Number, key=Number, strict=Boolean())
    mine = (delivery.c.destination == rows.c.destination) & (delivery.c.lane == rows.c.key)
    columns = (delivery.c.destination, delivery.c.lane, delivery.c.position, delivery.c.state, delivery.c.due_at)
    query = select(*columns)
    return query.join_from(rows, delivery, mine).where(is_owed(delivery.c.state, rows.c.strict))


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
