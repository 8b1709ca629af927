"""Feeds as they grow. One task follows all that have listeners; of a listener nothing is kept but its place.

What is new is rendered once and kept for a second, from where all take it who listened when it was read. Whoever stands
further behind reads pages of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from dataclasses import field
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from gateway.core.values import dataclass
from gateway.outbound.feed import KIND, Page, Span
from gateway.store.keys import load_callers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gateway.outbound.feed import FeedReader, Told, Unreadable
    from gateway.store.database import Database
    from gateway.store.destinations import Destination
    from gateway.store.keys import Caller

log = structlog.get_logger(__name__)

# Seconds. The poll finds what no wake-up told of. What comes within a moment is read together.
POLL = 1.0
TOGETHER = 0.05
# How long what was read stays for those who did not take it yet. What a note may show is judged when it is read.
FRESH = 1.0
# A revoked key's streams end within this.
CHECK = 2.0
MOST_EVENTS = 200
MOST_BYTES = 1024 * 1024
# What one reads that stands behind. A page waits in memory until its listener has taken it.
PAGE_EVENTS = 100
PAGE_BYTES = 256 * 1024
# Pages being read at a time: when all come back at once, others need the database too.
READERS = 2
MOST_PER_KEY = 50


class Hindrance(StrEnum):
    """Why somebody cannot listen now."""

    TOO_MANY_STREAMS = "too_many_streams"
    NO_ROOM = "no_room"
    UNAVAILABLE = "unavailable"


@dataclass(slots=True, kw_only=True, eq=False)
class Listener:
    """Somebody who listens to some feeds since a moment, and how far it was told of each."""

    caller: Caller
    feeds: Mapping[int, Destination]
    place: dict[int, int]
    since: float
    news: asyncio.Event = field(default_factory=asyncio.Event)
    has_ended: bool = False

    def end(self) -> None:
        """It is told nothing more: whoever it is comes again."""
        self.has_ended = True
        self.news.set()


@dataclass(slots=True)
class _Tail:
    """The end of one feed: up to which position it was read, and the last of it without a gap, each with when."""

    destination: Destination
    position: int
    recent: deque[tuple[float, Told]] = field(default_factory=deque)
    held: int = 0
    listeners: set[Listener] = field(default_factory=set)

    def add(self, one: Told, now: float) -> None:
        if one.position <= self.position:
            return
        if one.position != self.position + 1:
            self.recent.clear()
            self.held = 0
        self.recent.append((now, one))
        self.held += len(one.event)
        self.position = one.position

    def forget(self, before: float) -> None:
        while self.recent and (self.held > MOST_BYTES or self.recent[0][0] < before):
            self.held -= len(self.recent.popleft()[1].event)

    def find_after(self, position: int, since: float) -> list[Told] | None:
        """What comes after; None where not all of it is here any more, or some was read before `since`."""
        missing = max(0, self.position - position)
        found = list(islice(reversed(self.recent), missing))
        if missing > len(found) or (found and found[-1][0] < since):
            return None
        return [one for _, one in reversed(found)]


class Live:
    """All who listen in this process. While `run` does not run, there is nobody."""

    def __init__(
        self,
        database: Database,
        reader: FeedReader,
        owed_to: Callable[[Caller], Sequence[Destination]],
        *,
        most: int = 2000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`owed_to` are the destinations of a caller, as they are known now; `most` may listen."""
        self._database = database
        self.reader = reader
        self._owed_to = owed_to
        self._most = most
        self._monotonic = monotonic
        self._is_open = False
        self._wake = asyncio.Event()
        self._checked = 0.0
        self._tails: dict[int, _Tail] = {}
        self._listeners: set[Listener] = set()
        self._of_key: Counter[int] = Counter()
        self._reading = asyncio.Semaphore(READERS)

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Follows the feeds until `stop` is set: then all who listen are told to come again, at once.

        While the database is away it waits in place.
        """
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._close())
        self._is_open = True
        try:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self._wake.wait()
                self._wake.clear()
                try:
                    await self._check()
                    await self._follow()
                except Exception as error:  # noqa: BLE001 - whatever it is, those who listen need not come again
                    log.warning("live.waits", error=type(error).__name__)
                    await asyncio.wait([stopping], timeout=POLL)
                await asyncio.wait([stopping], timeout=TOGETHER)
        finally:
            stopping.cancel()

    def _close(self) -> None:
        self._is_open = False
        self._wake.set()
        for listener in self._listeners:
            listener.end()

    async def join(
        self, caller: Caller, feeds: Sequence[Destination], after: Mapping[int, int] | None
    ) -> Listener | Hindrance | Unreadable:
        """Lets `caller` listen to `feeds` from behind `after` on (None: from now on), until it leaves.

        A feed that `after` does not name begins at its oldest.
        """
        hindrance = self._find_hindrance(caller)
        if hindrance is not None:
            return hindrance
        async with self._reading:
            span = await self.reader.find_span(feeds, after or {})
        if not isinstance(span, Span):
            return span
        # Others have come meanwhile.
        hindrance = self._find_hindrance(caller)
        if hindrance is not None:
            return hindrance
        place = dict(span.end if after is None else span.begin)
        by_number = {one.number: one for one in feeds}
        listener = Listener(caller=caller, feeds=by_number, place=place, since=self._monotonic())
        for number, destination in listener.feeds.items():
            self._tails.setdefault(number, _Tail(destination, span.end[number])).listeners.add(listener)
        self._listeners.add(listener)
        self._of_key[caller.key] += 1
        return listener

    def _find_hindrance(self, caller: Caller) -> Hindrance | None:
        if not self._is_open:
            return Hindrance.UNAVAILABLE
        if len(self._listeners) >= self._most:
            return Hindrance.NO_ROOM
        return Hindrance.TOO_MANY_STREAMS if self._of_key[caller.key] >= MOST_PER_KEY else None

    def leave(self, listener: Listener) -> None:
        """Whoever has joined leaves, once."""
        self._listeners.discard(listener)
        self._of_key[listener.caller.key] -= 1
        if not self._of_key[listener.caller.key]:
            del self._of_key[listener.caller.key]
        for number in listener.feeds:
            tail = self._tails[number]
            tail.listeners.discard(listener)
            if not tail.listeners:
                del self._tails[number]

    async def next(self, listener: Listener, within: float) -> Sequence[Told]:
        """What comes after the place of `listener`, which has reached it then; nothing if none came `within` seconds.

        What is not here any more is read for it alone. It ends where that is not kept, and raises where that fails.
        """
        listener.news.clear()
        told = self._find_recent(listener)
        if told is not None and not told:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await listener.news.wait()
            told = self._find_recent(listener)
        if told is None:
            told = await self._read(listener)
        listener.place.update((one.destination, one.position) for one in told)
        return told

    def _find_recent(self, listener: Listener) -> Sequence[Told] | None:
        found: list[Told] = []
        for number, position in listener.place.items():
            tail = self._tails[number]
            tail.forget(self._monotonic() - FRESH)
            after = tail.find_after(position, listener.since)
            if after is None:
                return None
            found += after
        return found

    async def _read(self, listener: Listener) -> Sequence[Told]:
        async with self._reading:
            feeds = list(listener.feeds.values())
            page = await self.reader.read(feeds, listener.place, PAGE_EVENTS, PAGE_BYTES)
        if isinstance(page, Page):
            return page.items
        listener.end()
        return ()

    async def _check(self) -> None:
        """Ends the streams of those who may not have them any more, or whose feeds are others by now."""
        now = self._monotonic()
        if not self._listeners or now < self._checked + CHECK:
            return
        async with self._database.transaction() as connection:
            callers = await load_callers(connection, {one.caller.key for one in self._listeners})
        self._checked = now
        for one in self._listeners:
            owed = {each.number for each in self._owed_to(one.caller) if each.kind == KIND}
            if callers.get(one.caller.key) != one.caller or owed != one.feeds.keys():
                one.end()

    async def _follow(self) -> None:
        """Reads what is new, and tells those who listen that there is something."""
        for tail in self._tails.values():
            tail.forget(self._monotonic() - FRESH)
        if not self._tails:
            return
        after = {number: tail.position for number, tail in self._tails.items()}
        destinations = [tail.destination for tail in self._tails.values()]
        new = await self.reader.read_new(destinations, after, MOST_EVENTS, MOST_BYTES)
        for one in new.items:
            if one.destination in self._tails:
                self._tails[one.destination].add(one, self._monotonic())
        for number in {one.destination for one in new.items} & self._tails.keys():
            for listener in self._tails[number].listeners:
                listener.news.set()
        for number in self._tails.keys() & new.broken:
            for listener in self._tails[number].listeners:
                listener.end()
        if new.items:
            self._wake.set()
