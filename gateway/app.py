"""The composition root: makes every part from the settings, runs the roles asked for, and ends them in order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway.core.visibility import Audience, Withheld
from gateway.destination_secrets import SigningSecrets
from gateway.edge import make_edge
from gateway.inbound.backoff import Backoff
from gateway.inbound.clock import Clock
from gateway.inbound.doors import Doors
from gateway.inbound.gathering import Gathering
from gateway.inbound.http.booking.desk import Desk, Limits
from gateway.inbound.operating import Operating, Verbs
from gateway.inbound.receive import Receiver
from gateway.inbound.subscribers import Subscription, kafka_broker
from gateway.inbound.work_topics import asked_for
from gateway.keeper import Keeper
from gateway.mapping.render import Document, Unrenderable, render
from gateway.outbound.feed import FeedReader
from gateway.outbound.inspection import UNREACHABLE, reach
from gateway.outbound.lane_relay import LaneRelay
from gateway.outbound.live import Live
from gateway.outbound.poll_queue import PollQueue
from gateway.relays import make_publishers, make_relay, run_relays
from gateway.server import serve as serve_edge
from gateway.store import partitions, wakeups
from gateway.store.database import Database
from gateway.store.feeds import CHANNEL as FEED_CHANNEL
from gateway.store.handing_over import HandOver
from gateway.store.keys import CHANNEL as KEYS_CHANNEL
from gateway.store.keys import CallerKind
from gateway.store.numbers import Numbers
from gateway.store.outbox import CHANNEL
from gateway.store.readiness import insist_on_schema
from gateway.topics import TOPICS_SECONDS, CannotRun, insist_on_no_topics, make_cluster
from gateway.web.callers import Callers
from gateway.wide_events import log_attempt, log_records

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from gateway.core.document import StoredEvent
    from gateway.inbound.entry import Entry
    from gateway.mapping.profile import Profile
    from gateway.settings import Settings
    from gateway.store.claims import Claim
    from gateway.store.destinations import Destination
    from gateway.store.keys import Caller
    from gateway.web.direct import Direct

log = structlog.get_logger(__name__)

ROLES = ("consume", "relay", "clock", "edge")
LATER_ROLES = ("console",)
IDLE_SECONDS = 10.0


class Gateway:
    """Everything that one process runs. Use `run`; the parts are public for tests and tools that need one alone."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database_url)
        self.keeper = Keeper(self.database)
        self.doors = Doors(settings.topic_prefix, lambda: self.keeper.own_topics)
        reader = FeedReader(self.database, self.render, ready=self.know_profiles_of)
        self.live = Live(self.database, reader, self.owed_to, most=settings.live_streams)
        self.wakes: dict[str, asyncio.Event] = {}
        self.hand_over = HandOver()
        self.stop = asyncio.Event()

    def make_receiver(self) -> Receiver:
        """A receiver with numbers of its own: two of one process do not wait for each other's blocks."""
        numbers = Numbers(self.database)
        return Receiver(self.database, numbers, self.doors, self.keeper.get_directory, self._received, self.hand_over)

    def _received(self, entries: Sequence[Entry], owed: Collection[str]) -> None:
        self._wake_kinds(owed)
        if asked_for(entries):
            self.keeper.look_again()
        log_records(entries)

    def _wake(self) -> None:
        """Wakes the relays of this process whose kinds of destination there are."""
        self._wake_kinds(self.keeper.kinds)

    def _wake_kinds(self, kinds: Collection[str]) -> None:
        for kind in self.wakes.keys() & kinds:
            self.wakes[kind].set()

    def render(
        self, event: StoredEvent, destination: Destination, previous: int | None, note_text: str | Withheld | None
    ) -> Document | Unrenderable:
        profile = self.find_profile(event, destination)
        return render(profile, event, audience=destination.audience, previous=previous, note_text=note_text)

    def find_profile(self, event: StoredEvent, destination: Destination) -> Profile | None:
        """The profile version that `event` was decided under, where `destination` is its brand's."""
        if destination.audience is not Audience.ENTERPRISE or event.profile_version is None:
            return None
        profile = self.keeper.profiles.find_version(event.brand, event.profile_version)
        if profile is None:
            # Never in another form than the brand's.
            raise LookupError(f"{event.brand} v{event.profile_version} cannot be read")
        return profile

    def owed_to(self, caller: Caller) -> list[Destination]:
        """The destinations of a caller: of its records and brands, or its one brand; of its organization's work."""
        directory = self.keeper.directory
        if caller.kind is CallerKind.ACCOUNT:
            brands = [caller.brand] if caller.brand else directory.brands_of(caller.name)
            owed = [one for brand in brands for one in directory.feeds.get(brand, ())]
            if caller.brand is None and caller.source in directory.acks:
                owed.append(directory.acks[caller.source])
        elif caller.kind is CallerKind.OPERATOR:
            owed = []
        else:
            owed = list(directory.work.get(caller.name, ()))
        return [one for one in owed if one.sandbox is caller.sandbox]

    def make_poll_queue(self) -> PollQueue:
        """What serves the calls of pollers. It may be shared by all of them."""
        return PollQueue(self.database, self.find_profile, ready=self.know_profiles, attempted=log_attempt)

    def make_booking(self, gathering: Gathering) -> Desk:
        """The customers' booking pages; their bookings share the batches of `gathering`."""
        if self.settings.signer is None:
            log.warning("booking.off", why="GATEWAY_SECRET_KEYS names no key: booking pages cannot be used")
        limits = Limits(self.settings.bookings_per_address, self.settings.bookings_per_page)
        return Desk(self.database, gathering, lambda: self.keeper.directory, self.settings.signer, limits)

    async def know_profiles(self, claim: Claim) -> None:
        """Returns when every version that the claim's events name is known."""
        await self.know_profiles_of(one.event for lane in claim.lanes for one in lane.deliveries)

    async def know_profiles_of(self, events: Iterable[StoredEvent]) -> None:
        """Returns when every version that `events` name is known: another process may have been first."""
        named = {(one.brand, one.profile_version) for one in events if one.brand and one.profile_version is not None}
        if not self.keeper.profiles.knows(named):
            await self.keeper.refresh()

    async def run(self, roles: Collection[str]) -> None:
        """Runs the roles until `stop` is set, or one of them fails; then ends them: what was begun is finished."""
        await self.keeper.refresh()
        receiver = self.make_receiver()
        try:
            async with asyncio.TaskGroup() as group:
                background = [group.create_task(self.keeper.run())]
                if "relay" in roles:
                    told = wakeups.listen(self.settings.database_url, CHANNEL, self._wake)
                    background.append(group.create_task(told))
                running = [group.create_task(self._run_role(role, receiver)) for role in roles]
                _settle_memory()
                log.info("gateway.runs", roles=sorted(roles))
                await asyncio.wait(running)
                for task in background:
                    task.cancel()
        finally:
            await self.database.close()

    async def _run_role(self, role: str, receiver: Receiver) -> None:
        match role:
            case "consume":
                await self._consume()
            case "relay":
                await self._relay()
            case "edge":
                await self._edge()
            case "clock":
                margin = timedelta(seconds=self.settings.expiry_margin_seconds)
                clock = Clock(self.database, receiver, expiry_margin=margin)
                await asyncio.gather(clock.run(self.stop), self.make_operating().run(self.stop))

    def make_operating(self) -> Operating:
        """What runs the operations that operators have started."""
        verbs = Verbs(Numbers(self.database), lambda: self.keeper.directory.active)
        return Operating(self.database, verbs, refresh=self.keeper.refresh, wake=self._wake)

    async def _until_kafka_answers(self) -> None:
        """Waits in place for a broker that is away at the start, or for the end."""
        backoff = Backoff()
        while not self.stop.is_set():
            try:
                await reach(make_cluster(self.settings), within=TOPICS_SECONDS)
            except UNREACHABLE as error:
                log.warning("kafka.away", servers=self.settings.kafka_servers, error=type(error).__name__)
                await backoff.wait()
            else:
                return

    async def _consume(self) -> None:
        await self._until_kafka_answers()
        if self.stop.is_set():
            return
        broker = kafka_broker(make_cluster(self.settings))
        # While one batch waits for the database, another is read and decided. SQLite has one writer anyway.
        consumers = 1 if self.settings.on_sqlite else self.settings.consumers
        subscriptions = [
            Subscription(
                broker,
                self.doors,
                self.make_receiver().receive,
                group=self.settings.consumer_group,
                batch_records=self.settings.batch_records,
                batch_wait_ms=self.settings.batch_wait_ms,
                session_timeout_ms=self.settings.consumer_session_seconds * 1000,
            )
            for _ in range(consumers)
        ]
        await broker.start()
        try:
            while not self.stop.is_set():
                for subscription in subscriptions:
                    subscription.check()
                    subscription.follow()
                    await self._note_idle(subscription)
                await _wait(self.stop, IDLE_SECONDS)
        finally:
            for subscription in subscriptions:
                await subscription.finish()
            await broker.stop()

    async def _edge(self) -> None:
        callers = Callers(self.database, self.settings.sealer)
        gathering = Gathering(self.make_receiver().receive)
        edge = self.make_edge(callers, gathering, self.make_booking(gathering))
        told = wakeups.listen(self.settings.database_url, KEYS_CHANNEL, callers.hear, callers.doubt)
        grown = wakeups.listen(self.settings.database_url, FEED_CHANNEL, self.live.wake)
        try:
            async with asyncio.TaskGroup() as group:
                work = (gathering.run(), self._note_use(callers), told, self.live.run(self.stop), grown)
                behind = [group.create_task(one) for one in work]
                host, port = self.settings.http_host, self.settings.http_port
                await serve_edge(edge, host, port, self.stop, self.settings.proxies)
                for task in behind:
                    task.cancel()
        except* OSError as error:
            place = f"{self.settings.http_host}:{self.settings.http_port}"
            raise CannotRun(f"cannot listen on {place} (GATEWAY_HTTP_HOST, GATEWAY_HTTP_PORT)") from error

    def make_edge(self, callers: Callers, gathering: Gathering, booking: Desk) -> Direct:
        """The application that the role `edge` serves."""
        return make_edge(
            self.database,
            callers,
            gathering,
            self.make_poll_queue(),
            self.live,
            owed_to=self.owed_to,
            keeper=self.keeper,
            booking=booking,
        )

    async def _note_use(self, callers: Callers) -> None:
        """Writes now and then, and at the end, when keys were last used, and how many calls proved nothing."""
        while not self.stop.is_set():
            await _wait(self.stop, IDLE_SECONDS)
            try:
                await callers.note_use()
                await callers.note_failures()
            except Exception as error:  # noqa: BLE001 - the database is away: nothing hangs on it
                log.warning("use.unknown", error=type(error).__name__)

    async def _note_idle(self, subscription: Subscription) -> None:
        """How far quiet partitions have been read: what the expiry of offers waits for. Where that fails, it waits."""
        try:
            async with self.database.transaction() as connection:
                now = await self.database.now(connection)
            idle = await subscription.idle_partitions(now)
            async with self.database.transaction() as connection:
                await partitions.read_up_to(connection, idle)
        except Exception as error:  # noqa: BLE001 - the database or the broker is away: the next round comes
            log.warning("idle.unknown", error=type(error).__name__)

    async def _relay(self) -> None:
        """One relay for each kind of destination, and beside them what keeps the secrets of webhooks present."""
        signing = SigningSecrets(self.database, self.settings.sealer)
        publishers = make_publishers(self.settings, signing, self.live.wake)
        relays = [
            make_relay(self.settings, self.database, publisher, self.render, self.know_profiles)
            for publisher in publishers
        ]
        by_kind = {publisher.kind: relay for publisher, relay in zip(publishers, relays, strict=True)}
        self.wakes = {kind: relay.wake for kind, relay in by_kind.items()}
        self.hand_over.takers.update({kind: one for kind, one in by_kind.items() if isinstance(one, LaneRelay)})
        await signing.refresh()
        keeping = asyncio.create_task(signing.run())
        try:
            await run_relays(relays, publishers, self.stop)
        finally:
            keeping.cancel()


async def serve(settings: Settings, roles: Collection[str]) -> None:
    """Runs a gateway until SIGTERM or SIGINT."""
    if settings.kafka_servers == "off" and "consume" in roles:
        raise CannotRun("GATEWAY_KAFKA_SERVERS is off: the role consume needs a broker, host:port,…")
    gateway = Gateway(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gateway.stop.set)
    try:
        await insist_on_schema(gateway.database)
        with sole_run(gateway.database):
            if settings.kafka_servers == "off":
                await insist_on_no_topics(gateway.keeper)
            await gateway.run(roles)
    finally:
        await gateway.database.close()


@contextlib.contextmanager
def sole_run(database: Database) -> Iterator[None]:
    """On SQLite one process runs all roles: a lock file refuses a second one."""
    if database.file is None:
        yield
        return
    path = Path(f"{database.file}.lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotRun(f"another gateway runs on this SQLite database ({path}); several need PostgreSQL") from None
        yield


def _settle_memory() -> None:
    """What was made at start lives as long as the process: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    # Not `wait_for`: it may lose a cancellation that comes as the event is set.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
