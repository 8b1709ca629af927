"""What every relay does: keeps going, makes documents of what it claimed, says what a try came to, and records it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import structlog
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from gateway.core.values import dataclass
from gateway.mapping.render import Unrenderable
from gateway.outbound.bugs import tell_bug
from gateway.outbound.outcome import Fault, Outcome, Rejected, tried_as
from gateway.outbound.publisher import Recording
from gateway.outbound.schedule import steps_of
from gateway.outbound.texts import text_of
from gateway.store.claims import Claim
from gateway.store.destinations import Destination
from gateway.store.failures import may_pass
from gateway.store.notes import load_notes
from gateway.store.recording import LaneResult, Recorded, Tried, record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gateway.core.document import StoredEvent
    from gateway.core.notes import Note
    from gateway.core.visibility import Withheld
    from gateway.mapping.render import Document
    from gateway.outbound.publisher import Publisher
    from gateway.store.claims import ClaimedDelivery, LaneKey
    from gateway.store.clock import DatabaseClock
    from gateway.store.database import Database, Transaction

# Seconds. The poll finds what nobody told of: due times that came, leases that ended.
POLL = 1.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0

log = structlog.get_logger(__name__)


class Render(Protocol):
    """Makes the document of an event for a destination. Pure; what cannot be made is a value."""

    def __call__(
        self, event: StoredEvent, destination: Destination, previous: int | None, note_text: str | Withheld | None
    ) -> Document | Unrenderable: ...


# Returns when all that a claim needs to be rendered is known.
Ready: TypeAlias = Callable[[Claim], Awaitable[None]]
# Called once for each try, after it was recorded: for logs and metrics.
Attempted: TypeAlias = Callable[[Destination, Tried], None]
# What else is done in the transaction that records; it is told which lanes were lost.
Also: TypeAlias = "Callable[[Transaction, Collection[LaneKey], datetime], Awaitable[None]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """For how long a claim is made, and how many lanes it takes at most."""

    lease: timedelta = timedelta(seconds=60)
    lanes: int = 500


class Work(NamedTuple):
    """A claim being delivered. `begun` is when it was asked for, on the monotonic clock: its lease counts from then."""

    claim: Claim
    notes: Mapping[int, Note]
    begun: float

    @property
    def ends(self) -> float:
        """When its lease ends, on the monotonic clock."""
        return self.begun + (self.claim.until - self.claim.now).total_seconds()


class Made(NamedTuple):
    """What a try took: the document that was sent, if one could be made, and when, on the monotonic clock."""

    document: Document | None
    begun: float
    ended: float


async def load_work(connection: Transaction, claim: Claim, begun: float) -> Work:
    """`claim` with what documents about notes need, read in the transaction that claimed."""
    noted = {one.event.note.number for lane in claim.lanes for one in lane.deliveries if one.event.note}
    return Work(claim, await load_notes(connection, noted), begun)


def make_document(render: Render, work: Work, destination: Destination, one: ClaimedDelivery) -> Document | Rejected:
    """What is sent of `one`, or why nothing can be."""
    text = text_of(one.event, work.notes, destination.audience)
    try:
        document = render(one.event, destination, one.previous, text)
    except Exception as error:  # noqa: BLE001 - a bug met by one document stops its own lane and no other
        tell_bug("render.failed", error, delivery=one.number)
        return Rejected(Fault.RENDERER_BUG, type(error).__name__)
    return Rejected(document.reason, document.detail) if isinstance(document, Unrenderable) else document


def as_tried(
    work: Work, destination: Destination, one: ClaimedDelivery, outcome: Outcome, jitter: float, made: Made
) -> Tried:
    """What a try of `one` is recorded as; without a document nothing has left the building."""
    begun_at = work.claim.now + timedelta(seconds=made.begun - work.begun)
    ended_at = begun_at + timedelta(seconds=made.ended - made.begun)
    steps = steps_of(destination.settings)
    tried = tried_as(one, outcome, jitter, begun_at=begun_at, ended_at=ended_at, steps=steps)
    if made.document is None:
        return tried._replace(attempted=False)
    return tried._replace(digest=hashlib.sha256(made.document.body).hexdigest())


async def keep_going(
    step: Callable[[], Awaitable[None]], wake: asyncio.Event, stopped: asyncio.Event, kind: str
) -> None:
    """One step after the other until `stopped` is set.

    Broken infrastructure is waited for in place, longer each time; it never ends a relay.
    """
    failures = 0
    wake.set()
    while not stopped.is_set():
        try:
            await step()
            failures = 0
        except Exception as error:  # noqa: BLE001 - whatever it is, the others' deliveries must go on
            failures += 1
            log.warning("relay.waits", kind=kind, failures=failures, error=type(error).__name__)
            await until(stopped, min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures))
            wake.set()


async def until(event: asyncio.Event, seconds: float) -> None:
    """`event` is set, or so many seconds are over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class Recorder:
    """Records what became of claimed lanes, each batch in one short transaction, and tells of it once it is."""

    def __init__(
        self, database: Database, clock: DatabaseClock, publisher: Publisher, attempted: Attempted | None
    ) -> None:
        self._database = database
        self._clock = clock
        self._publisher = publisher
        self._attempted = attempted or (lambda _destination, _tried: None)

    async def record(self, results: Sequence[LaneResult], *, within: float, also: Also | None = None) -> Recorded:
        """Again and again while the database is away, `within` seconds: as long as the lease lasts.

        `also` may be called more than once: only what its last transaction did stands.
        """
        patience = AsyncRetrying(
            retry=retry_if_exception(may_pass),
            stop=stop_after_delay(within),
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0),
            reraise=True,
        )
        recorded: Recorded = await patience(self._record_once, results, also)
        if recorded.lost:
            log.warning("claims.lost", lanes=len(recorded.lost), kind=self._publisher.kind)
        for result in results:
            if result.lane.place not in recorded.lost:
                for tried in result.tried:
                    self._attempted(result.lane.destination, tried)
        return recorded

    async def _record_once(self, results: Sequence[LaneResult], also: Also | None) -> Recorded:
        async with self._database.transaction() as connection:
            # By the clock that claims: what is given back due now must be due when it is claimed at once.
            now = await self._clock.now(connection)
            recorded = await record(connection, results, now)
            if isinstance(self._publisher, Recording):
                await self._publisher.on_record(connection, _delivered(results, recorded.lost))
            if also is not None:
                await also(connection, recorded.lost, now)
            return recorded


def _delivered(results: Sequence[LaneResult], lost: Collection[LaneKey]) -> list[ClaimedDelivery]:
    """What was delivered on lanes that were not lost, lane by lane in their order."""
    tried = (one for result in results if result.lane.place not in lost for one in result.tried)
    return [one.delivery for one in tried if one.state == "delivered"]
