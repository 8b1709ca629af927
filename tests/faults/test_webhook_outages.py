"""The relay of webhooks as a process while the database or the partner goes away under it: it waits, and goes on."""

import asyncio
from contextlib import contextmanager

import pytest

from tests.eventually import eventually
from tests.webhook_scene import answers_after, opened_webhook_scene

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def scene(postgres_url, tmp_path):
    # Two jobs at a time: something is under way for as long as the test needs.
    async with opened_webhook_scene(postgres_url, tmp_path, concurrency=2) as scene:
        scene.brand.behaviour = answers_after(20)
        yield scene


@contextmanager
def running(scene):
    child = scene.process()
    child.start()
    try:
        yield
        assert child.is_alive
    finally:
        assert child.stop(within=30) == 0, child.log_tail()


@pytest.mark.parametrize("way_down", ["stop", "kill"])
async def test_a_database_that_goes_away_amid_webhooks_is_waited_for(scene, breakable_postgres, way_down):
    await scene.owe("before", jobs=12)
    with running(scene):
        await eventually(lambda: len(scene.taken) > 10, within=30)
        await asyncio.to_thread(getattr(breakable_postgres, way_down))
        await asyncio.to_thread(breakable_postgres.start)
        await scene.road.database.close()
        while_away = {one["id"] for one in scene.taken}
        assert len(while_away) < scene.jobs * 5, "it went away in the middle"
        await scene.owe("after")
        await eventually(scene.is_quiet, within=60, every=0.1)
    await scene.assert_all_is_told_in_order()
    assert set(scene.repeated) <= while_away


async def test_a_partner_that_goes_away_amid_webhooks_is_asked_again(scene):
    async def is_quiet():
        await scene.retry_now()
        return await scene.is_quiet()

    await scene.owe("before", jobs=12)
    with running(scene):
        await eventually(lambda: len(scene.taken) > 10, within=30)
        await scene.brand.stop()
        await eventually(scene.is_given_up, within=30)
        await scene.owe("while it is away")
        unanswered = await scene.unrecorded()
        assert unanswered, "it went away in the middle"
        scene.brand.behaviour = answers_after(0)
        await scene.brand.start()
        await eventually(is_quiet, within=60, every=0.1)
    await scene.assert_all_is_told_in_order()
    assert set(scene.repeated) == unanswered, "what it took without an answer comes once more, and nothing else"
    assert set(scene.repeated.values()) <= {1}
