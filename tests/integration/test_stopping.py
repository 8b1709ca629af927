"""Whoever waits to be stopped hears a cancellation too, at whatever moment it comes."""

import asyncio

import pytest

from gateway import app
from tests.operations import Partner


class Watched(asyncio.Event):
    """Says when somebody begins to wait for it."""

    def __init__(self):
        super().__init__()
        self.begun = asyncio.Event()

    async def wait(self):
        self.begun.set()
        return await super().wait()


@pytest.mark.parametrize("ticks", range(5))
@pytest.mark.parametrize("who", ["operations", "roles"])
async def test_a_cancellation_that_comes_with_the_end_is_not_lost(road, who, ticks):
    stop = Watched()
    waiting = Partner(road).operating.run(stop) if who == "operations" else app._wait(stop, 60.0)
    task = asyncio.create_task(waiting)
    await stop.begun.wait()
    stop.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    was_done = task.done()
    task.cancel()
    await asyncio.wait([task])
    assert was_done or task.cancelled()
