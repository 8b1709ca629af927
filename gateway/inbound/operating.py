"""Runs recovery operations: a canary first, then faster and faster, until all is done or too much of it has failed.

What is done to an item and that it was done are one transaction: whoever dies in the middle has done nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

import structlog

from gateway.core.values import dataclass, replace
from gateway.inbound.backoff import Backoff
from gateway.inbound.by_active import find_active_version
from gateway.inbound.snapshots import Order, Told, snapshot
from gateway.store import deliveries, releasing
from gateway.store.bulk import notify
from gateway.store.columns import to_microseconds
from gateway.store.deliveries import Operator
from gateway.store.failures import classified
from gateway.store.numbers import Numbers
from gateway.store.operation_reports import Fate, tally
from gateway.store.operations import (
    Item,
    Operation,
    Progress,
    State,
    Step,
    Terms,
    find_running,
    lock_running,
    move,
    open_operation,
    settle_items,
    take_items,
    write_done,
)
from gateway.store.outbox import CHANNEL
from gateway.store.redelivering import Outcome, redeliver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from gateway.mapping.profile import Profile
    from gateway.store.database import Database, Transaction
    from gateway.store.operation_reports import Tally
    from gateway.store.operations import Verb

log = structlog.get_logger(__name__)

# Seconds between rounds: while something runs, and while nothing does.
PERIOD = 0.25
IDLE = 1.0
AT_ONCE = 500
# How many of the items done last are judged, and how often.
JUDGED = 20_000
JUDGE_SECONDS = 1.0
# A share is one of so many at least.
ENOUGH = 10
# Past the canary a fifth of the rate, and twice as much after each of these, up to all of it.
RAMP_SECONDS = 10.0
FIRST_SHARE = 0.2
# A lane that a relay had a moment ago is looked at again.
BUSY_SECONDS = 1.0
_SECOND = 1_000_000
_BUSY = deliveries.Verdict.BUSY.value


@dataclass(frozen=True, slots=True)
class Verbs:
    """What can be done to items. `active` are the profiles in force, `numbers` what new rows are called by."""

    numbers: Numbers
    active: Callable[[], Mapping[str, Profile]]

    async def reserve(self, count: int) -> None:
        """Makes sure of numbers for so many items. Call it with no transaction open."""
        await self.numbers.reserve("event", count)
        await self.numbers.reserve("delivery", count)

    async def do(
        self, connection: Transaction, operation: int, items: Sequence[Item], operator: Operator, now: datetime
    ) -> dict[int, Outcome]:
        """Does what `items`, all of one verb, say, in the caller's transaction; what came of each, by its ordinal."""
        verb = items[0].verb
        subjects = [one.subject for one in items]
        if verb == "snapshot":
            told = {one.ordinal: Told(one.subject, one.destination or 0) for one in items}
            order = Order(
                operation=operation,
                operator=operator,
                active=self.active(),
                events=iter(self.numbers.take("event", len(items))),
                deliveries=iter(self.numbers.take("delivery", len(items))),
            )
            made = await snapshot(connection, list(told.values()), order, now)
            return {ordinal: made[one] for ordinal, one in told.items()}
        found = await self._do_to_rows(connection, verb, subjects, operation, operator, now)
        if verb in {"reopen", "skip"}:
            await notify(connection, CHANNEL)
        return {one.ordinal: found[one.subject] for one in items}

    async def _do_to_rows(
        self,
        connection: Transaction,
        verb: Verb,
        subjects: Sequence[int],
        operation: int,
        operator: Operator,
        now: datetime,
    ) -> Mapping[int, Outcome]:
        match verb:
            case "reopen":
                return _plain(await deliveries.reopen(connection, subjects, operator, now))
            case "skip":
                return _plain(await deliveries.skip(connection, subjects, operator, now))
            case "requeue":
                return _plain(await releasing.requeue(connection, subjects, operator, now))
            case _:
                fresh = self.numbers.take("delivery", len(subjects))
                find = partial(find_active_version, self.active()) if verb == "redeliver_by_active" else None
                return await redeliver(connection, subjects, fresh, operation, operator, now, find_version=find)


def verbs_of_rows(database: Database, active: Mapping[str, Profile] | None = None) -> Verbs:
    """For a command that does one thing to named rows: no snapshots, and no numbers to spare."""
    return Verbs(Numbers(database, block=1), lambda: active or {})


def _plain(verdicts: Mapping[int, str]) -> dict[int, Outcome]:
    return {number: Outcome(verdict) for number, verdict in verdicts.items()}


async def do_at_once(
    database: Database, verbs: Verbs, verb: Verb, numbers: Sequence[int], operator: Operator
) -> dict[int, str]:
    """One operation over named rows, carried out and done in one transaction; the verdicts by number."""
    items = [Item(ordinal, verb, number, None) for ordinal, number in enumerate(numbers, 1)]
    await verbs.reserve(len(items))
    async with database.transaction() as connection:
        now = await database.now(connection)
        operation = await open_operation(connection, verb, Terms(), operator, now, state=State.DONE)
        outcomes = await verbs.do(connection, operation, items, operator, now)
        by_number = {one.subject: outcomes[one.ordinal] for one in items}
        await write_done(connection, operation, verb, by_number, now)
    return {number: str(outcome.verdict) for number, outcome in by_number.items()}


class Operating:
    """Any number of processes may run it: each operation has one of them at a time, for a chunk of its items.

    `refresh` reads again what is known by heart, `wake` tells the relays of this process.
    """

    def __init__(
        self,
        database: Database,
        verbs: Verbs,
        *,
        refresh: Callable[[], Awaitable[None]],
        wake: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._verbs = verbs
        self._refresh = refresh
        self._wake = wake
        self._monotonic = monotonic
        self._met: set[int] = set()
        self._judged: dict[int, float] = {}
        self._busy: dict[int, dict[int, float]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Does what there is to do until `stop` is set; a chunk that was begun is finished."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                worked = await self.step()
                backoff.succeeded()
            except Exception as error:  # noqa: BLE001 - the next round finds what this one left
                log.warning("operations.wait", error=type(error).__name__)
                await backoff.wait()
                continue
            if not worked:
                # Not `wait_for`: it may lose a cancellation that comes as the event is set.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PERIOD if self._met else IDLE):
                        await stop.wait()

    async def step(self) -> int:
        """One chunk of every running operation; returns how many items were done.

        One that cannot go on holds up no other: its error is raised after them.
        """
        async with self._database.transaction() as connection:
            running = await find_running(connection)
        self._forget_all_but(running)
        if not set(running) <= self._met:
            # A destination that an operation is about may be newer than what is known here.
            await self._refresh()
            self._met |= set(running)
        done, failed = 0, None
        for number in running:
            try:
                done += await self._advance(number)
            except Exception as error:  # noqa: BLE001 - raised below: whoever calls waits before the next round
                failed = failed or error
        if failed is not None:
            raise failed
        return done

    def _forget_all_but(self, running: Sequence[int]) -> None:
        kept = set(running)
        self._met &= kept
        for known in (self._judged, self._busy):
            for number in known.keys() - kept:
                del known[number]

    async def _advance(self, number: int) -> int:
        await self._verbs.reserve(AT_ONCE)
        with classified():
            async with self._database.transaction() as connection:
                found = await lock_running(connection, number)
                if found is None:
                    return 0
                now = await self._database.now(connection)
                done = await self._do_chunk(connection, found, now)
        if done:
            self._wake()
        return done

    async def _do_chunk(self, connection: Transaction, found: Operation, now: datetime) -> int:
        """How many items were done: none where it waits, has stopped, or has ended."""
        progress = found.progress
        canary = found.terms.canary if not progress.past_canary else 0
        if not canary and await self._has_failed(connection, found, now):
            return 0
        room, progress = (AT_ONCE, progress) if canary else _allowed(found.terms, progress, to_microseconds(now))
        if not room and progress.ramp_at == found.progress.ramp_at:
            return 0
        if not room:
            await settle_items(connection, found, {}, progress)
            return 0
        busy = self._busy_of(found.number)
        items = await take_items(connection, found.number, up_to=canary or None, but=busy, limit=room)
        if items:
            # One verb's locks at a time: rows are locked in the order that everybody has.
            items = list(takewhile(lambda one: one.verb == items[0].verb, items))
            return await self._do(connection, found, items, progress, now)
        if busy:
            return 0
        if canary and await take_items(connection, found.number, up_to=None, but=(), limit=1):
            await self._end_canary(connection, found, now)
            return 0
        await move(connection, found.number, Step.END, _by(found), now)
        log.info("operation.done", operation=found.number, kind=found.kind)
        return 0

    async def _do(
        self, connection: Transaction, found: Operation, items: Sequence[Item], progress: Progress, now: datetime
    ) -> int:
        operator = Operator(author=found.author, reason=found.reason)
        outcomes = await self._verbs.do(connection, found.number, items, operator, now)
        settled = {ordinal: one for ordinal, one in outcomes.items() if one.verdict != _BUSY}
        later = self._monotonic() + BUSY_SECONDS
        self._busy.setdefault(found.number, {}).update((one, later) for one in outcomes.keys() - settled.keys())
        spent = _spend(found.terms, progress, len(settled))
        progress = replace(spent, last=max([progress.last, *settled]))
        await settle_items(connection, found, settled, progress)
        return len(settled)

    def _busy_of(self, number: int) -> set[int]:
        busy, now = self._busy.get(number, {}), self._monotonic()
        self._busy[number] = left = {ordinal: until for ordinal, until in busy.items() if until > now}
        return set(left)

    async def _end_canary(self, connection: Transaction, found: Operation, now: datetime) -> None:
        """Goes on once the outcome of every canary is known, and not too many have failed."""
        counted = await tally(connection, found.number, up_to=found.terms.canary)
        if counted.fates[Fate.PENDING]:
            return
        if _is_too_much(counted, found.terms, enough=1):
            await self._stop(connection, found, counted, "canary_failed", now)
            return
        await settle_items(connection, found, {}, replace(found.progress, past_canary=True))

    async def _has_failed(self, connection: Transaction, found: Operation, now: datetime) -> bool:
        moment = self._monotonic()
        if moment - self._judged.get(found.number, -JUDGE_SECONDS) < JUDGE_SECONDS:
            return False
        self._judged[found.number] = moment
        above = max(found.progress.judged_from, found.progress.last - JUDGED)
        counted = await tally(connection, found.number, above=above, up_to=found.progress.last)
        if not _is_too_much(counted, found.terms, enough=ENOUGH):
            return False
        await self._stop(connection, found, counted, "too_many_failed", now)
        return True

    async def _stop(self, connection: Transaction, found: Operation, counted: Tally, word: str, now: datetime) -> None:
        why = f"{word}: {counted.failed} of {counted.known}"
        await move(connection, found.number, Step.STOP, _by(found, why), now, why=why)
        log.warning("operation.stopped", operation=found.number, kind=found.kind, why=why)


def _by(found: Operation, why: str | None = None) -> Operator:
    return Operator(author="gateway", reason=why or found.reason)


def _is_too_much(counted: Tally, terms: Terms, *, enough: int) -> bool:
    return counted.known >= enough and counted.failed > terms.stop_at * counted.known


def _pace(terms: Terms, progress: Progress, now: int) -> float:
    """Items a second at this moment."""
    since = (now - (progress.ramp_at or now)) / _SECOND
    doublings = min(int(since / RAMP_SECONDS), 10)
    return terms.rate * min(1.0, FIRST_SHARE * 2.0**doublings)


def _allowed(terms: Terms, progress: Progress, now: int) -> tuple[int, Progress]:
    """How many items may be done now, and from when on that is counted. What was not used in a second is lost.

    Where the clock was set back the ramp begins anew: what was spent by then is not waited for.
    """
    if not terms.rate:
        return AT_ONCE, progress
    if progress.ramp_at is None or progress.spent_until is None or progress.spent_until - now > _SECOND:
        return 0, replace(progress, ramp_at=now, spent_until=now)
    pace = _pace(terms, progress, now)
    since = max(progress.spent_until, now - int(_SECOND * max(1.0, 1.0 / pace)))
    room = max(0, min(int((now - since) / _SECOND * pace), AT_ONCE))
    return room, replace(progress, spent_until=since, pace=pace)


def _spend(terms: Terms, progress: Progress, done: int) -> Progress:
    if not terms.rate or progress.spent_until is None:
        return progress
    return replace(progress, spent_until=progress.spent_until + int(done * _SECOND / progress.pace))
