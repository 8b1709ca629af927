"""The gateway for crash tests: its own parts, each wrapped so that the process kills itself at one named step.

It strikes once there is a certain file. `tests.faults.forked` starts it.
"""

import asyncio
import contextvars
import os
import signal
from collections.abc import Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from gateway import app, relays, webhooks
from gateway.inbound.receive import Receiver
from gateway.inbound.subscribers import Subscription
from gateway.outbound import lane_relay, relay
from gateway.outbound.kafka import KafkaPublisher
from gateway.outbound.lane_relay import LaneRelay
from gateway.outbound.outcome import Delivered
from gateway.outbound.relay import Relay
from gateway.outbound.webhook import WebhookPublisher
from gateway.outbound.work import Recorder
from gateway.settings import Settings
from gateway.store.database import Database
from gateway.telemetry import start_logging

BATCH_STEPS = (
    "batch.1 read from Kafka",
    "batch.2 transaction open",
    "batch.3 all written, not committed",
    "batch.4 committed, offset not",
    "batch.5 offset committed",
)
RELAY_STEPS = (
    "relay.1 claim written, not committed",
    "relay.2 claim committed",
    "relay.3 before the first is sent",
    "relay.4 half of them sent",
    "relay.5 all acknowledged, none recorded",
    "relay.6 recorded, not committed",
    "relay.7 record committed",
)
LANE_STEPS = (
    "lane.1 before a claim",
    "lane.2 claim written, not committed",
    "lane.3 claim committed",
    "lane.4 before the first is sent",
    "lane.5 the first answered, not noted",
    "lane.6 some of a lane sent",
    "lane.7 a lane sent, not recorded",
    "lane.8 recorded, not committed",
    "lane.9 record committed, not told",
)
# What a unit of work is for, and the step just before its commit.
BEFORE_COMMIT = {
    "batch": "batch.3",
    "relay claim": "relay.1",
    "relay record": "relay.6",
    "lane claim": "lane.2",
    "lane record": "lane.8",
}

doing = contextvars.ContextVar("doing", default="")


class Fate(NamedTuple):
    """Where this process ends, once the file `armed` exists."""

    step: str
    armed: Path


fate = Fate("", Path())


def is_armed(kind: str) -> bool:
    return fate.step.startswith(kind) and fate.armed.exists()


def is_due(step: str) -> bool:
    return is_armed(f"{step} ")


def reach(step: str) -> None:
    """Ends the process here, as a power cut would, if this is the step."""
    if is_due(step):
        os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def while_doing(what: str):
    token = doing.set(what)
    try:
        yield
    finally:
        doing.reset(token)


class MortalDatabase(Database):
    """A unit of work that may end at its beginning, before its commit or after it."""

    @asynccontextmanager
    async def transaction(self):
        what = doing.get()
        async with super().transaction() as connection:
            if what == "batch":
                reach("batch.2")
            yield connection
            if what in BEFORE_COMMIT and (not what.endswith("claim") or await _has_claimed(connection)):
                reach(BEFORE_COMMIT[what])
        if what == "batch":
            reach("batch.4")


async def _has_claimed(connection) -> bool:
    return (await connection.execute(text("SELECT count(*) FROM lane WHERE token IS NOT NULL"))).scalar_one() > 0


class MortalReceiver(Receiver):
    async def receive(self, records):
        reach("batch.1")
        # Numbers are taken, and what is known is read again, in transactions of their own, before.
        await self._reserve(len(records))
        await self._directory()
        async with while_doing("batch"):
            return await super().receive(records)


class MortalSubscription(Subscription):
    """Dead members leave the group quickly, so that a test need not wait for them."""

    def __init__(self, *arguments, **settings) -> None:
        super().__init__(*arguments, **{**settings, "session_timeout_ms": 1500})

    async def _settle_batch(self, message) -> None:
        await super()._settle_batch(message)
        await self.offsets.told()
        reach("batch.5")


class MortalRelay(Relay):
    """Of the rounds to Kafka: those of other kinds have nothing to do in these tests."""

    async def claim(self):
        if self._publisher.kind != KafkaPublisher.kind:
            return await super().claim()
        if is_armed("batch"):
            # Killed while it sends it would send again: that is not what these steps ask about.
            await asyncio.Event().wait()
        if is_due("relay.7") and self._in_flight:
            # The next claim is sent while this one is recorded, and would be sent again: neither do they.
            await asyncio.Event().wait()
        async with while_doing("relay claim"):
            work = await super().claim()
        if work.claim.lanes:
            reach("relay.2")
        return work


class MortalRecorder(Recorder):
    async def _record_once(self, *about):
        async with while_doing("relay record"):
            recorded = await super()._record_once(*about)
        reach("relay.7")
        return recorded


class MortalLaneRelay(LaneRelay):
    async def claim(self):
        reach("lane.1")
        async with while_doing("lane claim"):
            claimed = await super().claim()
        if claimed.work.claim.lanes:
            reach("lane.3")
        return claimed


class MortalLaneRecorder(Recorder):
    async def _record_once(self, *about):
        reach("lane.7")
        async with while_doing("lane record"):
            recorded = await super()._record_once(*about)
        reach("lane.9")
        return recorded


class MortalWebhooks(WebhookPublisher):
    async def send(self, one):
        reach("lane.4")
        if one.delivery.event.jobversion > 2:
            reach("lane.6")
        outcome = await super().send(one)
        reach("lane.5")
        return outcome


class MortalPublisher(KafkaPublisher):
    async def publish(self, batch):
        reach("relay.3")
        if is_due("relay.4"):
            await self._send_until_acknowledged(batch[::2])
            reach("relay.4")
        if is_due("relay.5"):
            await self._send_until_acknowledged(batch)
            reach("relay.5")
        return await super().publish(batch)

    async def _send_until_acknowledged(self, batch):
        """On a busy machine the first send may take longer than it may: the step is not reached by then."""
        while set(await super().publish(batch)) != {Delivered()}:
            pass


def replace_parts() -> None:
    """Each where the program looks it up: one that is not there any more is a mistake of these tests."""
    for module, part in (
        (app, MortalDatabase),
        (app, MortalReceiver),
        (app, MortalSubscription),
        (relays, MortalRelay),
        (relays, MortalLaneRelay),
        (relays, MortalPublisher),
        (webhooks, MortalWebhooks),
        (relay, MortalRecorder),
        (lane_relay, MortalLaneRecorder),
    ):
        name = part.__base__.__name__
        assert getattr(module, name) is part.__base__, f"{module.__name__} has no {name}"
        setattr(module, name, part)


def run(step: str, armed: Path, roles: Collection[str]) -> None:
    """The program with `roles`, until it is asked to end or comes to `step`."""
    global fate  # noqa: PLW0603 - of the whole process
    fate = Fate(step, armed)
    replace_parts()
    start_logging("warning")
    asyncio.run(app.serve(Settings(), set(roles)))
