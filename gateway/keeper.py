"""Keeps what the roles know by heart present: accounts, destinations, profiles, read again every two seconds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import structlog

from gateway.brands import Versions, load_versions
from gateway.in_force import LEAD, catch_up
from gateway.inbound.directory import Directory, make_directory
from gateway.inbound.doors import confirmations_topic
from gateway.mapping.library import NO_PROFILES, Profiles
from gateway.store.accounts import load_accounts
from gateway.store.clock import CarriedClock
from gateway.store.destinations import REMOVED, load_destinations
from gateway.store.profiles import coming, in_force, load_in_place, read_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gateway.mapping.profile import Profile
    from gateway.store.accounts import Account
    from gateway.store.database import Database
    from gateway.store.destinations import Destination

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 2.0
# Within so much an activation is committed, and known to whoever asks.
COMMIT_SECONDS = 0.5
# By so much the clock that is carried on here may be ahead of the database's own.
LATE_SECONDS = 0.05


class Keeper:
    """`directory` and `profiles` are each replaced as a whole: a holder keeps a state that agrees with itself.

    They go by the versions in force at present, by the database's clock: an activation that is known takes force in
    every process at its moment. `own_topics` are those of brands' own, with brand and account; what has been one stays
    one. Removed destinations are not among `destinations`. `good_for`: seconds after which what is known is too old
    for deciding.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stamp: object = None
        self._again = asyncio.Event()
        self._versions = Versions()
        self._in_place: Mapping[str, int] = {}
        self._accounts: Sequence[Account] = ()
        self._clock = CarriedClock()
        self._asked_at = float("-inf")
        self._next: datetime | None = None
        self._directory = Directory()
        self._profiles = NO_PROFILES
        self._own_topics: dict[str, tuple[str, str]] = {}
        self.good_for = LEAD.total_seconds() - COMMIT_SECONDS
        self.destinations: tuple[Destination, ...] = ()
        self.kinds: frozenset[str] = frozenset()

    @property
    def directory(self) -> Directory:
        """The present accounts, destinations and profiles, as far as they are known."""
        self._keep_up()
        return self._directory

    @property
    def profiles(self) -> Profiles:
        """Every version, with the ones in force."""
        self._keep_up()
        return self._profiles

    @property
    def scheduled(self) -> list[Profile]:
        """The versions that take force later."""
        return self._versions.scheduled(self._clock.now())

    @property
    def own_topics(self) -> Mapping[str, tuple[str, str]]:
        """By topic, the brand and the account that are heard there."""
        self._keep_up()
        return self._own_topics

    async def get_directory(self) -> Directory:
        """What to decide by: `directory`, read again first where an activation could have been missed."""
        if time.monotonic() - self._asked_at > self.good_for:
            await self.refresh()
        return self.directory

    async def refresh(self) -> None:
        """Reads again; versions only when one or an activation came, and nothing is made of those that were there.

        What was asked for before something that is known already is passed over.
        """
        asked_at = time.monotonic()
        async with self._database.snapshot(by_keys=True) as connection:
            self._clock.set(await self._database.now(connection))
            stamp = await read_stamp(connection)
            versions = self._versions if stamp == self._stamp else await load_versions(connection, self._versions)
            in_place = await load_in_place(connection)
            accounts = await load_accounts(connection)
            destinations = await load_destinations(connection)
        if asked_at < self._asked_at:
            return
        self._asked_at = asked_at
        self._stamp, self._versions, self._in_place, self._accounts = stamp, versions, in_place, accounts
        present = [one for one in destinations.values() if one.state != REMOVED]
        self.destinations = tuple(present)
        self.kinds = frozenset(one.kind for one in present)
        self._go_by(self._clock.now())

    def _keep_up(self) -> None:
        if self._next is not None and (now := self._clock.now()) >= self._next:
            self._go_by(now)

    def _go_by(self, now: datetime) -> None:
        self._profiles = self._versions.at(now)
        self._next = next((one.effective_at for one in coming(self._versions.activations, now)), None)
        outlines = self._profiles.outlines
        own = {one.topic: (one.brand, one.account) for one in outlines.values() if one.topic is not None}
        confirming = (one.owner for one in self.destinations if one.confirms_by_topic)
        own |= {confirmations_topic(name): (name, outlines[name].account) for name in confirming if name in outlines}
        self._own_topics = {**self._own_topics, **own}
        self._directory = make_directory(self._accounts, self.destinations, self._profiles)

    async def run(self) -> None:
        """Refreshes until cancelled: at once, and at each moment that a version takes force.

        While the database is away, what was known last stands.
        """
        while True:
            try:
                await self.refresh()
                await self._catch_up()
            except Exception as error:  # noqa: BLE001 - the roles wait for the database in place; this must not end them
                log.warning("keeper.waits", error=type(error).__name__)
            # Not `wait_for`: it may lose a cancellation that comes as the event is set.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience()):
                    await self._again.wait()
            self._again.clear()

    def _patience(self) -> float:
        self._keep_up()
        if self._next is None:
            return REFRESH_SECONDS
        return min(REFRESH_SECONDS, (self._next - self._clock.now()).total_seconds() + LATE_SECONDS)

    async def _catch_up(self) -> None:
        """What comes with a version in force: each process tries, the first one does it."""
        active = in_force(self._versions.activations, self._clock.now())
        behind = [brand for brand, one in sorted(active.items()) if self._in_place.get(brand) != one.number]
        for brand in behind:
            if self._profiles.find(brand) is None:
                continue
            try:
                is_first = await catch_up(self._database, brand) is not None
            except Exception as error:  # noqa: BLE001 - one brand never stops the others
                log.warning("profile.waits", brand=brand, error=type(error).__name__)
                continue
            if is_first:
                log.info("profile.in_force", brand=brand, version=active[brand].version)
                self.look_again()

    def look_again(self) -> None:
        """Lets `run` refresh at once: this process has changed something that is kept here."""
        self._again.set()
