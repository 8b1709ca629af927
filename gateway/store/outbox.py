"""Appends what happened and who is owed it, in the transaction that saves the state it follows from.

The order of the three statements matters: a lane's row is locked before its deliveries are inserted, so that whoever
settles deliveries of that lane either sees the new ones or has finished before them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import orjson
from sqlalchemy import Executable, and_, bindparam, case, func, insert, literal, or_, select, true

from gateway.core.events import EventType
from gateway.core.values import dataclass
from gateway.store.dialect import insert_into
from gateway.store.given import encode_rows, given
from gateway.store.states import LEFT, is_any
from gateway.store.tables import delivery, destination, event, lane

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, FromClause

    from gateway.store.bulk import Writes


# Where whoever appended says so (`Database.notify`), once per batch: each costs a commit dear.
CHANNEL = "gateway_outbox"

# Under pressure the lower goes first. 0: offers, decisions, completions, cancellations. 1: progress and changes.
# 2: notes, reminders, receipts.
RANKS = (0, 1, 2)


@dataclass(slots=True, kw_only=True)
class NewEvent:
    """A row of `event`: its members are the columns. `recipients` is how many deliveries are appended for it.

    `unmatched` is why there are none, by the destination's name, where somebody could have been told.
    """

    number: int
    type: str
    job: int | None
    source: str
    position: int
    jobversion: int | None
    brand: str | None
    profile_version: int | None
    record: int | None
    note: int | None = None
    note_revision: int | None = None
    by_user: int | None = None
    occurred_at: datetime
    recorded_at: datetime
    recipients: int
    unmatched: orjson.Fragment | None = None
    body: orjson.Fragment


@dataclass(slots=True, kw_only=True)
class NewDelivery:
    """One event owed to one destination: a row of `delivery`.

    `lane` is the job, or minus the record; `position` is unique in its lane. `held`: waits until the brand's profile
    maps `waits_text`, a reason or a standing: `waits_kind`. `rank` is one of `RANKS`. `operation`: an operator's, which
    made it. `profile_version` renders it instead of the one that decided.
    """

    number: int
    event: int
    destination: int
    lane: int
    position: int
    previous: int | None = None
    state: Literal["pending", "held"] = "pending"
    waits_kind: str | None = None
    waits_text: str | None = None
    rank: int = 1
    operation: int | None = None
    profile_version: int | None = None


async def append(
    writes: Writes,
    events: Sequence[NewEvent],
    deliveries: Sequence[NewDelivery],
    now: datetime,
    *,
    wakes: bool = True,
) -> None:
    """Appends in the caller's transaction, and makes its other `writes` with it; `wakes` relays when that commits.

    Lanes are locked in order of (destination, lane): the caller locks none of them before. A claimed lane stays
    claimed; one whose head waits for somebody stays so; a new one is due at `now`, unless its head is held.
    """
    if events:
        writes.add(_insert_events(writes.dialect), encode_rows(writes.connection, events))
    if deliveries:
        writes.add(_upsert_lanes(writes.dialect), encode_rows(writes.connection, _lane_rows(deliveries, now)))
    await writes.make()
    if deliveries:
        # Only under the locks of their lanes: what was sent before may have been superseded a moment ago.
        writes.add(_insert_deliveries(writes.dialect), {**encode_rows(writes.connection, deliveries), "now": now})
        if wakes:
            writes.notify(CHANNEL)
        await writes.make()


def _lane_rows(deliveries: Iterable[NewDelivery], now: datetime) -> Iterable[dict[str, Any]]:
    """One row per lane: how much is added, the most urgent rank, and when the lane is due if it is a new one."""
    lanes: dict[tuple[int, int], dict[str, Any]] = {}
    for one in sorted(deliveries, key=lambda one: (one.destination, one.lane, one.position)):
        row = lanes.get((one.destination, one.lane))
        if row is None:
            due = None if one.state == "held" else now
            row = {"destination": one.destination, "key": one.lane, "owed": 0, "rank": one.rank, "due_at": due}
            lanes[one.destination, one.lane] = row
        row["owed"] += 1
        row["rank"] = min(row["rank"], one.rank)
    return lanes.values()


@cache
def _insert_events(dialect: str) -> Executable:
    names = [column.name for column in event.columns]
    rows = given(dialect, **{column.name: column.type for column in event.columns})
    return insert(event).from_select(names, select(*(rows.c[name] for name in names)))


@cache
def _upsert_lanes(dialect: str) -> Executable:
    names = ["destination", "key", "owed", "rank", "due_at"]
    rows = given(dialect, **{name: lane.c[name].type for name in names})
    # SQLite needs the WHERE to tell ON CONFLICT from a join's ON.
    listed = select(*(rows.c[name] for name in names)).where(true()).order_by(rows.c.destination, rows.c.key)
    added = insert_into(dialect, lane).from_select(names, listed)
    return added.on_conflict_do_update(
        index_elements=[lane.c.destination, lane.c.key],
        set_={
            "owed": lane.c.owed + added.excluded.owed,
            "rank": case((added.excluded.rank < lane.c.rank, added.excluded.rank), else_=lane.c.rank),
        },
    )


# A redelivery is beside the chain of versions.
_is_chained = or_(delivery.c.operation.is_(None), event.c.type == EventType.JOB_SNAPSHOT.value)


def _stands_in_a_snapshot(rows: FromClause) -> ColumnElement[bool]:
    """The version before was sent again, whole, whatever became of its own delivery. Asked where that has left."""
    told, of, to = event.alias("told"), delivery.alias("of_snapshot"), destination.alias("to_whom")
    return (
        select(literal(1))
        .select_from(told)
        .join(of, of.c.event == told.c.number)
        .join(to, to.c.number == of.c.destination)
        .where(
            told.c.job == rows.c.lane,
            told.c.type == EventType.JOB_SNAPSHOT.value,
            told.c.jobversion == rows.c.previous,
            of.c.destination == rows.c.destination,
            or_(~is_any(of.c.state, LEFT), and_(of.c.state == "dead", to.c.strict)),
        )
        .correlate(rows)
        .exists()
    )


@cache
def _insert_deliveries(dialect: str) -> Executable:
    ids = ("number", "event", "destination", "lane", "position", "previous", "operation", "profile_version")
    names = (*ids, "state", "waits_kind", "waits_text")
    rows = given(dialect, **{name: delivery.c[name].type for name in names})
    zeros = {name: literal(0).label(name) for name in ("claims", "attempts", "retries", "part")}
    values = {name: rows.c[name] for name in names if name != "previous"}
    # What was sent before it: not a version that was superseded, skipped or, on a relaxed destination, given up
    # meanwhile, but what stood before that one. Versions begin at 1; 0 stands for none.
    left = (
        select(func.coalesce(delivery.c.previous, 0))
        .join(event, event.c.number == delivery.c.event)
        .join(destination, destination.c.number == delivery.c.destination)
        .where(
            delivery.c.destination == rows.c.destination,
            delivery.c.lane == rows.c.lane,
            is_any(delivery.c.state, LEFT),
            or_(delivery.c.state != "dead", ~destination.c.strict),
            event.c.jobversion == rows.c.previous,
            _is_chained,
            ~_stands_in_a_snapshot(rows),
        )
        .order_by(delivery.c.position.desc())
        .limit(1)
    )
    previous = func.nullif(func.coalesce(left.scalar_subquery(), rows.c.previous), 0)
    now = bindparam("now", type_=delivery.c.created_at.type).label("created_at")
    selected = {**values, **zeros, "previous": previous.label("previous"), "created_at": now}
    return insert(delivery).from_select(list(selected), select(*selected.values()))
