"""A relay as a process that sends to a loopback partner, and stops itself at one named step of one send.

`FAULT_STEP` is like "before 2": about to write the document of version 2; "after 2": it was answered. The file
`FAULT_ARMED` is there once it has stopped. Started as `python tests/faults/relay.py NAME`.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import httpx

from gateway.outbound.outcome import Delivered, Fault, Retryable
from gateway.outbound.relay import Relay, Terms
from gateway.store.database import Database
from gateway.telemetry import start_logging
from tests.outbound import render_plainly

STEP, ARMED = os.environ.get("FAULT_STEP", ""), Path(os.environ.get("FAULT_ARMED", "/nonexistent"))
LEASE = timedelta(seconds=float(os.environ.get("GATEWAY_RELAY_LEASE_SECONDS", "3")))


def reach(step: str) -> None:
    """Stops the process here, once, as a machine does that is suspended."""
    if step == STEP and not ARMED.exists():
        ARMED.touch()
        os.kill(os.getpid(), signal.SIGSTOP)


class LoopbackPublisher:
    """Posts each document. It knows how to send one by one and in batches."""

    kind = "recording"
    timeout = LEASE.total_seconds() * 0.3

    def __init__(self, name: str, partner: str) -> None:
        self._name = name
        self._client = httpx.AsyncClient(base_url=partner, timeout=self.timeout)

    async def publish(self, batch):
        return list(await asyncio.gather(*map(self.send, batch)))

    async def send(self, one):
        version = one.delivery.event.jobversion
        reach(f"before {version}")
        told = {"by": self._name, "job": one.delivery.lane, "version": version, "previous": one.delivery.previous}
        try:
            answer = await self._client.post("/", json=told)
        except httpx.TimeoutException:
            return Retryable(Fault.TIMEOUT)
        reach(f"after {version}")
        return Delivered() if answer.is_success else Retryable(Fault.BUSY)

    async def close(self) -> None:
        await self._client.aclose()


async def main() -> None:
    database = Database(os.environ["GATEWAY_DATABASE_URL"])
    publisher = LoopbackPublisher(sys.argv[1], os.environ["FAULT_PARTNER"])
    relay = Relay(database, publisher, render_plainly, terms=Terms(lease=LEASE))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, relay.stop)
    await relay.run()
    await publisher.close()
    await database.close()


if __name__ == "__main__":
    start_logging("warning")
    asyncio.run(main())
