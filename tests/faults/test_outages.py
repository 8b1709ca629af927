"""The program as a process while the database or the broker goes away under it: it waits in place, and goes on."""

import asyncio

import pytest

from tests.eventually import eventually
from tests.faults.scene import assert_conserved, assert_in_order

pytestmark = [pytest.mark.needs_apache_kafka, pytest.mark.timeout(180)]


@pytest.mark.parametrize("way_down", ["stop", "kill"])
async def test_a_database_that_goes_away_is_waited_for(postgres_scene, breakable_postgres, way_down):
    scene = postgres_scene
    child, _ = scene.process()
    child.start()
    try:
        await scene.send("before")
        await eventually(scene.is_quiet, within=60, every=0.1)
        await asyncio.to_thread(getattr(breakable_postgres, way_down))
        await scene.send("while it is away")
        await asyncio.to_thread(breakable_postgres.start)
        await scene.database.close()
        await eventually(scene.is_quiet, within=60, every=0.1)
        assert child.is_alive
    finally:
        assert child.stop(within=30) == 0, child.log_tail()
    await assert_conserved(scene)
    assert_in_order(scene, await scene.feed())


async def test_a_broker_that_is_started_again_is_waited_for(postgres_scene, breakable_kafka):
    scene = postgres_scene
    child, _ = scene.process()
    child.start()
    try:
        await scene.send("before")
        await eventually(scene.is_quiet, within=60, every=0.1)
        await asyncio.to_thread(breakable_kafka.restart)
        await scene.send("after")
        await eventually(scene.is_quiet, within=90, every=0.1)
        assert child.is_alive
    finally:
        assert child.stop(within=30) == 0, child.log_tail()
    await assert_conserved(scene)
    assert_in_order(scene, await scene.feed())
