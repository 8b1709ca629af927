"""The Kafka cluster as the settings name it, and the topics there of everything that the database knows of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.helpers import create_ssl_context

from gateway.core.commands import ConfirmedBy
from gateway.in_force import destinations_of
from gateway.inbound.doors import SHARED, confirmations_topic
from gateway.keeper import Keeper
from gateway.mapping.profile_roads import DestinationKind
from gateway.outbound.inspection import UNREACHABLE
from gateway.outbound.topics import Cluster, ensure_topics
from gateway.store import partitions
from gateway.store.database import Database

if TYPE_CHECKING:
    from gateway.mapping.profile import Profile
    from gateway.settings import Settings

TOPICS_SECONDS = 20.0


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
    """The topics that the gateway reads: shared ones, one per account, brands' own, where brands confirm.

    And one of each organization that has a work feed by topic. Those of scheduled versions are among them.
    """
    names = [*SHARED, *(f"offers.{account}.v1" for account in keeper.directory.accounts)]
    work = [one.name for feeds in keeper.directory.work.values() for one in feeds if one.kind == "kafka"]
    names += [f"actions.{name.removeprefix('work.')}.v1" for name in work]
    names += keeper.own_topics
    names += [profile.inbound.topic for profile in keeper.scheduled if profile.inbound]
    names += [confirmations_topic(profile.brand) for profile in keeper.scheduled if _confirms_by_topic(profile)]
    return [f"{settings.topic_prefix}{name}" for name in names]


def _confirms_by_topic(profile: Profile) -> bool:
    return any(one.confirms is not None and one.confirms.by is ConfirmedBy.TOPIC for one in profile.destinations)


def outbound_topics(settings: Settings, keeper: Keeper) -> list[str]:
    """The topics that the gateway writes to, or will by a scheduled version."""
    topics = {destination.settings["topic"] for destination in keeper.destinations if destination.kind == "kafka"}
    named = (one for profile in keeper.scheduled for one in destinations_of(profile))
    topics |= {one.settings["topic"] for one in named if one.kind == DestinationKind.KAFKA}
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


async def insist_on_no_topics(keeper: Keeper) -> None:
    """Raises where a profile in force has a destination that is a topic: without Kafka nothing would ever go there."""
    await keeper.refresh()
    owners = sorted({one.owner for one in keeper.destinations if one.kind == DestinationKind.KAFKA})
    for profile in (*filter(None, map(keeper.profiles.find, owners)), *keeper.scheduled):
        topics = [one.name for one in profile.destinations if one.kind is DestinationKind.KAFKA]
        if topics:
            raise CannotRun(
                f"GATEWAY_KAFKA_SERVERS is off, and the profile of {profile.brand} has destinations on Kafka: "
                f"{', '.join(topics)}. Name the brokers, or import a version whose destinations are all polled"
            )
