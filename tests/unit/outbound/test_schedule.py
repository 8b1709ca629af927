"""When a delivery is tried again."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.outbound.schedule import STEPS, next_delay, steps_of

jitters = st.floats(0, 1)


def test_a_delivery_is_tried_for_at_least_eight_days():
    assert sum(STEPS) >= 8 * 24 * 3600


def test_waits_grow_from_seconds_to_hours():
    assert STEPS[0] <= 5
    assert STEPS[-1] >= 3600
    assert all(before <= after for before, after in pairwise(STEPS))


@given(retries=st.integers(0, len(STEPS) - 1), jitter=jitters)
def test_jitter_only_adds_and_never_doubles(retries, jitter):
    delay = next_delay(retries, jitter)
    assert STEPS[retries] <= delay < 2 * STEPS[retries]


@given(retries=st.integers(len(STEPS), 10_000), jitter=jitters)
def test_the_schedule_ends(retries, jitter):
    assert next_delay(retries, jitter) is None


def test_a_destination_may_have_a_schedule_of_its_own():
    steps = steps_of({"schedule": [1.0, 60.0]})
    assert [next_delay(retries, 0.0, steps=steps) for retries in range(3)] == [1.0, 60.0, None]
    assert steps_of({"url": "https://partner.example"}) == STEPS
