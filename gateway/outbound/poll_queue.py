"""The queue that a partner polls: what is owed is claimed by the call that takes it, and settled by its receipt.

No relay serves such a destination. A message that nobody acknowledged comes again when its claim's lease has ended.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gateway.core.ids import MAX_NUMBER
from gateway.core.values import dataclass
from gateway.mapping import connect_out
from gateway.mapping.render import Unrenderable
from gateway.outbound.bugs import tell_bug
from gateway.outbound.outcome import Fault, Rejected, Retryable, tried_as
from gateway.outbound.schedule import steps_of
from gateway.outbound.texts import text_of
from gateway.store.claims import claim
from gateway.store.clock import DatabaseClock
from gateway.store.notes import load_notes
from gateway.store.polling import find_handed, load_kept_jobs
from gateway.store.recording import LaneResult, Tried, record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gateway.core.document import KeptJob, StoredEvent
    from gateway.core.notes import Note
    from gateway.core.parties import Json
    from gateway.mapping.profile import Profile
    from gateway.store.claims import Claim, ClaimedDelivery, ClaimedLane
    from gateway.store.database import Database, Transaction
    from gateway.store.destinations import Destination

KIND = "poll"
LEASE = timedelta(seconds=120)
# What an error does, as the destination's settings have it: `retry`, or `dead`.
ON_ERROR = "on_error"
# Whoever asks for more gets this many at a time.
LARGEST = 100
# Claims of one call: several destinations share each, and what cannot be handed out makes room.
ROUNDS = 5

# The claim's token, the delivery, and which of its messages.
_RECEIPT = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,18})-(0|[1-9][0-9]{0,3})", re.ASCII)


class Acknowledged(StrEnum):
    """What an acknowledgement did. Values are stable."""

    SETTLED = "settled"
    FAILED = "failed"
    NOT_YOURS_OR_OLD = "not_yours_or_old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """One message on its way. `message` is an element of the answer; the rest is for logs."""

    message: Json
    receipt: str
    destination: Destination
    delivery: int
    event: StoredEvent
    part: connect_out.Part


class Profiles(Protocol):
    """Finds the profile that an event is rendered by for a destination; raises where it is not known here."""

    def __call__(self, event: StoredEvent, destination: Destination) -> Profile | None: ...


class _Work(NamedTuple):
    claim: Claim
    notes: Mapping[int, Note]
    jobs: Mapping[int, KeptJob]


class PollQueue:
    """Hands out what is owed to destinations of kind `poll`, and takes the answers. Any number of them share the work.

    The caller has made sure of whose the destinations are that it names.
    """

    def __init__(
        self,
        database: Database,
        find_profile: Profiles,
        *,
        jitter: Callable[[], float] = random.random,
        ready: Callable[[Claim], Awaitable[None]] | None = None,
        attempted: Callable[[Destination, Tried], None] | None = None,
    ) -> None:
        """`ready` returns when all that a claim needs to be rendered is known.

        `attempted` is called once for each answer, and for what cannot be handed out, after it was recorded.
        """
        self._database = database
        self._clock = DatabaseClock(database)
        self._find_profile = find_profile
        self._jitter = jitter
        self._ready = ready
        self._attempted = attempted or (lambda _destination, _tried: None)

    async def hand_out(self, destinations: Sequence[Destination], most: int) -> list[Handed]:
        """At most `most` messages owed to `destinations`, one of each job, urgent ones first.

        Nobody else is handed them while their lease lasts, nor what follows them in their jobs. Fewer than asked for,
        or than `LARGEST`, means that no more is due. What cannot be rendered is dead from now on.
        """
        mine = [one for one in destinations if one.kind == KIND and one.state == "active"]
        handed: list[Handed] = []
        wanted = min(most, LARGEST)
        for _ in range(ROUNDS):
            if not mine or len(handed) >= wanted:
                break
            # So that, while several have more than fits, each comes first now and then.
            random.shuffle(mine)
            room = wanted - len(handed)
            work = await self._claim(mine, room)
            if not work.claim.lanes:
                break
            if len(work.claim.lanes) < room:
                # Each had its turn; only those that had something due may have more than their part.
                giving = {lane.destination.number for lane in work.claim.lanes}
                mine = [one for one in mine if one.number in giving]
            handed += await self._make(work)
        return handed

    async def acknowledge(
        self, destinations: Sequence[Destination], receipt: str, *, error: str | None
    ) -> Acknowledged:
        """Settles what `receipt` stands for, if it is owed to one of `destinations`.

        Without `error` the delivery's next message is due, or it is delivered. With it the try has failed, for the
        reason that the partner gives: it comes again as the schedule has it, or is dead where the destination takes an
        error as final. A receipt counts once, and no more when the message was handed out again; what does not count
        changes nothing.
        """
        read = _RECEIPT.fullmatch(receipt)
        if read is None:
            return Acknowledged.NOT_YOURS_OR_OLD
        token, number, place = read[1], int(read[2]), int(read[3])
        mine = {one.number: one for one in destinations if one.kind == KIND}
        if number > MAX_NUMBER or not mine:
            return Acknowledged.NOT_YOURS_OR_OLD
        async with self._database.transaction() as connection:
            now = await self._clock.now(connection)
            held = await find_handed(connection, token, number, mine, now)
            if held is None:
                return Acknowledged.NOT_YOURS_OR_OLD
            [lane] = held.lanes
            [one] = lane.deliveries
            parts = connect_out.parts(one.event, lane.destination.audience)
            if place != _place(one, parts):
                return Acknowledged.NOT_YOURS_OR_OLD
            tried = (
                self._failed(one, lane.destination, error, now)
                if error is not None
                else _succeeded(one, parts, place, now)
            )
            await record(connection, [LaneResult(lane, [tried])], now)
        self._attempted(lane.destination, tried)
        return Acknowledged.SETTLED if error is None else Acknowledged.FAILED

    async def _claim(self, destinations: Sequence[Destination], most: int) -> _Work:
        """Claims due lanes, their heads only, and reads what these need to be rendered; in one short transaction."""
        async with self._database.transaction() as connection:
            now = await self._clock.now(connection)
            claimed = await claim(connection, destinations, now=now, lease=LEASE, lanes=most, depth=1)
            return await _with_what_it_needs(connection, claimed)

    async def _make(self, work: _Work) -> list[Handed]:
        """Renders each head; what was not used of the claim is given back, and what cannot be rendered recorded."""
        try:
            if self._ready is not None:
                await self._ready(work.claim)
        except BaseException:
            await self._record([LaneResult(lane) for lane in work.claim.lanes])
            raise
        handed: list[Handed] = []
        back: list[LaneResult] = []
        for lane in work.claim.lanes:
            if not lane.deliveries:
                back.append(LaneResult(lane))
                continue
            made = self._render(work, lane, lane.deliveries[0])
            if isinstance(made, Handed):
                handed.append(made)
            else:
                back.append(LaneResult(lane, [made]))
        if back:
            await self._record(back)
        return handed

    async def _record(self, results: Sequence[LaneResult]) -> None:
        async with self._database.transaction() as connection:
            now = await self._clock.now(connection)
            recorded = await record(connection, results, now)
        for result in results:
            if result.lane.place not in recorded.lost:
                for tried in result.tried:
                    self._attempted(result.lane.destination, tried)

    def _render(self, work: _Work, lane: ClaimedLane, one: ClaimedDelivery) -> Handed | Tried:
        destination, event = lane.destination, one.event
        parts = connect_out.parts(event, destination.audience)
        place = _place(one, parts)
        try:
            made = connect_out.put(
                parts[place],
                event,
                audience=destination.audience,
                profile=self._find_profile(event, destination),
                kept=work.jobs.get(connect_out.job_of(event) or 0),
                note_text=text_of(event, work.notes, destination.audience),
            )
        except Exception as error:  # noqa: BLE001 - a bug met by one message stops its own lane and no other
            tell_bug("render.failed", error, delivery=one.number)
            return self._unmade(one, Rejected(Fault.RENDERER_BUG, type(error).__name__), work.claim.now)
        if isinstance(made, Unrenderable):
            return self._unmade(one, Rejected(made.reason, made.detail), work.claim.now)
        receipt = f"{work.claim.token}-{one.number}-{place}"
        message = connect_out.message(
            made, parts[place], place, event=event.number, delivery=one.number, receipt=receipt
        )
        return Handed(
            message=message,
            receipt=receipt,
            destination=destination,
            delivery=one.number,
            event=event,
            part=parts[place],
        )

    def _unmade(self, one: ClaimedDelivery, outcome: Rejected, now: datetime) -> Tried:
        return tried_as(one, outcome, self._jitter(), begun_at=now, ended_at=now)._replace(attempted=False)

    def _failed(self, one: ClaimedDelivery, destination: Destination, error: str, now: datetime) -> Tried:
        # Control characters and lone surrogates are not stored.
        told = "".join(sign if sign.isprintable() else " " for sign in error)
        is_final = destination.settings.get(ON_ERROR) == "dead"
        outcome = Rejected(Fault.REFUSED, told) if is_final else Retryable(Fault.REFUSED, told)
        steps = steps_of(destination.settings)
        return tried_as(one, outcome, self._jitter(), begun_at=now, ended_at=now, steps=steps)


def _succeeded(one: ClaimedDelivery, parts: Sequence[connect_out.Part], place: int, now: datetime) -> Tried:
    """The last message delivers; any other makes the next one due. Only what had failed before is worth a row."""
    last = place == len(parts) - 1
    return Tried(
        delivery=one,
        state="delivered" if last else "pending",
        outcome="delivered",
        begun_at=now,
        noted=one.retries > 0,
        part=0 if last else place + 1,
    )


def _place(one: ClaimedDelivery, parts: Sequence[connect_out.Part]) -> int:
    """Which message is next. A release that makes fewer of an event hands out the last one."""
    return min(one.part, len(parts) - 1)


async def _with_what_it_needs(connection: Transaction, claimed: Claim) -> _Work:
    events = [one.event for lane in claimed.lanes for one in lane.deliveries]
    notes = await load_notes(connection, {event.note.number for event in events if event.note})
    jobs = await load_kept_jobs(connection, filter(None, map(connect_out.job_of, events)))
    return _Work(claimed, notes, jobs)
