"""Recovery operations: what is to be done to many rows, frozen when it was seen, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from sqlalchemy import insert, select, update

from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.bulk import insert_rows
from gateway.store.columns import Number, to_microseconds
from gateway.store.dialect import for_update
from gateway.store.given import encode_rows, given
from gateway.store.operators import Action, write_action
from gateway.store.previews import preview_of
from gateway.store.tables_control import operation, operation_item

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import RowMapping, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.deliveries import Operator
    from gateway.store.redelivering import Outcome

Verb: TypeAlias = Literal["reopen", "redeliver", "redeliver_by_active", "snapshot", "skip", "requeue"]


class NewItem(NamedTuple):
    """One thing to do. `subject` is a delivery, a record, or for a snapshot the job, which goes to `destination`."""

    verb: Verb
    subject: int
    destination: int | None = None


class Item(NamedTuple):
    """The same, at its place in an operation."""

    ordinal: int
    verb: Verb
    subject: int
    destination: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an operation goes: `canary` items first, the rest at `rate` a second (0: at once).

    It stops where more than `stop_at` of what it did, as a share from 0 to 1, has failed.
    """

    canary: int = 0
    rate: float = 0.0
    stop_at: float = 0.2


class State(StrEnum):
    """How an operation stands. Values are stable."""

    PREVIEWED = "previewed"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELED = "canceled"
    DONE = "done"


class Step(StrEnum):
    """What moves an operation: an operator, or the gateway, which ends or stops it."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    STOP = "stop"
    END = "end"


_MOVES: Mapping[Step, Mapping[State, State]] = {
    Step.START: {State.PREVIEWED: State.RUNNING},
    Step.PAUSE: {State.RUNNING: State.PAUSED},
    Step.RESUME: {State.PAUSED: State.RUNNING, State.STOPPED: State.RUNNING},
    Step.CANCEL: dict.fromkeys((State.PREVIEWED, State.RUNNING, State.PAUSED, State.STOPPED), State.CANCELED),
    Step.STOP: {State.RUNNING: State.STOPPED},
    Step.END: {State.RUNNING: State.DONE},
}


class Moved(StrEnum):
    """Whether an operation was moved. Values are stable."""

    DONE = "done"
    UNKNOWN = "unknown_operation"
    WRONG_STATE = "wrong_state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an operation has come: `last` is the highest ordinal done, `judged_from` what is judged begins behind.

    Past its canary it goes faster and faster since `ramp_at`; `pace` is how fast by now, in items a second, and what
    that allowed is spent up to `spent_until`. Moments are microseconds.
    """

    started_at: int | None = None
    last: int = 0
    judged_from: int = 0
    past_canary: bool = False
    ramp_at: int | None = None
    spent_until: int | None = None
    pace: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as it stands."""

    number: int
    kind: str
    state: State
    state_reason: str | None
    author: str
    reason: str
    terms: Terms
    preview: Mapping[str, Any]
    progress: Progress
    made: int
    created_at: datetime
    state_at: datetime


async def create_operation(
    connection: AsyncConnection, kind: str, items: Sequence[NewItem], terms: Terms, operator: Operator, now: datetime
) -> int:
    """Freezes an operation, which is `previewed` until somebody starts it, with its audit row; returns its number."""
    number = await open_operation(connection, kind, terms, operator, now)
    rows = [
        {
            "operation": number,
            "ordinal": ordinal,
            "verb": one.verb,
            "subject": one.subject,
            "destination": one.destination,
            "state": "waiting",
        }
        for ordinal, one in enumerate(items, 1)
    ]
    await insert_rows(connection, operation_item, rows)
    await seal(connection, number, kind, {"selected": len(rows)}, operator, now)
    return number


async def open_operation(
    connection: AsyncConnection,
    kind: str,
    terms: Terms,
    operator: Operator,
    now: datetime,
    *,
    state: State = State.PREVIEWED,
) -> int:
    """The row of an operation whose items follow in the same transaction; returns its number."""
    row = {
        "kind": kind,
        "state": state.value,
        "author": operator.author,
        "reason": operator.reason,
        "terms": codec.encode(asdict(terms)),
        "made": 0,
        "created_at": now,
        "state_at": now,
    }
    [number] = (await connection.execute(insert(operation).values(**row).returning(operation.c.number))).one()
    return int(number)


async def seal(
    connection: AsyncConnection, number: int, kind: str, seen: Mapping[str, Any], operator: Operator, now: datetime
) -> None:
    """Keeps what was seen with what its items come to, and writes the audit row."""
    preview = {**seen, **await preview_of(connection, number, kind)}
    mine = operation.c.number == number
    await connection.execute(update(operation).where(mine).values(preview=codec.encode(preview)))
    action = Action(operator.author, f"preview {kind}", "operation", (number,), operator.reason)
    await write_action(connection, action, now)


async def write_done(
    connection: AsyncConnection, number: int, verb: Verb, outcomes: Mapping[int, Outcome], now: datetime
) -> None:
    """The items of an operation that was carried out in the transaction that opened it."""
    rows = [
        {"operation": number, "ordinal": ordinal, "verb": verb, "subject": subject, **_settled(outcome)}
        for ordinal, (subject, outcome) in enumerate(outcomes.items(), 1)
    ]
    await insert_rows(connection, operation_item, rows)
    made = sum(one.made is not None for one in outcomes.values())
    preview = {"selected": len(rows), **await preview_of(connection, number, verb)}
    told = update(operation).where(operation.c.number == number)
    await connection.execute(told.values(made=made, preview=codec.encode(preview), state_at=now))


async def find_operation(connection: AsyncConnection, number: int) -> Operation | None:
    """The operation of that number."""
    return await _find(connection, select(operation).where(operation.c.number == number))


async def list_operations(
    connection: AsyncConnection, *, before: int | None = None, limit: int = 50
) -> list[Operation]:
    """Operations below the number `before`, the newest first."""
    query = select(operation).order_by(operation.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(operation.c.number < before)
    return [_operation_from(row) for row in (await connection.execute(query)).mappings()]


async def find_running(connection: AsyncConnection) -> list[int]:
    """The operations that are running, the oldest first."""
    query = select(operation.c.number).where(operation.c.state == State.RUNNING.value).order_by(operation.c.number)
    return [row.number for row in await connection.execute(query)]


async def lock_running(connection: AsyncConnection, number: int) -> Operation | None:
    """The operation, locked: None where it runs no more, or another process is at it now."""
    query = select(operation).where(operation.c.number == number, operation.c.state == State.RUNNING.value)
    return await _find(connection, for_update(connection.dialect.name, query, skip_locked=True))


async def move(
    connection: AsyncConnection,
    number: int,
    step: Step,
    operator: Operator,
    now: datetime,
    *,
    terms: Terms | None = None,
    why: str | None = None,
) -> Moved:
    """The one way from state to state, with its audit row: `terms` come with a start, `why` with a stop."""
    query = for_update(connection.dialect.name, select(operation).where(operation.c.number == number))
    found = await _find(connection, query)
    if found is None:
        return Moved.UNKNOWN
    state = _MOVES[step].get(found.state)
    if state is None:
        return Moved.WRONG_STATE
    values: dict[str, Any] = {"state": state.value, "state_reason": why, "state_at": now}
    if terms is not None:
        values["terms"] = codec.encode(asdict(terms))
    if state is State.RUNNING:
        values["progress"] = codec.encode(asdict(_begun(found, now)))
    await connection.execute(update(operation).where(operation.c.number == number).values(values))
    await write_action(connection, Action(operator.author, step.value, "operation", (number,), operator.reason), now)
    return Moved.DONE


def _begun(found: Operation, now: datetime) -> Progress:
    """Running again it goes slowly at first; after a stop what has failed before is not held against it."""
    before = found.progress
    started = to_microseconds(now) if before.started_at is None else before.started_at
    was_stopped = found.state is State.STOPPED
    return Progress(
        started_at=started,
        last=before.last,
        judged_from=before.last if was_stopped else before.judged_from,
        past_canary=before.past_canary or was_stopped,
    )


async def take_items(
    connection: AsyncConnection, number: int, *, up_to: int | None, but: Collection[int], limit: int
) -> list[Item]:
    """The first of an operation's items that wait, up to the ordinal `up_to`, but those."""
    item = operation_item.c
    query = select(item.ordinal, item.verb, item.subject, item.destination).order_by(item.ordinal)
    query = query.limit(limit + len(but)).where(item.operation == number, item.state == "waiting")
    if up_to is not None:
        query = query.where(item.ordinal <= up_to)
    waiting = [Item(*row) for row in await connection.execute(query)]
    return [one for one in waiting if one.ordinal not in but][:limit]


async def settle_items(
    connection: AsyncConnection, found: Operation, outcomes: Mapping[int, Outcome], progress: Progress
) -> None:
    """Writes what came of items, by ordinal, in the transaction in which it was done, and how far it has come."""
    # The whole key in each: else SQLite would read all items for each row.
    key = {"operation": found.number}
    rows = [{**key, "ordinal": ordinal, **_settled(outcome)} for ordinal, outcome in outcomes.items()]
    if rows:
        item = operation_item.c
        names = ("state", "verdict", "made")
        columns = {name: item[name].type for name in names}
        listed = given(connection.dialect.name, operation=Number, ordinal=Number, **columns)
        mine = (item.operation == listed.c.operation, item.ordinal == listed.c.ordinal)
        values = {name: listed.c[name] for name in names}
        await connection.execute(update(operation_item).where(*mine).values(values), encode_rows(connection, rows))
    made = found.made + sum(one.made is not None for one in outcomes.values())
    told = update(operation).where(operation.c.number == found.number)
    await connection.execute(told.values(made=made, progress=codec.encode(asdict(progress))))


def _settled(outcome: Outcome) -> dict[str, Any]:
    state = "done" if outcome.verdict == "done" else "refused"
    return {"state": state, "verdict": str(outcome.verdict), "made": outcome.made}


async def _find(connection: AsyncConnection, query: Select[Any]) -> Operation | None:
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else _operation_from(row)


def _operation_from(row: RowMapping) -> Operation:
    return Operation(
        number=row["number"],
        kind=row["kind"],
        state=State(row["state"]),
        state_reason=row["state_reason"],
        author=row["author"],
        reason=row["reason"],
        terms=Terms(**codec.decode(row["terms"])),
        preview=codec.decode(row["preview"]) if row["preview"] else {},
        progress=Progress(**codec.decode(row["progress"])) if row["progress"] else Progress(),
        made=row["made"],
        created_at=row["created_at"],
        state_at=row["state_at"],
    )
