"""The gateway for crash tests: its own parts, each wrapped so that the process kills itself at one named step.

`FAULT_STEP` names the step; it strikes once the file `FAULT_ARMED` exists. Started as `python tests/faults/app.py`.
"""

import asyncio
import contextvars
import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text

from gateway import app
from gateway.inbound.receive import Receiver
from gateway.inbound.subscribers import Subscription
from gateway.outbound import relay
from gateway.outbound.kafka import KafkaPublisher
from gateway.outbound.outcome import Delivered
from gateway.outbound.relay import Relay
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

STEP, ARMED = os.environ.get("FAULT_STEP", ""), Path(os.environ.get("FAULT_ARMED", "/nonexistent"))
doing = contextvars.ContextVar("doing", default="")


def is_armed(kind: str) -> bool:
    return STEP.startswith(kind) and ARMED.exists()


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
            if what == "batch":
                reach("batch.3")
            if what == "claim" and (await connection.execute(text("SELECT count(*) FROM lane"))).scalar_one():
                reach("relay.1")
            if what == "record":
                reach("relay.6")
        if what == "batch":
            reach("batch.4")


class MortalReceiver(Receiver):
    async def receive(self, records):
        reach("batch.1")
        # Numbers are taken in transactions of their own, before.
        await self._reserve(len(records))
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
    async def claim(self):
        if is_armed("batch"):
            # Killed while it sends it would send again: that is not what these steps ask about.
            await asyncio.Event().wait()
        async with while_doing("claim"):
            work = await super().claim()
        if work.claim.lanes:
            reach("relay.2")
        return work


class MortalRecorder(Recorder):
    async def _record_once(self, *about):
        async with while_doing("record"):
            recorded = await super()._record_once(*about)
        reach("relay.7")
        return recorded


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


app.Database, app.Receiver, app.Subscription = MortalDatabase, MortalReceiver, MortalSubscription
app.Relay, app.KafkaPublisher = MortalRelay, MortalPublisher
relay.Recorder = MortalRecorder

if __name__ == "__main__":
    start_logging("warning")
    asyncio.run(app.serve(Settings(), set(app.ROLES)))
