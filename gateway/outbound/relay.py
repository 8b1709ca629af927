"""Delivers what is owed: claim, render, publish, record. Any number of relays share the work.

A lane's next document is sent only after the one before it was acknowledged. No transaction is open while anything is
sent. A relay that dies leaves nothing behind but claims, which end by themselves.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from gateway.outbound.bugs import tell_bug
from gateway.outbound.outcome import Fault, Outcome, Rejected, Retryable, is_away
from gateway.outbound.publisher import Outgoing, Publisher
from gateway.outbound.work import POLL, Made, Recorder, Terms, Work, as_tried, keep_going, load_work, make_document
from gateway.store.claims import ClaimedDelivery, ClaimedLane, claim
from gateway.store.clock import DatabaseClock
from gateway.store.destinations import find_due_destinations
from gateway.store.recording import LaneResult, Tried

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.outbound.work import Attempted, Ready, Render
    from gateway.store.claims import LaneKey
    from gateway.store.database import Database

# Claims being delivered at a time: one is sent while the next is claimed and the one before is recorded.
IN_FLIGHT = 3
# Seconds.
SOON = 0.05


class Rounds:
    """What was tried so far of a claim that is being delivered."""

    __slots__ = ("tried", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.tried: dict[LaneKey, list[Tried]] = {}

    def results(self) -> list[LaneResult]:
        return [LaneResult(lane, self.tried.get(lane.place, ())) for lane in self.work.claim.lanes]

    def goes_on(self, lane: ClaimedLane) -> bool:
        """Whether there is more of the lane, and everything before it was delivered."""
        tried = self.tried[lane.place]
        return len(lane.deliveries) > len(tried) and all(one.state == "delivered" for one in tried)


class Relay:
    """Delivers to all destinations of one publisher's kind."""

    def __init__(  # noqa: PLR0913 - each is another part of the program
        self,
        database: Database,
        publisher: Publisher,
        render: Render,
        *,
        terms: Terms | None = None,
        jitter: Callable[[], float] = random.random,
        wake: asyncio.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        attempted: Attempted | None = None,
        ready: Ready | None = None,
    ) -> None:
        """Whoever knows that something is due sets `wake`."""
        self.terms = terms or Terms()
        if publisher.timeout * 2 > self.terms.lease.total_seconds():
            raise ValueError("a publisher's time-out may be half a lease at most")
        self.wake = wake or asyncio.Event()
        self._database = database
        self._clock = DatabaseClock(database)
        self._publisher = publisher
        self._render = render
        self._jitter = jitter
        self._recorder = Recorder(database, self._clock, publisher, attempted)
        self._monotonic = monotonic
        self._ready = ready
        self._stopped = asyncio.Event()
        self._in_flight: set[asyncio.Task[bool]] = set()

    async def relay_once(self) -> int:
        """One round of everything; returns the number of lanes that it had claimed."""
        work = await self.claim()
        if work.claim.lanes:
            await self.deliver(work)
        return len(work.claim.lanes)

    async def run(self) -> None:
        """Delivers whatever is due until `stop`: at once when `wake` is set, and by a slow poll.

        While one claim is being delivered the next is made ready. Broken infrastructure is waited for in place, longer
        each time; it never ends the relay.
        """
        await keep_going(self._step, self.wake, self._stopped, self._publisher.kind)
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    async def _step(self) -> None:
        if not self.wake.is_set():
            woken = asyncio.create_task(self.wake.wait())
            await self._until(woken, within=POLL)
            woken.cancel()
        self.wake.clear()
        work = await self.claim()
        if work.claim.lanes:
            self._in_flight.add(asyncio.create_task(self.deliver(work)))
        if len(work.claim.lanes) >= self.terms.lanes:
            self.wake.set()
        elif self._in_flight:
            # What comes meanwhile is claimed together. A send that takes long is not waited for.
            await self._until(*self._in_flight, within=SOON)
        while len(self._in_flight) >= IN_FLIGHT and not self._stopped.is_set():
            await self._until(*self._in_flight, within=POLL)

    async def _until(self, *tasks: asyncio.Task[bool], within: float) -> None:
        """One of `tasks` has ended, `stop` was called, or `within` seconds are over."""
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait((stopped, *tasks), timeout=within, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        ended = {task for task in self._in_flight if task.done()}
        self._in_flight -= ended
        errors = [task.exception() for task in ended]
        for error in filter(None, errors):
            raise error
        if any(not task.result() for task in ended):
            raise ConnectionError(self._publisher.kind)

    def stop(self) -> None:
        """No send begins any more; what is being sent is finished and recorded, the rest is given back."""
        self._stopped.set()

    async def claim(self) -> Work:
        """Claims due lanes and reads what documents about notes need, in one short transaction."""
        begun = self._monotonic()
        async with self._database.transaction() as connection:
            now = await self._clock.now(connection)
            due = await find_due_destinations(connection, self._publisher.kind, now)
            # So that, while several have more than fits into a claim, each comes first now and then.
            random.shuffle(due)
            claimed = await claim(connection, due, now=now, lease=self.terms.lease, lanes=self.terms.lanes)
            return await load_work(connection, claimed, begun)

    async def deliver(self, work: Work) -> bool:
        """Sends what `work` covers and records it. False where the transport turned out to be away."""
        rounds = Rounds(work)
        if self._ready is not None:
            try:
                await self._ready(work.claim)
            except BaseException:
                await self._record(rounds)
                raise
        reachable = True
        # All heads first, then all seconds, ...: a lane takes part as long as it has not failed.
        lanes = [lane for lane in work.claim.lanes if lane.deliveries]
        depth = 0
        while lanes and reachable and self._may_send(work):
            heads = [(lane, lane.deliveries[depth]) for lane in lanes]
            reachable = await self._send(rounds, heads)
            depth += 1
            lanes = [lane for lane in lanes if rounds.goes_on(lane)]
        await self._record(rounds)
        return reachable

    def _may_send(self, work: Work) -> bool:
        """Whether a send begun now would end within the lease."""
        return not self._stopped.is_set() and work.ends - self._monotonic() > self._publisher.timeout

    async def _send(self, rounds: Rounds, heads: list[tuple[ClaimedLane, ClaimedDelivery]]) -> bool:
        """Renders and publishes one delivery of each lane; False where the transport is away."""
        work, begun = rounds.work, self._monotonic()
        documents = [make_document(self._render, work, lane.destination, one) for lane, one in heads]
        batch = [
            Outgoing(lane.destination, one, document)
            for (lane, one), document in zip(heads, documents, strict=True)
            if not isinstance(document, Rejected)
        ]
        published = iter(await self._publish(batch) if batch else ())
        ended = self._monotonic()
        reachable = True
        for (lane, one), document in zip(heads, documents, strict=True):
            made: Made
            outcome: Outcome
            if isinstance(document, Rejected):
                outcome, made = document, Made(None, begun, ended)
            else:
                outcome, made = next(published), Made(document, begun, ended)
                reachable = reachable and not is_away(outcome)
            tried = as_tried(work, lane.destination, one, outcome, self._jitter(), made)
            rounds.tried.setdefault(lane.place, []).append(tried)
        return reachable

    async def _publish(self, batch: list[Outgoing]) -> list[Outcome]:
        try:
            outcomes = await self._publisher.publish(batch)
            return [outcome for _, outcome in zip(batch, outcomes, strict=True)]
        except Exception as error:  # noqa: BLE001 - a bug of one publisher stops no other
            tell_bug("publish.failed", error, kind=self._publisher.kind, deliveries=len(batch))
            return [Retryable(Fault.PUBLISHER_BUG, type(error).__name__)] * len(batch)

    async def _record(self, rounds: Rounds) -> None:
        recorded = await self._recorder.record(rounds.results(), within=rounds.work.ends - self._monotonic())
        if recorded.left_due:
            self.wake.set()
