"""`receive`: a batch of records, one transaction. The spine of the program's inbound half; both roads end here.

Order of the steps, and what a crash leaves after each: before the commit nothing; after it everything, and the records
are known again when they are read again, because the offset moves later.
"""

from __future__ import annotations

import contextlib
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gateway.core.commands import ConfirmedBy, DeactivateUser, PutUser, ReactivateUser
from gateway.core.outcomes import Applied, Quarantined, Why
from gateway.core.values import replace
from gateway.inbound.confirmations import confirmed_by
from gateway.inbound.entry import INTERNAL_DOOR, Entry, entry_of, read_entry, row_of, set_aside
from gateway.inbound.folding import find_companions
from gateway.inbound.held import in_force_of
from gateway.inbound.internal import expiry, unassignment
from gateway.inbound.known import WAKES_AT_MOST, Waking, load, save
from gateway.inbound.recipients import Appending
from gateway.inbound.settle import Settlement
from gateway.inbound.translated import Translated
from gateway.store import aggregates, inbox, keys, outbox, schedule
from gateway.store.applied import note_applied
from gateway.store.bulk import Writes, notify
from gateway.store.clock import DatabaseClock
from gateway.store.deliveries import Operator
from gateway.store.destinations import put_destinations
from gateway.store.failures import Contended, RefusedByDatabase, classified
from gateway.store.handing_over import HandOver
from gateway.store.inbox import Place
from gateway.store.intake import NO_PARTITION, Intake, count_in
from gateway.store.numbers import NumbersExhausted
from gateway.store.partitions import read_up_to
from gateway.store.releasing import Beyond, Mapped, Released, find_mapped, release_page
from gateway.store.waiting import find_ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
    from datetime import datetime, timedelta

    from gateway.inbound.directory import Directory
    from gateway.inbound.doors import Doors
    from gateway.inbound.record import RawRecord
    from gateway.store.database import Database, Transaction
    from gateway.store.handing_over import Handing
    from gateway.store.numbers import Numbers

_T = TypeVar("_T")

CONTENTION_TRIES = 8
RELEASES_AT_MOST = 10_000
WATCHED_RECORDS = 500
BUG_SHARE = 5
_WAKES = Waking()
_NET = Operator(author="gateway", reason="known to the profile in force")


class _Batch(NamedTuple):
    writes: Writes
    now: datetime
    handing: Handing


class TooManyBugs(RuntimeError):
    """More than a fifth of the last records failed on bugs: a wrong deployment, not wrong records."""


class Receiver:
    """Takes records in and decides them. `directory` gives the present accounts, destinations and profiles.

    `committed` is called with what was settled after each commit, and with the kinds of destination that something is
    to be claimed for: it wakes relays of the same process, and logs. What `hand_over` took they have already.
    """

    def __init__(
        self,
        database: Database,
        numbers: Numbers,
        doors: Doors,
        directory: Callable[[], Awaitable[Directory]],
        committed: Callable[[Sequence[Entry], Collection[str]], object],
        hand_over: HandOver | None = None,
    ) -> None:
        self._database = database
        self._clock = DatabaseClock(database)
        self._numbers = numbers
        self._doors = doors
        self._directory = directory
        self._watched: deque[bool] = deque(maxlen=WATCHED_RECORDS)
        self._committed = committed
        self._hand_over = hand_over or HandOver()

    async def receive(self, records: Sequence[RawRecord]) -> list[Entry]:
        """Settles `records`, each on its own, durably: one transaction, or several where one record breaks it.

        Returns what became of the records that had not been taken in before. Raises for broken infrastructure only.
        """
        if not records:
            return []
        try:
            return await self._until_uncontended(lambda: self._receive(records, _WAKES))
        except RefusedByDatabase:
            if len(records) == 1:
                return await self._alone(lambda waking: self._receive(records, waking))
        middle = len(records) // 2
        return [*await self.receive(records[:middle]), *await self.receive(records[middle:])]

    async def reprocess(self, limit: int = 500) -> int:
        """Decides records again that were requeued; returns how many there were."""
        try:
            return await self._until_uncontended(lambda: self._reprocess(limit, _WAKES))
        except RefusedByDatabase:
            if limit == 1:
                return await self._alone(lambda waking: self._reprocess(1, waking))
        return await self.reprocess(limit // 2)

    async def release_parked(self, limit: int = WAKES_AT_MOST) -> int:
        """Decides parked records that wait for nothing any more, the first received first; returns how many."""
        try:
            return await self._until_uncontended(lambda: self._release_parked(Waking(limit)))
        except RefusedByDatabase as error:
            refusal = error.code
        if limit == 1:
            return await self._until_uncontended(lambda: self._release_parked(Waking(1, refusal=refusal)))
        return await self.release_parked(limit // 2) + await self.release_parked(limit - limit // 2)

    async def expire(self, margin: timedelta, limit: int = 500) -> int:
        """Expires offers that nobody answered in time; returns how many were looked at."""
        return await self._until_uncontended(lambda: self._expire(margin, limit))

    async def give_up(self, patience: timedelta, limit: int = 500) -> int:
        """Quarantines records that have waited for a reference longer than `patience`; returns how many."""
        return await self._until_uncontended(lambda: self._give_up(patience, limit))

    async def release_resolved(self) -> int:
        """Releases what waits for something that its brand's profile maps by now; returns how much there was.

        Page by page, each in a transaction of its own, until enough was done for others to have their turn.
        """
        find_in_force = in_force_of(await self._directory())
        async with self._database.snapshot(by_keys=True) as connection:
            mapped = await find_mapped(connection, find_in_force)
        released, beyond = 0, Beyond()
        while mapped and released < RELEASES_AT_MOST:
            page = await self._until_uncontended(partial(self._release_page, mapped, beyond))
            released += len(page.records) + len(page.deliveries)
            if page.beyond is None:
                break
            beyond = page.beyond
        return released

    async def _alone(self, run: Callable[[Waking], Awaitable[_T]]) -> _T:
        """The database refused a record, or one that it wakes: again without waking any; else it was the record."""
        try:
            return await self._until_uncontended(lambda: run(Waking(0)))
        except RefusedByDatabase as error:
            refusal = error.code
        return await self._until_uncontended(lambda: run(Waking(0, refusal=refusal)))

    async def _until_uncontended(self, run: Callable[[], Awaitable[_T]]) -> _T:
        """Runs a transaction again, a bounded number of times, while somebody else was there first."""
        contended = None
        for _ in range(CONTENTION_TRIES):
            try:
                return await run()
            except Contended as error:
                contended = error
            except NumbersExhausted as error:
                await self._numbers.reserve(error.kind, 4 * error.asked)
        if contended is None:
            raise NumbersExhausted("any", 0)
        if contended.taken:
            # It was never somebody else: one of the records asks for a key that is another's for good.
            raise RefusedByDatabase(contended.code) from contended
        raise contended

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[_Batch]:
        """A transaction of its own; what it hands over is sent once it is committed."""
        with classified(), self._hand_over.of_one_commit() as handing:
            async with self._database.transaction() as connection:
                yield _Batch(Writes(connection), await self._clock.now(connection), handing)

    async def _receive(self, records: Sequence[RawRecord], waking: Waking) -> list[Entry]:
        directory = await self._directory()
        await self._reserve(len(records))
        async with self._transaction() as batch:
            fresh = await _at_first_sight(batch.writes.connection, records)
            count_in(batch.writes, _counted(fresh), batch.now)
            entries = self._read(fresh, batch.now, directory)
            settled = await self._settle(batch, entries, directory, waking)
        self._committed(settled, batch.handing.owed)
        return settled

    async def _reserve(self, records: int) -> None:
        await self._numbers.reserve("record", records)
        await self._numbers.reserve("event", 3 * records + 50)
        await self._numbers.reserve("delivery", 5 * records + 50)

    def _read(self, records: Sequence[RawRecord], now: datetime, directory: Directory) -> list[Entry]:
        numbers = self._numbers.take("record", len(records))
        return [
            read_entry(number, record, now, self._doors, directory)
            for number, record in zip(numbers, records, strict=True)
        ]

    async def _settle(
        self,
        batch: _Batch,
        entries: list[Entry],
        directory: Directory,
        waking: Waking = _WAKES,
    ) -> list[Entry]:
        """Load and lock, decide, save, append, keep the records: in this order, by a fixed number of statements."""
        writes, now, handing = batch
        connection = writes.connection
        if waking.refusal is not None:
            set_aside(entries, waking.refusal)
        known = await load(connection, entries, self._doors, directory, waking)
        ids = {(one.source, one.message_id) for one in entries if one.source and one.message_id}
        held = await inbox.find_held_ids(connection, ids)
        appending = Appending(directory, now, self._take_one, known.published_to)
        companions = find_companions([*known.parked.values(), *entries])
        settlement = Settlement(known, held, directory, appending, now, companions)
        ends = [*settlement.wake(), *(done for entry in entries for done in settlement.settle(entry))]
        # What was parked here and woken here too has ended twice: its row is written once, as it stands now.
        settled = [*{entry.number: entry for entry in reversed(ends)}.values()][::-1]
        known.hold_left()
        watched = self._watch(len(entries), settlement.bugs)
        if appending.expected:
            known.renumber(appending.renumber(await put_destinations(connection, appending.expected)))
        await save(writes, known, settled, now)
        inbox.update_records(writes, [row_of(entry, now) for entry in settled if entry.kept is not None])
        fresh = [row_of(entry, now) for entry in settled if entry.kept is None and entry.is_recorded]
        inbox.insert_records(writes, fresh)
        is_all = handing.choose(appending.events, appending.deliveries, appending.owed_to)
        await outbox.append(writes, appending.events, appending.deliveries, now, wakes=not is_all)
        note_applied(writes, confirmed_by(settled), ConfirmedBy.TOPIC, now)
        await writes.make()
        await self._take_visits_away(writes, settled, now)
        if any(_changes_who_may(entry) for entry in settled):
            await notify(connection, keys.CHANNEL)
        if not await handing.claim(connection) and is_all:
            await notify(connection, outbox.CHANNEL)
        self._watched = watched
        return settled

    async def _take_visits_away(self, writes: Writes, settled: Sequence[Entry], now: datetime) -> None:
        """Visits of deactivated users that have not begun: a record each, decided after this transaction."""
        left = {}
        for entry in settled:
            reading = entry.reading
            if not isinstance(entry.outcome, Applied) or not isinstance(reading, Translated):
                continue
            if isinstance(reading.command, DeactivateUser):
                left[entry.outcome.saved[0].number] = entry.number
        rows = [
            unassignment(self._take_one("record"), left[user], visit, job, now)
            for user, visits in (await aggregates.find_visits_not_begun(writes.connection, left)).items()
            for visit, job in visits
        ]
        if rows:
            count_in(writes, [Intake(INTERNAL_DOOR, NO_PARTITION, len(rows))], now)
            inbox.insert_records(writes, rows)
            await writes.make()

    async def _reprocess(self, limit: int, waking: Waking) -> int:
        directory = await self._directory()
        await self._reserve(limit)
        async with self._transaction() as batch:
            rows = await inbox.claim_requeued(batch.writes.connection, limit)
            entries = [entry_of(row, self._doors, directory) for row in rows]
            settled = await self._settle(batch, entries, directory, waking) if entries else []
        self._committed(settled, batch.handing.owed)
        return len(rows)

    async def _release_parked(self, waking: Waking) -> int:
        directory = await self._directory()
        await self._reserve(waking.at_most)
        async with self._transaction() as batch:
            ready = await find_ready(batch.writes.connection, WAKES_AT_MOST)
            mine = replace(waking, ready=ready)
            settled = await self._settle(batch, [], directory, mine) if ready.refs or ready.jobs else []
        self._committed(settled, batch.handing.owed)
        return len(settled)

    async def _expire(self, margin: timedelta, limit: int) -> int:
        directory = await self._directory()
        await self._reserve(limit)
        async with self._transaction() as batch:
            connection, now = batch.writes.connection, batch.now
            jobs = await schedule.find_expired_offers(connection, self._doors.answers(), now - margin, limit)
            entries = [expiry(self._take_one("record"), job, now) for job in jobs]
            settled = await self._settle(batch, entries, directory) if entries else []
        self._committed(settled, batch.handing.owed)
        return len(jobs)

    async def _release_page(self, mapped: Mapped, beyond: Beyond) -> Released:
        find_in_force = in_force_of(await self._directory())
        async with self._transaction() as batch:
            connection = batch.writes.connection
            released = await release_page(connection, find_in_force, mapped, _NET, batch.now, beyond=beyond)
            if released.deliveries:
                await notify(connection, outbox.CHANNEL)
        return released

    async def _give_up(self, patience: timedelta, limit: int) -> int:
        directory = await self._directory()
        await self._reserve(limit)
        async with self._transaction() as batch:
            connection, now = batch.writes.connection, batch.now
            rows = await inbox.claim_overdue(connection, now - patience, limit)
            entries = [entry_of(row, self._doors, directory) for row in rows]
            for entry in entries:
                entry.reading = Quarantined(why=Why.REFERENCE_TIMEOUT, detail=f"waited for {patience.days} days")
            settled = await self._settle(batch, entries, directory) if entries else []
        self._committed(settled, batch.handing.owed)
        return len(rows)

    def _take_one(self, kind: str) -> int:
        return self._numbers.take(kind, 1)[0]

    def _watch(self, entries: int, bugs: int) -> deque[bool]:
        """The last records, these included: which of them failed on bugs."""
        watched = deque((*self._watched, *[True] * bugs, *[False] * (entries - bugs)), WATCHED_RECORDS)
        if len(watched) == WATCHED_RECORDS and sum(watched) * BUG_SHARE > WATCHED_RECORDS:
            raise TooManyBugs(f"{sum(watched)} of the last {WATCHED_RECORDS} records failed on bugs")
        return watched


def _changes_who_may(entry: Entry) -> bool:
    reading = entry.reading
    if not isinstance(entry.outcome, Applied) or not isinstance(reading, Translated):
        return False
    return isinstance(reading.command, PutUser | DeactivateUser | ReactivateUser)


async def _at_first_sight(connection: Transaction, records: Sequence[RawRecord]) -> Sequence[RawRecord]:
    """Without what was taken in before: read again after a crash it is neither decided nor counted again."""
    before = await read_up_to(connection, _counted(records))
    places = (place for record in records if (place := _place(record)) is not None)
    earlier = {place for place in places if place.offset < before[place.door, place.partition]}
    if not earlier:
        return records
    known = await inbox.find_known_places(connection, earlier)
    return [record for record in records if _place(record) not in known]


def _place(record: RawRecord) -> Place | None:
    if record.partition is None or record.offset is None or record.append_time is None:
        return None
    return Place(record.door, record.partition, record.offset, record.append_time)


def _counted(records: Sequence[RawRecord]) -> list[Intake]:
    """How many of them each door gave, and from where to where."""
    runs: dict[tuple[str, int], list[RawRecord]] = {}
    for record in records:
        partition = NO_PARTITION if record.partition is None else record.partition
        runs.setdefault((record.door, partition), []).append(record)
    return [
        Intake(door, partition, len(run), run[0].offset, run[-1].offset, run[-1].arrival)
        for (door, partition), run in runs.items()
    ]
