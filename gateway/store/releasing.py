"""Sends kept records back to be decided again: those that an operator names, and all that waited for a mapping.

Nothing is decided here: the clock's role does that, by the function that decides everything.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sqlalchemy import case, func, select, update

from gateway.core.reasons import ReasonKind
from gateway.core.values import dataclass
from gateway.core.waits import Telling, WaitKind
from gateway.store import codec
from gateway.store.deliveries import Operator, Rewritten, release_held
from gateway.store.dialect import any_of, for_update
from gateway.store.operators import Action, write_action, write_actions
from gateway.store.states import is_any
from gateway.store.tables import delivery, destination, event, inbound_record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Row, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.reasons import ReasonLists

# Applied and ignored records are settled for good.
MAY_BE_REQUEUED = ("quarantined", "refused", "parked", "unmapped")
# Completing a whole job takes a cancel reason too: in CloudEvents, and in Connect, where the type names the entity.
_COMPLETES_A_JOB = frozenset({"job.complete", "job"})
# What one transaction releases: for so long relays and operators may have to wait for its lanes.
PAGE = 500
_OF_EVENT = (event.c.brand, event.c.type, event.c.body)
_IS_HELD = is_any(delivery.c.state, ("held",))


class Verdict(StrEnum):
    """What came of sending one record back. Values are stable."""

    DONE = "done"
    UNKNOWN = "unknown_record"
    WRONG_STATE = "wrong_state"


@dataclass(frozen=True, slots=True)
class InForce:
    """What the profile in force of a brand knows. `tells` is asked of an event's type and body."""

    brand: str
    reasons: ReasonLists
    profile_version: int
    tells: Callable[[str, Mapping[str, Any]], Telling]


FindInForce: TypeAlias = "Callable[[str], InForce | None]"
_Row: TypeAlias = "Row[*tuple[Any, ...]]"


class Beyond(NamedTuple):
    """How far the pages have come: the numbers of the last record and of the last delivery that were looked at."""

    record: int = 0
    delivery: int = 0


_FIRST = Beyond()


@dataclass(frozen=True, slots=True)
class Released:
    """The records to be decided again, and the deliveries that may go or were given up.

    `beyond` is where the next page begins; None where that was the last.
    """

    records: tuple[int, ...] = ()
    deliveries: tuple[int, ...] = ()
    beyond: Beyond | None = None


@dataclass(frozen=True, slots=True)
class Mapped:
    """The texts that something waits for and a version in force maps, for records and for deliveries."""

    records: frozenset[str]
    deliveries: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.records or self.deliveries)


async def requeue(
    connection: AsyncConnection, numbers: Collection[int], operator: Operator, now: datetime
) -> dict[int, Verdict]:
    """Sends back what may be decided again, in the caller's transaction, with an audit row."""
    record = inbound_record.c
    query = select(record.number, record.state).where(any_of(connection, record.number, sorted(set(numbers))))
    rows = (await connection.execute(for_update(connection.dialect.name, query.order_by(record.number)))).all()
    states = {row.number: row.state for row in rows}
    verdicts = {number: _verdict(states.get(number)) for number in numbers}
    done = sorted(number for number, verdict in verdicts.items() if verdict is Verdict.DONE)
    await _send_back(connection, done)
    if done:
        await write_action(connection, Action(operator.author, "requeue", "record", tuple(done), operator.reason), now)
    return verdicts


def _verdict(state: str | None) -> Verdict:
    if state is None:
        return Verdict.UNKNOWN
    return Verdict.DONE if state in MAY_BE_REQUEUED else Verdict.WRONG_STATE


async def release_mapped(connection: AsyncConnection, profile: InForce, operator: Operator, now: datetime) -> Released:
    """Releases the first page of what waited for something that `profile` maps, in the caller's transaction.

    The clock goes on with the rest, and would with this one.
    """

    def find_in_force(brand: str) -> InForce | None:
        return profile if brand == profile.brand else None

    mapped = await find_mapped(connection, find_in_force)
    return await release_page(connection, find_in_force, mapped, operator, now)


async def find_mapped(connection: AsyncConnection, find_in_force: FindInForce) -> Mapped:
    """What is waited for and mapped by now: whether there is anything to release, and what to look for."""
    record = inbound_record.c
    query = select(record.brand, record.type, record.waits_text).where(is_any(record.state, ("unmapped",))).distinct()
    unmapped = (await connection.execute(query)).all()
    held = (await connection.execute(_one_of_each())).all()
    return Mapped(
        frozenset(row.waits_text for row in unmapped if _is_decidable(row, find_in_force)),
        frozenset(row.waits_text for row in held if _may_go(row, find_in_force)),
    )


async def release_page(
    connection: AsyncConnection,
    find_in_force: FindInForce,
    mapped: Mapped,
    operator: Operator,
    now: datetime,
    *,
    beyond: Beyond = _FIRST,
    limit: int = PAGE,
) -> Released:
    """Releases what waited for something of `mapped`, at most `limit` records and as many deliveries, with audit rows.

    A constant number of statements, in the caller's transaction, which locks records before lanes, and lanes in
    everybody's order, whatever they waited for and of whichever brand they are: so whoever releases waits for others
    and they for him, but never both. Each lane keeps its order however the pages cut it: it is never sent past what is
    held.

    A record that holds its job keeps its text until it is decided: what is parked behind it is found by that, and
    follows it in the order received.
    """
    looked_at = await _lock_records(connection, mapped.records, beyond.record, limit)
    records = {row.number: row.brand for row in looked_at if _is_decidable(row, find_in_force)}
    await _send_back(connection, records)
    held = await _read_held(connection, mapped.deliveries, beyond.delivery, limit)
    judged = {row.number: _judge(row, find_in_force) for row in held}
    told = {number: one for number, one in judged.items() if isinstance(one, Rewritten)}
    refused = [number for number, one in judged.items() if one is Telling.REFUSED]
    released = await release_held(connection, told, refused, now)
    brands = {row.number: row.brand for row in held}
    actions = [
        *_actions("release", "record", records, find_in_force, operator),
        *_actions("release", "delivery", {one: brands[one] for one in released.freed}, find_in_force, operator),
        *_actions("skip", "delivery", {one: brands[one] for one in released.given_up}, find_in_force, operator),
    ]
    await write_actions(connection, actions, now)
    beyond = Beyond(_last(looked_at, beyond.record), _last(held, beyond.delivery))
    return Released(
        tuple(records),
        tuple(sorted((*released.freed, *released.given_up))),
        beyond if limit in {len(looked_at), len(held)} else None,
    )


def _last(rows: Sequence[_Row], before: int) -> int:
    return rows[-1].number if rows else before


def _is_decidable(row: _Row, find_in_force: FindInForce) -> bool:
    profile = find_in_force(row.brand) if row.brand else None
    return profile is not None and _completes(profile.reasons, row.type, row.waits_text)


def _completes(reasons: ReasonLists, kind: str | None, text: str | None) -> bool:
    if text is None:
        return False
    if reasons.find(ReasonKind.COMPLETE, text) is not None:
        return True
    return kind in _COMPLETES_A_JOB and reasons.find(ReasonKind.CANCEL, text) is not None


async def _lock_records(connection: AsyncConnection, texts: Collection[str], beyond: int, limit: int) -> list[_Row]:
    if not texts:
        return []
    record = inbound_record.c
    query = (
        select(record.number, record.brand, record.type, record.waits_text)
        .where(is_any(record.state, ("unmapped",)), record.number > beyond)
        .where(any_of(connection, record.waits_text, sorted(texts)))
        .order_by(record.number)
        .limit(limit)
    )
    return list((await connection.execute(for_update(connection.dialect.name, query))).all())


async def _send_back(connection: AsyncConnection, numbers: Collection[int]) -> None:
    if not numbers:
        return
    mine = any_of(connection, inbound_record.c.number, numbers)
    await connection.execute(update(inbound_record).where(mine).values(state="requeued"))


def _one_of_each() -> Select[Any]:
    """One delivery of each value that is waited for at a destination, which is one brand's."""
    waits = (delivery.c.waits_kind, delivery.c.waits_text)
    each = (
        select(*waits, delivery.c.destination, func.min(delivery.c.event).label("event"))
        .where(_IS_HELD, delivery.c.waits_kind.is_not(None))
        .group_by(*waits, delivery.c.destination)
        .subquery()
    )
    # Only standings are judged by what the event says, and there are few: of texts there may be any number.
    body = case((each.c.waits_kind == WaitKind.STATUS.value, event.c.body)).label("body")
    of_each = select(each.c.waits_kind, each.c.waits_text, destination.c.kind, event.c.brand, event.c.type, body)
    return of_each.join_from(each, event, event.c.number == each.c.event).join(
        destination, destination.c.number == each.c.destination
    )


async def _read_held(connection: AsyncConnection, texts: Collection[str], beyond: int, limit: int) -> list[_Row]:
    if not texts:
        return []
    # Cut to the page before anything is looked up of it: all that is held may be much.
    page = (
        select(
            delivery.c.number, delivery.c.event, delivery.c.destination, delivery.c.waits_kind, delivery.c.waits_text
        )
        .where(_IS_HELD, delivery.c.waits_kind.is_not(None), delivery.c.number > beyond)
        .where(any_of(connection, delivery.c.waits_text, sorted(texts)))
        .order_by(delivery.c.number)
        .limit(limit)
        .subquery("page")
    )
    query = (
        select(page.c.number, page.c.waits_kind, page.c.waits_text, destination.c.kind, *_OF_EVENT)
        .join_from(page, event, event.c.number == page.c.event)
        .join(destination, destination.c.number == page.c.destination)
        .order_by(page.c.number)
    )
    return list((await connection.execute(query)).all())


def _may_go(row: _Row, find_in_force: FindInForce) -> bool:
    """Whether the value that is waited for is mapped. Of one standing every event says the same."""
    if row.waits_kind == WaitKind.STATUS:
        return _judge(row, find_in_force) is not Telling.SILENT
    profile = find_in_force(row.brand) if row.brand else None
    return profile is not None and profile.reasons.given(ReasonKind(row.waits_kind), row.waits_text).code is not None


def _judge(row: _Row, find_in_force: FindInForce) -> Rewritten | Telling:
    """What the version in force makes of what is held: its event as it is told, REFUSED or SILENT."""
    profile = find_in_force(row.brand) if row.brand else None
    if profile is None:
        return Telling.SILENT
    kind, members = WaitKind(row.waits_kind), codec.decode(row.body)
    # Who polls is told in words that are no brand's.
    telling = Telling.TOLD if row.kind == "poll" else profile.tells(row.type, members)
    if kind is not WaitKind.STATUS:
        known = profile.reasons.given(ReasonKind(kind), row.waits_text)
        if known.code is None:
            return Telling.SILENT
        mapped = {"code": known.code, "label": known.label or known.code, "outcome": known.outcome}
        members = {**members, "reason": {**members["reason"], **mapped}}
    return Rewritten(members, profile.profile_version) if telling is Telling.TOLD else telling


def _actions(
    verb: str, subject: str, brands: Mapping[int, str], find_in_force: FindInForce, operator: Operator
) -> Iterator[Action]:
    """An audit row for each brand, which tells the version."""
    for brand in sorted(set(brands.values())):
        profile = find_in_force(brand)
        version = f"{brand} v{profile.profile_version}" if profile is not None else brand
        numbers = tuple(number for number, mine in brands.items() if mine == brand)
        yield Action(operator.author, verb, subject, numbers, f"{version}: {operator.reason}")
