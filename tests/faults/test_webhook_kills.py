"""The relay of webhooks as a process, killed at every step of a lane, on both databases, with a real partner.

Whatever was committed as owed is delivered in the end, each job in its order and without a gap. A second time comes
exactly what the partner had taken by the time of a kill, and no record said so.
"""

import signal

import pytest

from tests.eventually import eventually
from tests.faults.app import LANE_STEPS
from tests.webhook_scene import opened_webhook_scene

pytestmark = pytest.mark.timeout(180)

NOTHING_WAS_SENT = LANE_STEPS[:4]
SOMETHING_WAS_TAKEN = LANE_STEPS[4:8]
# Once is enough: after the other steps nobody waits for it.
LEASE_ENDS_BY_ITSELF = LANE_STEPS[2]


@pytest.fixture
async def scene(database_url, tmp_path):
    async with opened_webhook_scene(database_url, tmp_path) as scene:
        yield scene


async def kill_at(scene, step):
    """Returns the ids of what was taken and not recorded by then."""
    child = scene.mortal(step, lease_seconds=3 if step == LEASE_ENDS_BY_ITSELF else 10)
    child.start()
    try:
        await eventually(lambda: not child.is_alive, within=30)
    finally:
        code = child.kill()
    assert code == -signal.SIGKILL, child.log_tail()
    return await scene.unrecorded()


async def test_a_relay_of_webhooks_that_is_killed_at_every_step_leaves_out_nothing_and_keeps_every_order(scene):
    lost = {}
    for step in LANE_STEPS:
        await scene.owe(step.partition(" ")[0])
        before = len(scene.taken)
        lost[step] = await kill_at(scene, step)
        assert (len(scene.taken) > before) == (step not in NOTHING_WAS_SENT), step
        if step != LEASE_ENDS_BY_ITSELF:
            await scene.end_leases()
    child = scene.process()
    child.start()
    try:
        await scene.owe("end")
        await eventually(scene.is_quiet, within=60, every=0.1)
    finally:
        assert child.stop(within=30) == 0, child.log_tail()

    await scene.assert_all_is_told_in_order()
    assert set(scene.repeated) == set().union(*lost.values())
    assert all(lost[step] for step in SOMETHING_WAS_TAKEN), "the kill fell where it should"
