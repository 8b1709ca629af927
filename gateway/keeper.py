"""Keeps what the roles know by heart present: accounts, destinations, profiles, read again every two seconds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from gateway.brands import load_library
from gateway.inbound.directory import Directory, make_directory
from gateway.inbound.doors import confirmations_topic
from gateway.mapping.library import NO_PROFILES
from gateway.store.accounts import load_accounts
from gateway.store.destinations import REMOVED, load_destinations
from gateway.store.profiles import read_stamp

if TYPE_CHECKING:
    from gateway.store.database import Database
    from gateway.store.destinations import Destination

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 2.0


class Keeper:
    """`directory` and `profiles` are each replaced as a whole: a holder keeps a state that agrees with itself.

    `own_topics` are those of brands' own, with brand and account; what has been one stays one. Removed destinations
    are not among `destinations`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stamp: object = None
        self._again = asyncio.Event()
        self.directory = Directory()
        self.destinations: tuple[Destination, ...] = ()
        self.kinds: frozenset[str] = frozenset()
        self.profiles = NO_PROFILES
        self.own_topics: dict[str, tuple[str, str]] = {}

    async def refresh(self) -> None:
        """Reads again; versions only when one came or went, and nothing is made of those that were there."""
        async with self._database.transaction() as connection:
            stamp = await read_stamp(connection)
            profiles = self.profiles if stamp == self._stamp else await load_library(connection, self.profiles)
            accounts = await load_accounts(connection)
            destinations = await load_destinations(connection)
        self._stamp, self.profiles = stamp, profiles
        present = [one for one in destinations.values() if one.state != REMOVED]
        self.destinations = tuple(present)
        self.kinds = frozenset(one.kind for one in present)
        outlines = profiles.outlines
        own = {one.topic: (one.brand, one.account) for one in outlines.values() if one.topic is not None}
        confirming = [outlines[one.owner] for one in present if one.confirms_by_topic and one.owner in outlines]
        own |= {confirmations_topic(one.brand): (one.brand, one.account) for one in confirming}
        self.own_topics = {**self.own_topics, **own}
        self.directory = make_directory(accounts, present, profiles)

    async def run(self) -> None:
        """Refreshes until cancelled. While the database is away, what was known last stands."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), REFRESH_SECONDS)
            self._again.clear()
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - the roles wait for the database in place; this must not end them
                log.warning("keeper.waits", error=type(error).__name__)

    def look_again(self) -> None:
        """Lets `run` refresh at once: this process has changed something that is kept here."""
        self._again.set()
