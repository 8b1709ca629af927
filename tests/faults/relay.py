"""A relay as a process that sends to a loopback partner, and stops itself at one named step of one send.

`FAULT_STEP` is like "before 2": about to write the document of version 2; "after 2": it was answered. The file
`FAULT_ARMED` is there once it has stopped. Started as `python tests/faults/relay.py NAME KIND`: the kind `recording` is
relayed in rounds, and `webhook` lane by lane.
"""

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

import httpx
import orjson

from gateway import webhooks
from gateway.destination_secrets import SigningSecrets
from gateway.mapping.render import Document
from gateway.outbound import dialler
from gateway.outbound.outcome import Delivered, Fault, Retryable
from gateway.outbound.webhook import WebhookPublisher
from gateway.relays import PUBLISH_SHARE, make_relay
from gateway.settings import Settings
from gateway.store.database import Database
from gateway.telemetry import start_logging

STEP, ARMED = os.environ.get("FAULT_STEP", ""), Path(os.environ.get("FAULT_ARMED", "/nonexistent"))


def reach(step: str) -> None:
    """Stops the process here, once, as a machine does that is suspended."""
    if step == STEP and not ARMED.exists():
        ARMED.touch()
        os.kill(os.getpid(), signal.SIGSTOP)


class RoundsPublisher:
    """Posts each document of a batch, all at once."""

    kind = "recording"

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._client = httpx.AsyncClient(timeout=timeout)

    async def publish(self, batch):
        return list(await asyncio.gather(*map(self._send, batch)))

    async def _send(self, one):
        version = one.delivery.event.jobversion
        reach(f"before {version}")
        try:
            answer = await self._client.post(one.destination.settings["url"], content=one.document.body)
        except httpx.TimeoutException:
            return Retryable(Fault.TIMEOUT)
        reach(f"after {version}")
        return Delivered() if answer.is_success else Retryable(Fault.BUSY)

    async def close(self) -> None:
        await self._client.aclose()


class StoppingWebhooks(WebhookPublisher):
    """The real one."""

    async def send(self, one):
        version = one.delivery.event.jobversion
        reach(f"before {version}")
        outcome = await super().send(one)
        reach(f"after {version}")
        return outcome


async def make_publisher(kind: str, settings: Settings, database: Database) -> RoundsPublisher | WebhookPublisher:
    timeout = settings.relay_lease_seconds * PUBLISH_SHARE
    if kind == RoundsPublisher.kind:
        return RoundsPublisher(timeout)
    signing = SigningSecrets(database, settings.sealer)
    await signing.refresh()
    webhooks.WebhookPublisher = StoppingWebhooks
    # What is late is written to a connection that was kept: with a new one to open, the end of the lease comes first.
    dialler.IDLE_SECONDS = 600.0
    return webhooks.make_webhooks(settings, signing, timeout=timeout)


def render_as(name, event, _destination, previous, _note_text):
    """A document that says who sends it."""
    told = {"by": name, "job": event.job, "version": event.jobversion, "previous": previous}
    return Document(key=b"", body=orjson.dumps(told), content_type="application/json", headers=())


async def is_ready(_claim) -> None:
    """All is known that its documents need."""


async def main(name: str, kind: str) -> None:
    settings = Settings()
    database = Database(settings.database_url)
    publisher = await make_publisher(kind, settings, database)
    relay = make_relay(settings, database, publisher, partial(render_as, name), is_ready)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, relay.stop)
    await relay.run()
    await publisher.close()
    await database.close()


if __name__ == "__main__":
    start_logging("warning")
    asyncio.run(main(*sys.argv[1:]))
