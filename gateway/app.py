"""The composition root: makes every part from the settings, runs the roles asked for, and ends them in order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.helpers import create_ssl_context

from gateway.core.visibility import Audience, Withheld
from gateway.edge import make_edge
from gateway.edge import serve as serve_edge
from gateway.inbound.backoff import Backoff
from gateway.inbound.clock import Clock
from gateway.inbound.doors import SHARED, Doors
from gateway.inbound.gathering import Gathering
from gateway.inbound.receive import Receiver
from gateway.inbound.subscribers import Subscription, kafka_broker
from gateway.inbound.work_topics import asked_for
from gateway.keeper import Keeper
from gateway.mapping.render import Document, Unrenderable, render
from gateway.outbound.inspection import UNREACHABLE, reach
from gateway.outbound.kafka import KafkaPublisher
from gateway.outbound.poll_queue import KIND as POLL
from gateway.outbound.poll_queue import PollQueue
from gateway.outbound.relay import Relay, Terms
from gateway.outbound.topics import Cluster, ensure_topics
from gateway.store import partitions, wakeups
from gateway.store.database import Database
from gateway.store.keys import CallerKind
from gateway.store.numbers import Numbers
from gateway.store.readiness import insist_on_schema
from gateway.web.callers import Callers
from gateway.wide_events import log_attempt, log_records

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from gateway.core.document import StoredEvent
    from gateway.inbound.entry import Entry
    from gateway.mapping.profile import Profile
    from gateway.settings import Settings
    from gateway.store.claims import Claim
    from gateway.store.destinations import Destination
    from gateway.store.keys import Caller

log = structlog.get_logger(__name__)

ROLES = ("consume", "relay", "clock", "edge")
LATER_ROLES = ("console",)
TOPICS_SECONDS = 20.0
IDLE_SECONDS = 10.0
# A send may take this share of a lease at most.
PUBLISH_SHARE = 0.3


class CannotRun(Exception):
    """Why the program cannot start as asked; a sentence for the person who started it."""


def make_cluster(settings: Settings) -> Cluster:
    """The Kafka cluster as the settings name it."""
    security: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    if settings.kafka_sasl_mechanism is not None and settings.kafka_password is not None:
        security["sasl_mechanism"] = settings.kafka_sasl_mechanism
        security["sasl_plain_username"] = settings.kafka_username
        security["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    if settings.kafka_security_protocol.endswith("SSL"):
        security["ssl_context"] = create_ssl_context(cafile=settings.kafka_ca_file)
    if settings.kafka_servers in {None, "off", "embedded"}:
        raise CannotRun("GATEWAY_KAFKA_SERVERS names no broker: set host:port,… (or `embedded` to try it out)")
    return Cluster(
        servers=str(settings.kafka_servers),
        partitions=settings.kafka_partitions,
        replication=settings.kafka_replication,
        security=security,
    )


def inbound_topics(settings: Settings, keeper: Keeper) -> list[str]:
    """The topics that the gateway reads: shared ones, one per account, brands' own.

    And one of each organization that has a work feed by topic.
    """
    names = [*SHARED, *(f"offers.{account}.v1" for account in keeper.directory.accounts)]
    work = [one.name for feeds in keeper.directory.work.values() for one in feeds if one.kind == "kafka"]
    names += [f"actions.{name.removeprefix('work.')}.v1" for name in work]
    names += [profile.inbound.topic for profile in keeper.profiles.active.values() if profile.inbound]
    return [f"{settings.topic_prefix}{name}" for name in names]


def outbound_topics(settings: Settings, keeper: Keeper) -> list[str]:
    """The topics that the gateway writes to."""
    topics = {destination.settings["topic"] for destination in keeper.destinations if destination.kind == "kafka"}
    return [f"{settings.topic_prefix}{topic}" for topic in sorted(topics)]


async def make_topics(settings: Settings, keeper: Keeper) -> list[str]:
    """Makes every topic that is missing, with its settings; returns the names that there are now."""
    names = [*inbound_topics(settings, keeper), *outbound_topics(settings, keeper)]
    try:
        refused = await ensure_topics(make_cluster(settings), names, within=TOPICS_SECONDS)
    except UNREACHABLE as error:
        raise CannotRun(f"Kafka at {settings.kafka_servers} does not answer: {type(error).__name__}") from error
    if refused:
        raise CannotRun("; ".join(f"topic {name}: {error.__name__}" for name, error in refused.items()))
    return names


async def prepare(settings: Settings) -> list[str]:
    """Makes the topics of everything that the database knows of; returns their names."""
    database = Database(settings.database_url)
    try:
        keeper = Keeper(database)
        await keeper.refresh()
        topics = await make_topics(settings, keeper)
        answers = [topic for topic in topics if topic.startswith(f"{settings.topic_prefix}actions.")]
        async with database.transaction() as connection:
            await partitions.expect_partitions(connection, answers, settings.kafka_partitions)
        return topics
    finally:
        await database.close()


class Gateway:
    """Everything that one process runs. Use `run`; the parts are public for tests and tools that need one alone."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database_url)
        self.keeper = Keeper(self.database)
        self.doors = Doors(settings.topic_prefix, lambda: self.keeper.own_topics)
        self.wake = asyncio.Event()
        self.stop = asyncio.Event()

    def make_receiver(self) -> Receiver:
        """A receiver with numbers of its own: two of one process do not wait for each other's blocks."""
        numbers = Numbers(self.database)
        return Receiver(self.database, numbers, self.doors, lambda: self.keeper.directory, self._received)

    def _received(self, entries: Sequence[Entry]) -> None:
        self.wake.set()
        if asked_for(entries):
            self.keeper.look_again()
        log_records(entries)

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

    def polled_by(self, caller: Caller) -> list[Destination]:
        """The poll queues of a caller: of its brands, or its one brand; of its organization's work."""
        directory = self.keeper.directory
        if caller.kind is CallerKind.ACCOUNT:
            brands = [caller.brand] if caller.brand else directory.brands_of(caller.name)
            owed = [one for brand in brands for one in directory.feeds.get(brand, ())]
        else:
            owed = list(directory.work.get(caller.name, ()))
        return [one for one in owed if one.kind == POLL]

    def make_poll_queue(self) -> PollQueue:
        """What serves the calls of pollers. It may be shared by all of them."""
        return PollQueue(self.database, self.find_profile, ready=self.know_profiles, attempted=log_attempt)

    async def know_profiles(self, claim: Claim) -> None:
        """Returns when every version that the claim's events name is known: another process may have been first."""
        events = (one.event for lane in claim.lanes for one in lane.deliveries)
        named = {(one.brand, one.profile_version) for one in events if one.brand and one.profile_version is not None}
        if not named <= self.keeper.profiles.versions.keys():
            await self.keeper.refresh()

    async def run(self, roles: Collection[str]) -> None:
        """Runs the roles until `stop` is set, or one of them fails; then ends them: what was begun is finished."""
        await self.keeper.refresh()
        receiver = self.make_receiver()
        try:
            async with asyncio.TaskGroup() as group:
                background = [group.create_task(self.keeper.run())]
                if "relay" in roles:
                    background.append(group.create_task(wakeups.listen(self.settings.database_url, self.wake)))
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
                await Clock(self.database, receiver, expiry_margin=margin).run(self.stop)

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
        queue, directory = self.make_poll_queue(), lambda: self.keeper.directory
        edge = make_edge(self.database, callers, gathering, queue, self.polled_by, directory)
        try:
            async with asyncio.TaskGroup() as group:
                behind = [group.create_task(gathering.run()), group.create_task(self._note_use(callers))]
                await serve_edge(edge, self.settings.http_host, self.settings.http_port, self.stop)
                for task in behind:
                    task.cancel()
        except* OSError as error:
            place = f"{self.settings.http_host}:{self.settings.http_port}"
            raise CannotRun(f"cannot listen on {place} (GATEWAY_HTTP_HOST, GATEWAY_HTTP_PORT)") from error

    async def _note_use(self, callers: Callers) -> None:
        """Writes now and then, and at the end, when keys were last used. Where that fails, the next use is written."""
        while not self.stop.is_set():
            await _wait(self.stop, IDLE_SECONDS)
            try:
                await callers.note_use()
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
        lease = timedelta(seconds=self.settings.relay_lease_seconds)
        publisher = KafkaPublisher(
            make_cluster(self.settings),
            topic_prefix=self.settings.topic_prefix,
            timeout=lease.total_seconds() * PUBLISH_SHARE,
        )
        relay = Relay(
            self.database,
            publisher,
            self.render,
            terms=Terms(lease=lease),
            wake=self.wake,
            attempted=log_attempt,
            ready=self.know_profiles,
        )
        running = asyncio.create_task(relay.run())
        stopping = asyncio.create_task(self.stop.wait())
        await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        relay.stop()
        stopping.cancel()
        try:
            await running
        finally:
            await publisher.close()


async def serve(settings: Settings, roles: Collection[str]) -> None:
    """Runs a gateway until SIGTERM or SIGINT."""
    if settings.kafka_servers == "off" and {"consume", "relay"} & set(roles):
        raise CannotRun("GATEWAY_KAFKA_SERVERS is off: the roles consume and relay need a broker, host:port,…")
    gateway = Gateway(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gateway.stop.set)
    try:
        await insist_on_schema(gateway.database)
        with sole_run(gateway.database):
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
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
