"""The program as a process, killed at every step of a batch and of a relay's round, on both databases.

What the broker acknowledged is in the feed in the end: each version of a job first arrives in its order, a second time
only where the kill fell between an acknowledgement and its record, and the ledger is zero.
"""

import pytest

from tests.faults.app import BATCH_STEPS, RELAY_STEPS
from tests.faults.scene import assert_conserved, assert_in_order

pytestmark = [pytest.mark.needs_apache_kafka, pytest.mark.timeout(300)]

# Sent and acknowledged, but not recorded: these may be sent again, and nothing else.
MAY_REPEAT = RELAY_STEPS[3:6]
# Once is enough: after the other steps nobody waits for it.
LEASE_ENDS_BY_ITSELF = RELAY_STEPS[1]
SHORT_LEASE = {"GATEWAY_RELAY_LEASE_SECONDS": "3"}


async def test_a_gateway_that_is_killed_at_every_step_loses_nothing_and_keeps_every_order(scene):
    for step in (*BATCH_STEPS, *RELAY_STEPS):
        if step == LEASE_ENDS_BY_ITSELF:
            await scene.kill_at(step, **SHORT_LEASE)
        else:
            await scene.kill_at(step)
            await scene.end_leases()
    await scene.finish()

    await assert_conserved(scene)
    repeated = assert_in_order(scene, await scene.feed())
    allowed = {step.partition(" ")[0] for step in MAY_REPEAT}
    assert {job.rpartition("-")[0] for job in repeated} <= allowed
    assert {"relay.4", "relay.5"} <= {job.rpartition("-")[0] for job in repeated}, "the kill fell where it should"
