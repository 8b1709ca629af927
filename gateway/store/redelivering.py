"""Sends what was delivered once more: a new delivery of the same event, behind everything of its lane.

It repeats the versions of the first and changes nothing of what the job knows to have been sent. Which version of the
profile renders it is settled here: the one that decided, or where an operator asks for it the one in force now.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sqlalchemy import Executable, or_, select, update

from gateway.core.events import EventType
from gateway.core.values import dataclass, replace
from gateway.core.visibility import Audience, may_see
from gateway.store import codec
from gateway.store.aggregates import lock_jobs, save_sent
from gateway.store.bulk import Writes
from gateway.store.claim_statements import OF_EVENT
from gateway.store.claims import event_from
from gateway.store.columns import Number
from gateway.store.deliveries import Verdict
from gateway.store.destinations import REMOVED, load_destinations
from gateway.store.dialect import any_of, for_update
from gateway.store.given import encode_rows, given
from gateway.store.notes import load_notes
from gateway.store.operators import Action, write_action
from gateway.store.outbox import RANKS, NewDelivery, append
from gateway.store.tables import delivery, destination, event, inbound_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.document import StoredEvent
    from gateway.core.job import Job
    from gateway.core.notes import Note
    from gateway.store.deliveries import Operator
    from gateway.store.destinations import Destination

# What operators have sent again goes behind what happens, where a destination lags.
BEHIND = RANKS[-1]


# Which version in force renders an event for a destination; None where no profile does. A verdict: it will not.
FindVersion: TypeAlias = "Callable[[StoredEvent, Destination], int | Verdict | None]"


class ByVersion(StrEnum):
    """Which version of a profile renders what is redelivered: the one that decided, or the one in force now."""

    DECIDED = "decided"
    ACTIVE = "active"


class Outcome(NamedTuple):
    """What came of a verb on one subject, and the delivery that it made, if any."""

    verdict: str
    made: int | None = None


@dataclass(slots=True)
class _Places:
    """Where the next delivery of each lane stands: taken from the job's own count, or the record's of its receipts."""

    jobs: dict[int, Job]
    receipts: dict[int, int]

    def has(self, lane: int) -> bool:
        return lane in self.jobs or -lane in self.receipts

    def take(self, lane: int) -> int:
        if lane < 0:
            self.receipts[-lane] += 1
            return self.receipts[-lane] - 1
        job = self.jobs[lane]
        self.jobs[lane] = replace(job, sequence=job.sequence + 1)
        return job.sequence + 1


def has_later() -> ColumnElement[bool]:
    """That a later happening than `event` is there for the destination of `delivery`, whatever became of it."""
    later, of = event.alias("later"), delivery.alias("of_later")
    there = select(of.c.number).join_from(later, of, of.c.event == later.c.number).correlate(delivery, event)
    there = there.where(later.c.position > event.c.position, of.c.destination == delivery.c.destination)
    # One by one: each has an index of its own.
    of_job = there.where(later.c.job == event.c.job)
    of_record = there.where(event.c.job.is_(None), later.c.job.is_(None), later.c.record == event.c.record)
    return or_(of_job.exists(), of_record.exists())


async def redeliver(
    connection: AsyncConnection,
    numbers: Sequence[int],
    fresh: Iterable[int],
    operation: int,
    operator: Operator,
    now: datetime,
    *,
    find_version: FindVersion | None = None,
) -> dict[int, Outcome]:
    """Sends delivered ones again, in the caller's transaction, as deliveries numbered by `fresh`; relays wake up.

    What is not its job's latest happening there goes only to a destination that understands versions. `find_version`:
    by the version that it finds, which stays theirs whatever takes force later. A constant number of statements;
    records and jobs are locked before lanes, as whoever decides does.
    """
    places = await _lock_places(connection, numbers)
    found = await _read(connection, numbers)
    notes = await load_notes(connection, {row["note"] for row in found.values() if row["note"] is not None})
    verdicts = {number: _verdict(found.get(number), places, notes) for number in numbers}
    versions: dict[int, int | None] = {}
    if find_version is not None:
        may = [found[number] for number in numbers if verdicts[number] is Verdict.DONE]
        for number, version in (await _find_versions(connection, may, find_version)).items():
            if isinstance(version, Verdict):
                verdicts[number] = version
            else:
                versions[number] = version
    # Those of one lane in the order in which they were sent first.
    rows = sorted((found[number] for number in numbers if verdicts[number] is Verdict.DONE), key=_place)
    again = {
        row["number"]: _again(row, number, places, operation, versions.get(row["number"]))
        for row, number in zip(rows, fresh, strict=False)
    }
    if again:
        writes = Writes(connection)
        lanes = {one.lane for one in again.values()}
        save_sent(writes, [job for number, job in places.jobs.items() if number in lanes])
        receipts = [{"number": of, "receipts": count} for of, count in sorted(places.receipts.items()) if -of in lanes]
        if receipts:
            writes.add(_count_receipts(writes.dialect), encode_rows(connection, receipts))
        await append(writes, (), list(again.values()), now)
        verb = "redeliver" if find_version is None else "redeliver_by_active"
        action = Action(operator.author, verb, "delivery", tuple(sorted(again)), operator.reason)
        await write_action(connection, action, now)
    made = {number: one.number for number, one in again.items()}
    return {number: Outcome(verdict, made.get(number)) for number, verdict in verdicts.items()}


async def _lock_places(connection: AsyncConnection, numbers: Sequence[int]) -> _Places:
    query = select(delivery.c.lane).where(any_of(connection, delivery.c.number, numbers)).distinct()
    lanes = sorted(row.lane for row in await connection.execute(query))
    record = inbound_record.c
    receipts = select(record.number, record.receipts).where(any_of(connection, record.number, [-one for one in lanes]))
    receipts = for_update(connection.dialect.name, receipts.order_by(record.number))
    counted = {row.number: row.receipts for row in await connection.execute(receipts)}
    return _Places(await lock_jobs(connection, [one for one in lanes if one > 0]), counted)


async def _read(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, RowMapping]:
    columns = (delivery.c.number, delivery.c.event, delivery.c.destination, delivery.c.lane, delivery.c.previous)
    of_event = (event.c.position, event.c.type, event.c.note)
    query = (
        select(*columns, delivery.c.state, *of_event, destination.c.settings, destination.c.audience)
        .add_columns(destination.c.state.label("stands"), has_later().label("has_later"))
        .join(event, event.c.number == delivery.c.event)
        .join(destination, destination.c.number == delivery.c.destination)
        .where(any_of(connection, delivery.c.number, numbers))
    )
    return {row["number"]: row for row in (await connection.execute(query)).mappings()}


def _verdict(row: RowMapping | None, places: _Places, notes: Mapping[int, Note]) -> Verdict:
    if row is None or not places.has(row["lane"]):
        return Verdict.UNKNOWN
    if row["state"] != "delivered":
        return Verdict.WRONG_STATE
    if row["stands"] == REMOVED:
        return Verdict.REMOVED
    if row["type"] == EventType.NOTE_PUBLISHED.value:
        note = notes.get(row["note"])
        if note is None or not may_see(note, Audience(row["audience"])):
            return Verdict.RETRACTED
    if row["has_later"] and not codec.decode(row["settings"]).get("understands_versions", False):
        return Verdict.NOT_LATEST
    return Verdict.DONE


async def _find_versions(
    connection: AsyncConnection, rows: Sequence[RowMapping], find_version: FindVersion
) -> dict[int, int | Verdict | None]:
    """By delivery. Two statements."""
    wanted = any_of(connection, event.c.number, {row["event"] for row in rows})
    read = await connection.execute(select(*(event.c[name] for name in OF_EVENT)).where(wanted))
    events = {one.number: one for one in map(event_from, read)}
    destinations = {one.number: one for one in (await load_destinations(connection)).values()}
    return {row["number"]: find_version(events[row["event"]], destinations[row["destination"]]) for row in rows}


def _place(row: RowMapping) -> tuple[int, int, int]:
    return row["lane"], row["position"], row["number"]


def _again(row: RowMapping, number: int, places: _Places, operation: int, version: int | None) -> NewDelivery:
    return NewDelivery(
        number=number,
        event=row["event"],
        destination=row["destination"],
        lane=row["lane"],
        position=places.take(row["lane"]),
        previous=row["previous"],
        rank=BEHIND,
        operation=operation,
        profile_version=version,
    )


@cache
def _count_receipts(dialect: str) -> Executable:
    rows: Any = given(dialect, number=Number, receipts=inbound_record.c.receipts.type)
    return update(inbound_record).where(inbound_record.c.number == rows.c.number).values(receipts=rows.c.receipts)
