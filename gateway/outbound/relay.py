"""Delivers what is owed: claim, render, publish, record. Any number of relays share the work.

A lane's next document is sent only after the one before it was acknowledged. No transaction is open while anything is
sent. A relay that dies leaves nothing behind but claims, which end by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import time
from dataclasses import field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from gateway.core.values import dataclass
from gateway.mapping.render import Unrenderable
from gateway.outbound.bugs import tell_bug
from gateway.outbound.outcome import Fault, Outcome, Rejected, Retryable, is_away, tried_as
from gateway.outbound.publisher import Outgoing, Publisher, Recording
from gateway.outbound.texts import text_of
from gateway.store.claims import Claim, ClaimedDelivery, ClaimedLane, claim
from gateway.store.clock import DatabaseClock
from gateway.store.destinations import Destination, find_due_destinations
from gateway.store.failures import may_pass
from gateway.store.notes import load_notes
from gateway.store.recording import LaneResult, Recorded, Tried, record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from gateway.core.document import StoredEvent
    from gateway.core.notes import Note
    from gateway.core.visibility import Withheld
    from gateway.mapping.render import Document
    from gateway.store.claims import LaneKey
    from gateway.store.database import Database

# Claims being delivered at a time: one is sent while the next is claimed and the one before is recorded.
IN_FLIGHT = 3
# Seconds. The poll finds what no wake-up told of: due times that came, leases that ended.
POLL = 1.0
SOON = 0.05
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0

log = structlog.get_logger(__name__)


class Render(Protocol):
    """Makes the document of an event for a destination. Pure; what cannot be made is a value."""

    def __call__(
        self, event: StoredEvent, destination: Destination, previous: int | None, note_text: str | Withheld | None
    ) -> Document | Unrenderable: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """For how long a claim is made, and how many lanes it takes at most."""

    lease: timedelta = timedelta(seconds=60)
    lanes: int = 500


@dataclass(slots=True)
class Work:
    """A claim being delivered. `begun` is when it was asked for, on the monotonic clock: its lease counts from then."""

    claim: Claim
    notes: Mapping[int, Note]
    begun: float
    tried: dict[LaneKey, list[Tried]] = field(default_factory=dict)

    def results(self) -> list[LaneResult]:
        return [LaneResult(lane, self.tried.get(lane.place, ())) for lane in self.claim.lanes]

    def delivered(self, lost: Collection[LaneKey]) -> list[ClaimedDelivery]:
        """What was delivered on lanes that were not lost, lane by lane in their order."""
        kept = (lane.place for lane in self.claim.lanes if lane.place not in lost)
        tried = (one for place in kept for one in self.tried.get(place, ()))
        return [one.delivery for one in tried if one.state == "delivered"]


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
        attempted: Callable[[Destination, Tried], None] | None = None,
        ready: Callable[[Claim], Awaitable[None]] | None = None,
    ) -> None:
        """Whoever knows that something is due sets `wake`. `attempted` is called once for each try, after it was
        recorded: for logs and metrics. `ready` returns when all that a claim needs to be rendered is known.
        """
        self.terms = terms or Terms()
        if publisher.timeout * 2 > self.terms.lease.total_seconds():
            raise ValueError("a publisher's time-out may be half a lease at most")
        self.wake = wake or asyncio.Event()
        self._database = database
        self._clock = DatabaseClock(database)
        self._publisher = publisher
        self._render = render
        self._jitter = jitter
        self._attempted = attempted or (lambda _destination, _tried: None)
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
        failures = 0
        self.wake.set()
        while not self._stopped.is_set():
            try:
                await self._step()
                failures = 0
            except Exception as error:  # noqa: BLE001 - whatever it is, the others' deliveries must go on
                failures += 1
                log.warning("relay.waits", kind=self._publisher.kind, failures=failures, error=type(error).__name__)
                await self._pause(min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures))
                self.wake.set()
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

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

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
            noted = {one.event.note.number for lane in claimed.lanes for one in lane.deliveries if one.event.note}
            notes = await load_notes(connection, noted)
        return Work(claimed, notes, begun)

    async def deliver(self, work: Work) -> bool:
        """Sends what `work` covers and records it. False where the transport turned out to be away."""
        if self._ready is not None:
            try:
                await self._ready(work.claim)
            except BaseException:
                await self._record(work)
                raise
        reachable = True
        # All heads first, then all seconds, ...: a lane takes part as long as it has not failed.
        lanes = [lane for lane in work.claim.lanes if lane.deliveries]
        depth = 0
        while lanes and reachable and self._may_send(work):
            heads = [(lane, lane.deliveries[depth]) for lane in lanes]
            reachable = await self._send(work, heads)
            depth += 1
            lanes = [lane for lane in lanes if len(lane.deliveries) > depth and _all_delivered(work, lane)]
        await self._record(work)
        return reachable

    def _may_send(self, work: Work) -> bool:
        """Whether a send begun now would end within the lease."""
        left = work.begun + self.terms.lease.total_seconds() - self._monotonic()
        return not self._stopped.is_set() and left > self._publisher.timeout

    async def _send(self, work: Work, heads: list[tuple[ClaimedLane, ClaimedDelivery]]) -> bool:
        """Renders and publishes one delivery of each lane; False where the transport is away."""
        begun = self._monotonic()
        documents = [self._document(work, lane.destination, one) for lane, one in heads]
        batch = [
            Outgoing(lane.destination, one, document)
            for (lane, one), document in zip(heads, documents, strict=True)
            if not isinstance(document, Rejected)
        ]
        published = iter(await self._publish(batch) if batch else ())
        begun_at = work.claim.now + timedelta(seconds=begun - work.begun)
        took = timedelta(seconds=self._monotonic() - begun)
        reachable = True
        for (lane, one), document in zip(heads, documents, strict=True):
            if isinstance(document, Rejected):
                tried = self._tried(one, document, None, begun_at, took)
            else:
                outcome = next(published)
                reachable = reachable and not is_away(outcome)
                tried = self._tried(one, outcome, document, begun_at, took)
            work.tried.setdefault(lane.place, []).append(tried)
        return reachable

    def _document(self, work: Work, destination: Destination, one: ClaimedDelivery) -> Document | Rejected:
        text = text_of(one.event, work.notes, destination.audience)
        try:
            document = self._render(one.event, destination, one.previous, text)
        except Exception as error:  # noqa: BLE001 - a bug met by one document stops its own lane and no other
            tell_bug("render.failed", error, delivery=one.number)
            return Rejected(Fault.RENDERER_BUG, type(error).__name__)
        return Rejected(document.reason, document.detail) if isinstance(document, Unrenderable) else document

    async def _publish(self, batch: list[Outgoing]) -> list[Outcome]:
        try:
            outcomes = await self._publisher.publish(batch)
            return [outcome for _, outcome in zip(batch, outcomes, strict=True)]
        except Exception as error:  # noqa: BLE001 - a bug of one publisher stops no other
            tell_bug("publish.failed", error, kind=self._publisher.kind, deliveries=len(batch))
            return [Retryable(Fault.PUBLISHER_BUG, type(error).__name__)] * len(batch)

    def _tried(
        self, one: ClaimedDelivery, outcome: Outcome, document: Document | None, begun_at: datetime, took: timedelta
    ) -> Tried:
        tried = tried_as(one, outcome, self._jitter(), begun_at=begun_at, ended_at=begun_at + took)
        if document is None:
            return tried._replace(attempted=False)
        return tried._replace(digest=hashlib.sha256(document.body).hexdigest())

    async def _record(self, work: Work) -> None:
        """Records in one short transaction, again and again while the database is away and the lease lasts."""
        left = work.begun + self.terms.lease.total_seconds() - self._monotonic()
        patience = AsyncRetrying(
            retry=retry_if_exception(may_pass),
            stop=stop_after_delay(left),
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0),
            reraise=True,
        )
        recorded: Recorded = await patience(self._record_once, work)
        if recorded.left_due:
            self.wake.set()
        if recorded.lost:
            log.warning("claims.lost", lanes=len(recorded.lost), kind=self._publisher.kind)
        for lane in work.claim.lanes:
            if lane.place not in recorded.lost:
                for tried in work.tried.get(lane.place, ()):
                    self._attempted(lane.destination, tried)

    async def _record_once(self, work: Work) -> Recorded:
        async with self._database.transaction() as connection:
            # By the clock that claims: what is given back due now must be due when it is claimed at once.
            now = await self._clock.now(connection)
            recorded = await record(connection, work.claim, work.results(), now)
            if isinstance(self._publisher, Recording):
                await self._publisher.on_record(connection, work.delivered(recorded.lost))
            return recorded


def _all_delivered(work: Work, lane: ClaimedLane) -> bool:
    return all(tried.state == "delivered" for tried in work.tried[lane.place])
