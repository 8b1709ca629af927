"""Sends kept records back to be decided again: those that an operator names, and all that waited for a mapping.

Nothing is decided here: the clock's role does that, by the function that decides everything.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from gateway.core.reasons import Reason, ReasonKind
from gateway.core.values import dataclass
from gateway.core.waits import Telling, Wait, WaitKind
from gateway.store import codec
from gateway.store.deliveries import Mapped, Operator, release_held
from gateway.store.dialect import any_of, for_update
from gateway.store.operators import Action, write_action
from gateway.store.tables import delivery, event, inbound_record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.core.reasons import ReasonLists

# Applied and ignored records are settled for good.
MAY_BE_REQUEUED = ("quarantined", "refused", "parked", "unmapped")
# Completing a whole job takes a cancel reason too: in CloudEvents, and in Connect, where the type names the entity.
_COMPLETES_A_JOB = frozenset({"job.complete", "job"})


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


@dataclass(frozen=True, slots=True)
class Released:
    """The records to be decided again, and the deliveries that may go."""

    records: tuple[int, ...] = ()
    deliveries: tuple[int, ...] = ()


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
    await _send_back(connection, done, Action(operator.author, "requeue", "record", tuple(done), operator.reason), now)
    return verdicts


def _verdict(state: str | None) -> Verdict:
    if state is None:
        return Verdict.UNKNOWN
    return Verdict.DONE if state in MAY_BE_REQUEUED else Verdict.WRONG_STATE


async def release_mapped(connection: AsyncConnection, profile: InForce, operator: Operator, now: datetime) -> Released:
    """Releases all that waited for something that `profile` maps, in the caller's transaction, with audit rows.

    A record that holds its job keeps its text until it is decided: what is parked behind it is found by that, and
    follows it in the order received.
    """
    record = inbound_record.c
    query = select(record.number, record.type, record.waits_text)
    query = query.where(record.state == "unmapped", record.brand == profile.brand).order_by(record.number)
    rows = (await connection.execute(for_update(connection.dialect.name, query))).all()
    records = [number for number, kind, text in rows if _completes(profile.reasons, kind, text)]
    why = f"{profile.brand} v{profile.profile_version}: {operator.reason}"
    await _send_back(connection, records, Action(operator.author, "release", "record", tuple(records), why), now)
    deliveries: list[int] = []
    for wait, mapped in await _find_mapped(connection, profile):
        deliveries += await release_held(
            connection, brand=profile.brand, wait=wait, mapping=mapped, operator=operator, now=now
        )
    return Released(tuple(records), tuple(deliveries))


async def release_resolved(
    connection: AsyncConnection, find_in_force: Callable[[str], InForce | None], operator: Operator, now: datetime
) -> Released:
    """The same for every brand: a net below the import, for what was decided just then by the version before."""
    waiting = map(find_in_force, sorted(await _waiting_brands(connection)))
    released = [await release_mapped(connection, one, operator, now) for one in waiting if one is not None]
    return Released(
        tuple(number for one in released for number in one.records),
        tuple(number for one in released for number in one.deliveries),
    )


def _completes(reasons: ReasonLists, kind: str | None, text: str | None) -> bool:
    if text is None:
        return False
    if reasons.find(ReasonKind.COMPLETE, text) is not None:
        return True
    return kind in _COMPLETES_A_JOB and reasons.find(ReasonKind.CANCEL, text) is not None


async def _send_back(connection: AsyncConnection, numbers: Collection[int], action: Action, now: datetime) -> None:
    if not numbers:
        return
    mine = any_of(connection, inbound_record.c.number, numbers)
    await connection.execute(update(inbound_record).where(mine).values(state="requeued"))
    await write_action(connection, action, now)


async def _find_mapped(connection: AsyncConnection, profile: InForce) -> list[tuple[Wait, Mapped]]:
    """What deliveries wait for and `profile` maps. Of one standing every event says the same: one is looked at."""
    waits = (delivery.c.waits_kind, delivery.c.waits_text)
    held = (
        select(*waits, func.min(delivery.c.event).label("event"))
        .join(event, event.c.number == delivery.c.event)
        .where(delivery.c.state == "held", event.c.brand == profile.brand, delivery.c.waits_kind.is_not(None))
        .group_by(*waits)
        .subquery()
    )
    query = select(held.c.waits_kind, held.c.waits_text, event.c.type, event.c.body)
    query = query.join_from(held, event, event.c.number == held.c.event).order_by(held.c.waits_kind, held.c.waits_text)
    found = []
    for kind, value, event_type, body in (await connection.execute(query)).all():
        wait = Wait(WaitKind(kind), value)
        mapped = _find_mapping(profile, wait, event_type, body)
        if mapped is not None:
            found.append((wait, mapped))
    return found


def _find_mapping(profile: InForce, wait: Wait, event_type: str, body: str) -> Mapped | None:
    if wait.kind is WaitKind.STATUS:
        is_silent = profile.tells(event_type, codec.decode(body)) is Telling.SILENT
        return None if is_silent else Mapped(profile_version=profile.profile_version, tells=profile.tells)
    known = profile.reasons.given(ReasonKind(wait.kind), wait.value)
    if known.code is None:
        return None
    reason = Reason(known.code, known.label or known.code, known.outcome)
    return Mapped(profile_version=profile.profile_version, tells=profile.tells, reason=reason)


async def _waiting_brands(connection: AsyncConnection) -> set[str]:
    record = inbound_record.c
    unmapped = select(record.brand).where(record.state == "unmapped").distinct()
    held = select(event.c.brand).join(delivery, event.c.number == delivery.c.event)
    held = held.where(delivery.c.state == "held").distinct()
    return {row.brand for query in (unmapped, held) for row in (await connection.execute(query)).all() if row.brand}
