"""The relays of a process: one for each kind of destination that documents are sent to.

A new kind is a module with its publisher and a line in `make_publishers`.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.outbound.feed import FeedPublisher
from gateway.outbound.kafka import KafkaPublisher
from gateway.outbound.lane_relay import LaneRelay, is_by_lanes
from gateway.outbound.relay import Relay
from gateway.outbound.work import Terms
from gateway.topics import make_cluster
from gateway.webhooks import make_webhooks
from gateway.wide_events import log_attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.destination_secrets import SigningSecrets
    from gateway.outbound.publisher import Publisher
    from gateway.outbound.work import Ready, Render
    from gateway.settings import Settings
    from gateway.store.database import Database

# A send may take this share of a lease at most.
PUBLISH_SHARE = 0.3


def make_publishers(settings: Settings, signing: SigningSecrets, fed: Callable[[], None]) -> list[Publisher]:
    """One for each kind; Kafka's where there is a broker. `fed` is called when a feed has grown."""
    within = settings.relay_lease_seconds * PUBLISH_SHARE
    publishers: list[Publisher] = [FeedPublisher(fed), make_webhooks(settings, signing, timeout=within)]
    if settings.kafka_servers != "off":
        publishers.append(KafkaPublisher(make_cluster(settings), topic_prefix=settings.topic_prefix, timeout=within))
    return publishers


def make_relay(
    settings: Settings, database: Database, publisher: Publisher, render: Render, ready: Ready
) -> Relay | LaneRelay:
    """The relay of one kind: lane by lane where the publisher sends one by one, else in rounds."""
    terms = Terms(lease=timedelta(seconds=settings.relay_lease_seconds))
    if is_by_lanes(publisher):
        return LaneRelay(database, publisher, render, terms=terms, attempted=log_attempt, ready=ready)
    return Relay(database, publisher, render, terms=terms, attempted=log_attempt, ready=ready)


async def run_relays(relays: Sequence[Relay | LaneRelay], publishers: Sequence[Publisher], stop: asyncio.Event) -> None:
    """Runs them until `stop` is set, or one of them fails; what was begun is finished or given back."""
    running = [asyncio.create_task(relay.run()) for relay in relays]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((*running, stopping), return_when=asyncio.FIRST_COMPLETED)
    for relay in relays:
        relay.stop()
    stopping.cancel()
    try:
        await asyncio.gather(*running)
    finally:
        for publisher in publishers:
            await publisher.close()
