"""Delivers lane by lane: each claimed lane is a task of its own, and whatever ends is recorded soon after.

For publishers whose destinations are each at their own pace. A lane that waits for an answer holds up nobody: no other
lane, no claim, no recording. How much is under way is bounded by what the destinations allow, whatever is owed.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeGuard

import structlog

from gateway.core.values import dataclass
from gateway.outbound import bulkheads
from gateway.outbound.bugs import tell_bug
from gateway.outbound.bulkheads import Signs, signs_of
from gateway.outbound.outcome import Delivered, Fault, Outcome, Rejected, Retryable, is_away
from gateway.outbound.publisher import Outgoing, Publisher, Sending
from gateway.outbound.work import (
    POLL,
    Made,
    Recorder,
    Terms,
    Work,
    as_tried,
    keep_going,
    load_work,
    make_document,
    until,
)
from gateway.store.clock import DatabaseClock
from gateway.store.handing_over import claim_fresh
from gateway.store.recording import LaneResult, Tried
from gateway.store.standings import lock_due, lock_free

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Sequence
    from datetime import datetime

    from gateway.outbound.work import Attempted, Ready, Render
    from gateway.store.claims import ClaimedDelivery, ClaimedLane, LaneKey
    from gateway.store.database import Database, Transaction
    from gateway.store.destinations import Destination
    from gateway.store.handing_over import Fresh
    from gateway.store.standings import Standing

# What ends within so many seconds is recorded together, or as soon as so many lanes have ended: a recording costs both
# sides several round trips, and nobody waits for it but what is appended to the same lane meanwhile.
GATHERS = 0.01
ENOUGH = 16
_LONGEST_REASON = 200

log = structlog.get_logger(__name__)


class LanePublisher(Publisher, Sending, Protocol):
    """A publisher that sends one document at a time."""


def is_by_lanes(publisher: Publisher) -> TypeGuard[LanePublisher]:
    """Whether the publisher's destinations are each at their own pace."""
    return isinstance(publisher, Sending)


class Ended(NamedTuple):
    """A lane whose sending is over, to be recorded before `until`, on the monotonic clock."""

    result: LaneResult
    signs: Signs
    until: float


@dataclass(slots=True)
class Round:
    """What one claim took: the work, and in how many seconds something is allowed by itself that was not (None: no)."""

    work: Work
    again_in: float | None


class LaneRelay:
    """Delivers to all destinations of one publisher's kind, each within its limits. Any number share the work."""

    def __init__(  # noqa: PLR0913 - each is another part of the program
        self,
        database: Database,
        publisher: LanePublisher,
        render: Render,
        *,
        terms: Terms | None = None,
        jitter: Callable[[], float] = random.random,
        wake: asyncio.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        attempted: Attempted | None = None,
        ready: Ready | None = None,
    ) -> None:
        """Whoever knows that something is due sets `wake`. A lease lasts two of the longest time-outs at least."""
        self.terms = terms or Terms()
        self.wake = wake or asyncio.Event()
        self._database = database
        self._clock = DatabaseClock(database)
        self._publisher = publisher
        self._render = render
        self._jitter = jitter
        self._monotonic = monotonic
        self._ready = ready
        self._recorder = Recorder(database, self._clock, publisher, attempted)
        self._stopped = asyncio.Event()
        self._is_away = False
        self._tasks: set[asyncio.Task[None]] = set()
        # Destinations that may have more due than they were allowed, those of which lanes were given back since the
        # last claim began, and those whose breakers are not clean.
        self._pressed: frozenset[int] = frozenset()
        self._freed: set[int] = set()
        self._unclean: set[int] = set()
        self._ended: list[Ended] = []
        self._has_ended = asyncio.Event()
        self._is_enough = asyncio.Event()

    async def relay_once(self) -> int:
        """One round of everything; returns the number of lanes that it had claimed."""
        claimed = await self.claim()
        self._begin(claimed.work)
        while self._tasks:
            await asyncio.wait(self._tasks)
        while self._ended:
            await self._record_ended()
        return len(claimed.work.claim.lanes)

    async def run(self) -> None:
        """Delivers whatever is due until `stop`: at once when `wake` is set, and by a slow poll.

        Broken infrastructure is waited for in place, longer each time; it never ends the relay.
        """
        recording = asyncio.create_task(self._keep_recording())
        await keep_going(self._step, self.wake, self._stopped, self._publisher.kind)
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._has_ended.set()
        await recording

    def stop(self) -> None:
        """No send begins any more; what is being sent is finished and recorded, the rest is given back."""
        self._stopped.set()
        self.wake.set()

    async def _step(self) -> None:
        self.wake.clear()
        claimed = await self.claim()
        self._begin(claimed.work)
        if len(claimed.work.claim.lanes) >= self.terms.lanes:
            self.wake.set()
        await until(self.wake, POLL if claimed.again_in is None else min(POLL, claimed.again_in))
        if self._is_away:
            self._is_away = False
            raise ConnectionError(self._publisher.kind)

    async def claim(self) -> Round:
        """Claims what the destinations allow, and reads what documents about notes need, in one short transaction."""
        begun = self._monotonic()
        self._freed.clear()
        async with self._database.transaction() as connection:
            now = await self._clock.now(connection)
            due = await lock_due(connection, self._publisher.kind, now)
            lease = self._lease(due)
            taken = await bulkheads.take(connection, due, now=now, lease=lease, lanes=self.terms.lanes)
            work = await load_work(connection, taken.claim, begun)
        self._pressed = taken.pressed
        if not self._pressed.isdisjoint(self._freed):
            self.wake.set()
        self._unclean.difference_update(one.number for one in due)
        self._unclean.update(taken.unclean)
        return Round(work, taken.again_in)

    def takes_more(self, destination: int) -> bool:
        """Whether there may be room there for what is new: nothing that was owed before waits for it."""
        return not self._stopped.is_set() and destination not in self._pressed

    async def claim_fresh(
        self, connection: Transaction, fresh: Sequence[Fresh], committed: asyncio.Future[bool]
    ) -> int:
        """Claims what was just appended, in that transaction, and sends it once `committed` says that it was.

        The last thing that the caller does there: a recording that waits for a destination held here holds lanes.
        """
        begun = self._monotonic()
        now = await self._clock.now(connection)
        standings = await lock_free(connection, {one.delivery.destination for one in fresh})
        rooms = bulkheads.rooms(standings, now)
        until = now + self._lease(standings)
        claimed = await claim_fresh(connection, fresh, standings, rooms, now=now, until=until)
        self._unclean.difference_update(rooms)
        if claimed.lanes:
            self._start(self._deliver_committed(Work(claimed, {}, begun), committed))
        return len(claimed.lanes)

    async def _deliver_committed(self, work: Work, committed: asyncio.Future[bool]) -> None:
        if await committed:
            await self._deliver(work)

    def _lease(self, due: Sequence[Standing]) -> timedelta:
        longest = max((self._timeout(one.destination) for one in due), default=0.0)
        return max(self.terms.lease, timedelta(seconds=2 * longest))

    def _timeout(self, destination: Destination) -> float:
        return float(destination.settings.get("timeout") or self._publisher.timeout)

    def _begin(self, work: Work) -> None:
        """Begins to send what `work` covers, each lane by itself."""
        if work.claim.lanes:
            self._start(self._deliver(work))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, work: Work) -> None:
        try:
            if self._ready is not None:
                await self._ready(work.claim)
        except Exception as error:  # noqa: BLE001 - all of it is given back, and the next claim waits
            log.warning("relay.not_ready", kind=self._publisher.kind, error=type(error).__name__)
            self._is_away = True
            for lane in work.claim.lanes:
                self._end(work, lane, [], None)
            return
        for lane in work.claim.lanes:
            self._start(self._send_lane(work, lane))

    async def _send_lane(self, work: Work, lane: ClaimedLane) -> None:
        """Sends one delivery after the other, until one was not delivered."""
        tried: list[Tried] = []
        gone = None
        timeout = self._timeout(lane.destination)
        for one in lane.deliveries:
            if self._stopped.is_set() or work.ends - self._monotonic() <= timeout:
                break
            outcome, made = await self._send(work, lane.destination, one)
            tried.append(as_tried(work, lane.destination, one, outcome, self._jitter(), made))
            if not isinstance(outcome, Delivered):
                gone = _gone(outcome)
                self._is_away = self._is_away or is_away(outcome)
                break
        self._end(work, lane, tried, gone)

    async def _send(self, work: Work, destination: Destination, one: ClaimedDelivery) -> tuple[Outcome, Made]:
        begun = self._monotonic()
        document = make_document(self._render, work, destination, one)
        if isinstance(document, Rejected):
            return document, Made(None, begun, self._monotonic())
        outcome: Outcome
        try:
            # A publisher keeps the time-out itself; one that does not would be under way for ever.
            async with asyncio.timeout(work.ends - begun):
                outcome = await self._publisher.send(Outgoing(destination, one, document))
        except TimeoutError:
            outcome = Retryable(Fault.TIMEOUT, "the lease has ended")
        except Exception as error:  # noqa: BLE001 - a bug met by one document stops its own lane and no other
            tell_bug("publish.failed", error, kind=self._publisher.kind, deliveries=1)
            outcome = Retryable(Fault.PUBLISHER_BUG, type(error).__name__)
        return outcome, Made(document, begun, self._monotonic())

    def _end(self, work: Work, lane: ClaimedLane, tried: list[Tried], gone: str | None) -> None:
        signs = signs_of(lane.destination.number, tried, gone)
        self._ended.append(Ended(LaneResult(lane, tried), signs, work.ends))
        self._has_ended.set()
        if len(self._ended) >= ENOUGH:
            self._is_enough.set()

    async def _keep_recording(self) -> None:
        """Records whatever ends, together with what ends just after it, or while the recording before was made."""
        while not self._stopped.is_set() or self._tasks or self._ended:
            await self._has_ended.wait()
            self._has_ended.clear()
            await until(self._is_enough, GATHERS)
            self._is_enough.clear()
            while self._ended:
                try:
                    await self._record_ended()
                except Exception as error:  # noqa: BLE001 - the claims end by themselves, and all is sent again
                    log.warning("relay.lost", kind=self._publisher.kind, error=type(error).__name__)

    async def _record_ended(self) -> None:
        # A lane that was lost and claimed again may have ended twice: each token is recorded by itself.
        batch: dict[LaneKey, Ended] = {}
        later = [one for one in self._ended if batch.setdefault(one.result.lane.place, one) is not one]
        ended, self._ended = list(batch.values()), later
        moved: list[Standing] = []

        async def learn(connection: Transaction, lost: Collection[LaneKey], now: datetime) -> None:
            signs = [one.signs for one in ended if one.result.lane.place not in lost]
            moved[:] = await bulkheads.learn(connection, signs, self._unclean, self._jitter(), now)

        within = max(one.until for one in ended) - self._monotonic()
        recorded = await self._recorder.record([one.result for one in ended], within=within, also=learn)
        self._unclean.update(one.signs.destination for one in ended if not all(one.signs.succeeded))
        for one in moved:
            # What the partner wrote stands in its row alone.
            why = (one.reason or "").partition(":")[0]
            log.warning("destination.moved", destination=one.destination.name, state=one.state, reason=why)
        self._freed.update(one.signs.destination for one in ended)
        if recorded.left_due or not self._pressed.isdisjoint(self._freed):
            self.wake.set()


def _gone(outcome: Outcome) -> str | None:
    """Why the destination wants nothing more, if it said so."""
    if not isinstance(outcome, Retryable) or not outcome.pauses:
        return None
    return f"{outcome.reason}: {outcome.detail}".removesuffix(": ")[:_LONGEST_REASON]
