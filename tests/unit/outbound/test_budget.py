"""How much of a destination's limits is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbound.breaker import HALF_OPEN, OPEN, PROBES, Breaker, resumed
from gateway.outbound.budget import (
    CONCURRENCY,
    Allowance,
    Bucket,
    Limits,
    allowed,
    filled,
    limits_of,
    tokens_in,
)

NOW = 1_800_000_000.0
UNLIMITED = Limits(32, None)


def kept(bucket):
    return bucket._asdict()


def test_what_the_settings_do_not_say_is_as_usual():
    assert limits_of({}) == Limits(CONCURRENCY, None)
    assert limits_of({"concurrency": 4, "rate": 0.5}) == Limits(4, 0.5)


def test_without_a_rate_lanes_are_the_only_limit():
    full = filled(UNLIMITED, None, NOW)
    assert allowed(UNLIMITED, Breaker(), 0, full, NOW) == Allowance(32, None)
    assert allowed(UNLIMITED, Breaker(), 30, full, NOW) == Allowance(2, None)
    assert allowed(UNLIMITED, Breaker(), 40, full, NOW) == Allowance(0, None)


def test_with_few_tokens_few_lanes_are_claimed():
    limits = Limits(32, 100.0)
    assert allowed(limits, Breaker(), 0, Bucket(3.9, NOW), NOW) == Allowance(3, 3)
    assert allowed(limits, Breaker(), 0, Bucket(90.0, NOW), NOW) == Allowance(32, 90)
    assert allowed(limits, Breaker(), 0, Bucket(0.5, NOW), NOW) == Allowance(0, 0)


@pytest.mark.parametrize(("state", "allowance"), [(OPEN, Allowance(0, None)), (HALF_OPEN, Allowance(1, PROBES))])
def test_a_breaker_that_is_not_closed_allows_a_probe_at_most(state, allowance):
    assert allowed(UNLIMITED, Breaker(state=state), 0, filled(UNLIMITED, None, NOW), NOW) == allowance


def test_a_ramp_counts_what_is_claimed_already():
    assert allowed(UNLIMITED, resumed(NOW), 1, filled(UNLIMITED, None, NOW), NOW + 1) == Allowance(3, None)


def test_a_bucket_begins_full_and_fills_up_to_a_second_s_worth():
    limits = Limits(32, 50.0)
    assert filled(limits, None, NOW).tokens == 50.0
    assert filled(limits, kept(Bucket(10.0, NOW)), NOW + 0.5).tokens == 35.0
    assert filled(limits, kept(Bucket(10.0, NOW)), NOW + 60).tokens == 50.0
    assert filled(Limits(32, 0.2), kept(Bucket(0.0, NOW)), NOW + 60).tokens == 1.0


def test_a_clock_that_goes_back_neither_gives_nor_takes_tokens():
    limits = Limits(32, 50.0)
    back = filled(limits, kept(Bucket(10.0, NOW)), NOW - 60)
    assert back == Bucket(10.0, NOW)


def test_where_the_clock_was_set_back_the_bucket_is_as_good_as_new():
    limits, then = Limits(32, 50.0), NOW - 3600
    assert filled(limits, kept(Bucket(0.0, NOW)), then) == Bucket(50.0, then)


def test_whoever_waits_for_tokens_is_told_for_how_long():
    assert tokens_in(Limits(32, 1000.0), Bucket(0.0, NOW)) == pytest.approx(0.05)
    assert tokens_in(Limits(32, 2.0), Bucket(0.5, NOW)) == pytest.approx(0.25)
    assert tokens_in(Limits(32, 2.0), Bucket(1.5, NOW)) == 0.0


@given(
    rate=st.floats(0.1, 1000),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(0, 500)), min_size=1, max_size=50),
)
def test_in_any_stretch_no_more_is_spent_than_a_burst_and_the_rate_allow(rate, steps):
    limits, now, bucket = Limits(256, rate), NOW, None
    spent = []
    for pause, wanted in steps:
        now += pause
        full = filled(limits, None if bucket is None else kept(bucket), now)
        taken = min(wanted, allowed(limits, Breaker(), 0, full, now).deliveries)
        bucket = full._replace(tokens=full.tokens - taken)
        spent.append((now, taken))
    for nth, (begin, _) in enumerate(spent):
        for end, _ in spent[nth:]:
            within = sum(taken for at, taken in spent[nth:] if at <= end)
            assert within <= limits.burst + rate * (end - begin) + 0.01
