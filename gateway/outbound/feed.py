"""Feeds by cursor. To deliver is to give an event its position, in the transaction that records it; nothing is sent.

Readers get what stands there, rendered as it may be seen now.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.core.values import dataclass
from gateway.core.visibility import Audience
from gateway.mapping.render import LARGEST_CANONICAL, Unrenderable, structured, type_of
from gateway.outbound.bugs import tell_bug
from gateway.outbound.outcome import Delivered, Fault, Outcome, Rejected
from gateway.outbound.texts import text_of
from gateway.store.feeds import give_positions, load_kept, read_feed
from gateway.store.notes import load_notes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

    from gateway.core.document import StoredEvent
    from gateway.core.notes import Note
    from gateway.outbound.publisher import Outgoing
    from gateway.outbound.work import Render
    from gateway.store.claims import ClaimedDelivery
    from gateway.store.database import Database, Transaction
    from gateway.store.destinations import Destination
    from gateway.store.feeds import FeedRow, Kept

KIND = "feed"
# A page ends early where the bodies of its events have more bytes than this.
PAGE_BYTES = 8 * 1024 * 1024
# Whose feeds can be read: callers are accounts and organizations.
_READERS = frozenset({Audience.ENTERPRISE, Audience.PROVIDER})


class FeedPublisher:
    """Serves destinations of kind `feed`: what was delivered has a position, and keeps it."""

    kind = KIND
    timeout = 1.0

    def __init__(self, given: Callable[[], object] = lambda: None) -> None:
        """`given` is called whenever positions are given, a moment before that is committed."""
        self._given = given

    async def publish(self, batch: Sequence[Outgoing]) -> list[Outcome]:
        """As the protocol says. A delivery is durable with its position, once it was recorded."""
        return [_outcome(one) for one in batch]

    async def on_record(self, transaction: Transaction, delivered: Sequence[ClaimedDelivery]) -> None:
        """Gives positions, those of a lane in its order."""
        await give_positions(transaction, delivered)
        if delivered:
            self._given()

    async def close(self) -> None:
        """There is nothing to let go of."""


def _outcome(one: Outgoing) -> Outcome:
    if one.destination.audience not in _READERS:
        return Rejected(Fault.MISCONFIGURED, f"nobody reads a feed for {one.destination.audience}")
    if len(one.document.body) > LARGEST_CANONICAL:
        return Rejected(Fault.TOO_LARGE)
    return Delivered()


class Unreadable(StrEnum):
    """Why there is no page after a place."""

    NEVER_GIVEN = "never_given"
    NOT_KEPT = "not_kept"


@dataclass(frozen=True, slots=True)
class Told:
    """One event at its position in a feed: a CloudEvent in structured JSON, on one line."""

    destination: int
    position: int
    type: str
    event: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """What comes after the place `begin`."""

    items: Sequence[Told]
    begin: Mapping[int, int]

    @property
    def place(self) -> Mapping[int, int]:
        """Where the next one begins, whether there is an item or not."""
        return {**self.begin, **{one.destination: one.position for one in self.items}}


@dataclass(frozen=True, slots=True)
class Span:
    """From behind which place to which there is something to read."""

    begin: Mapping[int, int]
    end: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class New:
    """What is new in some feeds. Those of `broken` go no further: what comes next there cannot be rendered."""

    items: Sequence[Told]
    broken: Collection[int]


class FeedReader:
    """Reads the feeds of one caller as one. A place is the position reached in each, by destination."""

    def __init__(
        self,
        database: Database,
        render: Render,
        *,
        ready: Callable[[Iterable[StoredEvent]], Awaitable[None]] | None = None,
    ) -> None:
        """`ready` returns when all that some events need to be rendered is known."""
        self._database = database
        self._render = render
        self._ready = ready

    async def read(
        self, destinations: Sequence[Destination], after: Mapping[int, int], limit: int, most_bytes: int | None = None
    ) -> Page | Unreadable:
        """The page after `after`, by a fixed number of statements; a feed that it does not name begins at its oldest.

        The caller has made sure of whose the destinations are, and that `after` names no others. Raises where an event
        cannot be rendered any more: it is not passed over.
        """
        mine = {one.number: one for one in destinations}
        async with self._database.transaction() as connection:
            kept = await load_kept(connection, mine)
            unreadable = _find_unreadable(after, kept)
            if unreadable is not None:
                return unreadable
            begin = _begin(after, kept)
            rows = await read_feed(connection, begin, limit, most_bytes or PAGE_BYTES)
            notes = await _notes_of(connection, rows)
        await self._until_ready(rows)
        items = [self._told(row, mine[row.destination], notes) for row in rows]
        return Page(items, begin)

    async def read_new(
        self, destinations: Sequence[Destination], after: Mapping[int, int], limit: int, most_bytes: int
    ) -> New:
        """What comes after `after`, which names all of the destinations, whosever they are.

        An event that cannot be rendered stops its own feed and no other.
        """
        by_number = {one.number: one for one in destinations}
        async with self._database.transaction() as connection:
            rows = await read_feed(connection, after, limit, most_bytes)
            notes = await _notes_of(connection, rows)
        await self._until_ready(rows)
        items: list[Told] = []
        broken: set[int] = set()
        for row in rows:
            if row.destination in broken:
                continue
            try:
                items.append(self._told(row, by_number[row.destination], notes))
            except Exception as error:  # noqa: BLE001 - whatever it is, the other feeds go on
                tell_bug("feed.broken", error, destination=by_number[row.destination].name)
                broken.add(row.destination)
        return New(items, broken)

    async def find_span(self, destinations: Sequence[Destination], after: Mapping[int, int]) -> Span | Unreadable:
        """What there is after `after`, without reading it; the terms are those of `read`."""
        async with self._database.transaction() as connection:
            kept = await load_kept(connection, [one.number for one in destinations])
        unreadable = _find_unreadable(after, kept)
        if unreadable is not None:
            return unreadable
        return Span(_begin(after, kept), {number: one.last for number, one in kept.items()})

    async def _until_ready(self, rows: Iterable[FeedRow]) -> None:
        if self._ready is not None:
            await self._ready(row.event for row in rows)

    def _told(self, row: FeedRow, destination: Destination, notes: Mapping[int, Note]) -> Told:
        text = text_of(row.event, notes, destination.audience)
        document = self._render(row.event, destination, row.previous, text)
        if not isinstance(document, Unrenderable):
            return Told(row.destination, row.position, type_of(row.event), structured(document))
        raise LookupError(f"event {row.event.number} was delivered and cannot be rendered: {document.reason}")


async def _notes_of(connection: Transaction, rows: Iterable[FeedRow]) -> dict[int, Note]:
    return await load_notes(connection, {row.event.note.number for row in rows if row.event.note})


def _begin(after: Mapping[int, int], kept: Mapping[int, Kept]) -> dict[int, int]:
    return {number: after.get(number, one.oldest - 1) for number, one in kept.items()}


def _find_unreadable(after: Mapping[int, int], kept: Mapping[int, Kept]) -> Unreadable | None:
    if any(position > kept[number].last for number, position in after.items()):
        return Unreadable.NEVER_GIVEN
    if any(position + 1 < kept[number].oldest for number, position in after.items()):
        return Unreadable.NOT_KEPT
    return None
