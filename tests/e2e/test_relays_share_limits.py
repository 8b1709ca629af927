"""Two relays as processes on one database: together they keep what a partner allows, calls at a time and a second."""

import time
from contextlib import ExitStack

import pytest

from gateway.simulation.brand import SimulatedBrand
from tests.eventually import eventually
from tests.webhook_scene import answers_after, opened_webhook_scene

pytestmark = pytest.mark.timeout(120)

CONCURRENCY, RATE = 4, 20
JOBS = 20


class CountingBrand(SimulatedBrand):
    """Knows when calls came, and how many were open at a time at most."""

    def __init__(self):
        super().__init__(behaviour=answers_after(50))
        self.came = []
        self.open = self.most_open = 0

    async def _receive(self, *call):
        self.came.append(time.monotonic())
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await super()._receive(*call)
        finally:
            self.open -= 1


def tried_by(child):
    """How many deliveries a relay has recorded, as its log has it."""
    return child.log_tail(lines=10_000).count("delivery.attempted")


async def test_two_relays_as_processes_keep_one_limit_of_concurrency_and_one_of_rate(postgres_url, tmp_path):
    brand = CountingBrand()
    limits = {"concurrency": CONCURRENCY, "rate": RATE}
    async with opened_webhook_scene(postgres_url, tmp_path, brand, **limits) as scene:
        relays = [scene.process(name=name, GATEWAY_LOG_LEVEL="debug") for name in ("one", "two")]
        with ExitStack() as running:
            for relay in relays:
                running.enter_context(relay)
            for relay in relays:
                await eventually(lambda relay=relay: "gateway.runs" in relay.log_tail(10_000), within=30)
            await scene.owe("A", jobs=JOBS)
            await eventually(scene.is_quiet, within=60, every=0.1)
        await scene.assert_all_is_told_in_order()

    assert not scene.repeated
    assert brand.most_open == CONCURRENCY
    first = brand.came[0]
    # A second's worth of calls is saved up at the most; and a call may come a while after it was allowed.
    late = [n for n, at in enumerate(brand.came, 1) if n > RATE + RATE * (at - first + 1)]
    assert late == [], "more calls than were allowed by then"
    assert all(tried_by(relay) > 0 for relay in relays), "both have sent"
    assert sum(map(tried_by, relays)) == len(brand.came)
