"""Order per job, whatever goes wrong: what a partner accepted is what was emitted, in its order, with marked gaps."""

import asyncio
import itertools
import os
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gateway.core.waits import Telling
from gateway.outbound.outcome import Fault, Rejected, Retryable
from gateway.outbound.relay import Relay
from gateway.store.deliveries import reopen
from tests.ordering import ALL_KNOWN, ANSWERS, DOINGS, KIM, OPERATORS_DO, WHOLE_WAYS, World
from tests.outbound import RecordingPublisher, render_plainly

AT_LENGTH = os.environ.get("GATEWAY_TEST_LENGTH") == "full"
EXAMPLES = {"sqlite": 300 if AT_LENGTH else 12, "postgresql": 80 if AT_LENGTH else 4}

STEPS = 50 if AT_LENGTH else 20
# To make a failure small takes minutes.
PHASES = set(Phase) - (set() if AT_LENGTH else {Phase.shrink, Phase.explain})

WORKERS = st.integers(0, 2)
SAID = st.lists(st.sampled_from(ANSWERS), min_size=8, max_size=24)
KNOWN = st.sets(st.sampled_from(ALL_KNOWN))
TELLINGS = st.sampled_from([Telling.TOLD, Telling.TOLD, Telling.REFUSED, Telling.SILENT])
# Which job and visit, what of it, and who is owed it.
HAPPENINGS = st.lists(
    st.tuples(
        st.integers(1, 2),
        st.integers(1, 2),
        st.lists(st.sampled_from(DOINGS), min_size=1, max_size=4) | st.sampled_from(WHOLE_WAYS),
        st.sampled_from([(0, 1, 2, 3), (0, 1, 2, 3), (1, 3), (0, 2), (1,)]),
    ),
    min_size=1,
    max_size=3,
)


class EverythingGoesWrong(RuleBasedStateMachine):
    """One world of four destinations, strict and relaxed, superseding or not, and three relays."""

    templates = None

    def __init__(self):
        super().__init__()
        self.stack = ExitStack()
        url = self.stack.enter_context(self.templates.fresh())
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.world = self.runner.run(World.begin(url))
        self.stack.callback(lambda: self.runner.run(self.world.end()))

    def run(self, *steps):
        for step in steps:
            self.runner.run(step)

    def worker(self, number):
        return self.world.workers[number]

    @rule(happenings=HAPPENINGS, worker=WORKERS, answers=SAID)
    def something_happens_and_is_sent_while_much_goes_wrong(self, happenings, worker, answers):
        happen = (self.world.happen(*one) for one in happenings)
        one = self.worker(worker)
        self.run(*happen, self.world.let_time_pass(), self.world.claim(one), self.world.deliver(one, answers))

    @rule(happenings=HAPPENINGS, worker=WORKERS)
    def something_happens_and_is_claimed(self, happenings, worker):
        self.run(*(self.world.happen(*one) for one in happenings), self.world.claim(self.worker(worker)))

    @rule(happenings=HAPPENINGS, worker=WORKERS, answers=SAID)
    def something_happens_and_is_handed_over(self, happenings, worker, answers):
        one = self.worker(worker)
        self.run(*(self.world.happen(*each, beside=one) for each in happenings), self.world.deliver(one, answers))

    @precondition(lambda self: self.world.is_anything_claimed)
    @rule(worker=WORKERS, answers=SAID)
    def what_was_claimed_is_sent_and_all_that_stood_still_goes_on(self, worker, answers):
        self.run(self.world.deliver(self.worker(worker), answers), *map(self.world.go_on, self.world.workers))

    @precondition(lambda self: self.world.is_anything_claimed)
    @rule(worker=WORKERS)
    def a_relay_dies(self, worker):
        self.run(self.world.kill(self.worker(worker)), self.world.let_time_pass())

    @precondition(lambda self: self.world.is_anything_owed)
    @rule(worker=WORKERS, answers=SAID)
    def it_is_tried_again(self, worker, answers):
        one = self.worker(worker)
        self.run(self.world.let_time_pass(), self.world.claim(one), self.world.deliver(one, answers))

    @precondition(lambda self: self.world.is_anything_owed)
    @rule(what=st.sampled_from(sorted(OPERATORS_DO)), which=st.integers(0, 20))
    def an_operator_steps_in(self, what, which):
        self.run(self.world.step_in(*OPERATORS_DO[what], which), self.world.release())

    @precondition(lambda self: self.world.is_anything_owed)
    @rule(texts=KNOWN, telling=TELLINGS, limit=st.integers(1, 3))
    def a_version_maps_some_of_what_is_waited_for(self, texts, telling, limit):
        self.run(self.world.release(texts, telling=telling, limit=limit))

    @invariant()
    def all_is_in_order(self):
        self.runner.run(self.world.judge())

    def teardown(self):
        with self.stack:
            self.runner.run(self.world.drain())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.timeout(1800 if AT_LENGTH else 240)
def test_order_holds_whatever_goes_wrong(kind, request):
    templates = request.getfixturevalue("_sqlite_templates" if kind == "sqlite" else "_postgres_templates")
    machine = type(EverythingGoesWrong.__name__, (EverythingGoesWrong,), {"templates": templates})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES[kind],
            stateful_step_count=STEPS,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
        ),
    )


def failing(outcome, *what):
    """Answers with `outcome` to these (job, version)."""
    return lambda one: outcome if (one.delivery.lane, one.delivery.event.jobversion) in what else None


def subsets(of):
    return itertools.chain.from_iterable(itertools.combinations(of, size) for size in range(len(of) + 1))


async def rounds(outbox, *answers):
    """What arrives, by job, until nothing is due: (version, previous)."""
    publisher = RecordingPublisher(*answers)
    relay = Relay(outbox.database, publisher, render_plainly, jitter=lambda: 0.0)
    while await relay.relay_once():
        pass
    arrived = defaultdict(list)
    for one in publisher.arrived:
        arrived[one.delivery.lane].append((one.delivery.event.jobversion, one.delivery.previous))
    return arrived


WHOLE = [(1, None), (2, 1)]


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "relaxed"])
@pytest.mark.parametrize(
    "outcome", [Retryable(Fault.BUSY), Rejected(Fault.REFUSED)], ids=["to be tried again", "rejected"]
)
async def test_whatever_part_of_a_batch_fails_the_rest_arrives_and_no_lane_is_inverted(outbox, strict, outcome):
    feed = await outbox.add_destination("feed.acme", strict=strict)
    first_job = 1
    for failed in subsets(range(4)):
        jobs = range(first_job, first_job + 4)
        first_job += 4
        await outbox.append(*jobs, *jobs, to=feed)
        wrong = {jobs[which] for which in failed}
        arrived = await rounds(outbox, failing(outcome, *((job, 1) for job in wrong)))
        # What a relaxed destination has rejected is given up, and bridged.
        left = [(2, None)] if isinstance(outcome, Rejected) and not strict else []
        assert [arrived[job] for job in jobs] == [left if job in wrong else WHOLE for job in jobs]
        if isinstance(outcome, Retryable):
            await outbox.end_leases()
            arrived = await rounds(outbox)
            assert [arrived[job] for job in jobs] == [WHOLE if job in wrong else [] for job in jobs]


async def test_whatever_a_relaxed_destination_rejects_of_a_job_the_rest_is_a_chain_without_gaps(outbox):
    feed = await outbox.add_destination("feed.acme", strict=False)
    for job, gone in enumerate(subsets(range(1, 5)), start=1):
        await outbox.append(*[job] * 4, to=feed)
        arrived = await rounds(outbox, failing(Rejected(Fault.REFUSED), *((job, version) for version in gone)))
        versions = [version for version in range(1, 5) if version not in gone]
        assert arrived[job] == list(zip(versions, [None, *versions], strict=False))
    assert await outbox.lanes() == {}


async def test_a_strict_destination_is_told_in_order_whatever_it_rejects_until_it_is_mended(outbox):
    feed = await outbox.add_destination("feed.acme")
    for job, gone in enumerate(subsets(range(1, 5)), start=1):
        await outbox.append(*[job] * 4, to=feed)
        told, left = [], list(gone)
        for version in (*gone, None):
            arrived = await rounds(outbox, failing(Rejected(Fault.REFUSED), *((job, other) for other in left)))
            told += arrived[job]
            assert [one for one, _ in told] == list(range(1, version or 5)), "nothing behind what was rejected"
            left = left[1:]
            await reopen_all(outbox)
        assert told == [(1, None), (2, 1), (3, 2), (4, 3)]


async def reopen_all(outbox):
    dead = [row["number"] for row in (await outbox.deliveries()).values() if row["state"] == "dead"]
    async with outbox.database.transaction() as connection:
        await reopen(connection, dead, KIM, datetime.now(UTC))
