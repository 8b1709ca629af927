"""When a breaker opens, is probed and closes, and how what was kept back comes again."""

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from gateway.outbound.breaker import (
    ACTIVE,
    FAILURES,
    FIRST_PAUSE,
    HALF_OPEN,
    LONGEST_PAUSE,
    OPEN,
    PROBES,
    Breaker,
    after,
    at_claim,
    breaker_of,
    is_clean,
    lanes_at_once,
    resumed,
    wider_in,
)

NOW = 1_800_000_000.0


def tried(breaker, *results, now=NOW, jitter=0.0):
    return reduce(lambda so_far, result: after(so_far, succeeded=result, now=now, jitter=jitter), results, breaker)


def opened(times=1):
    breaker = tried(Breaker(), *[False] * FAILURES)
    for _ in range(times - 1):
        breaker = tried(at_claim(breaker, breaker.until), False)
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not():
    assert tried(Breaker(), *[False] * (FAILURES - 1)).state == ACTIVE
    assert tried(Breaker(), *[False] * (FAILURES - 1), True, False).state == ACTIVE
    breaker = opened()
    assert (breaker.state, breaker.until) == (OPEN, NOW + FIRST_PAUSE)
    assert lanes_at_once(breaker, 32, NOW) == 0


def test_a_success_on_a_clean_one_changes_nothing():
    assert is_clean(Breaker())
    assert tried(Breaker(), True) == Breaker()
    assert not is_clean(tried(Breaker(), False))
    assert tried(Breaker(), False, True) == Breaker()


def test_what_was_begun_before_it_opened_leaves_it_open():
    assert tried(opened(), True, False, True, True) == opened()


def test_where_the_clock_was_set_back_it_is_probed_and_its_ramp_is_over():
    for times in (1, 2, 10):
        breaker = tried(at_claim(opened(times), NOW + 10**6), False, jitter=1.0)
        assert at_claim(breaker, NOW).state == OPEN
        assert at_claim(breaker, NOW - 3600).state == HALF_OPEN
    assert lanes_at_once(resumed(NOW), 32, NOW - 3600) == 32
    assert wider_in(resumed(NOW), 32, NOW - 3600) == 0.0


def test_when_its_time_has_come_one_lane_probes_it():
    breaker = opened()
    assert at_claim(breaker, breaker.until - 0.001) == breaker
    probed = at_claim(breaker, breaker.until)
    assert (probed.state, lanes_at_once(probed, 32, breaker.until)) == (HALF_OPEN, 1)


def test_deliveries_in_a_row_close_it_and_one_failure_opens_it_again():
    probed = at_claim(opened(), NOW + FIRST_PAUSE)
    assert tried(probed, *[True] * (PROBES - 1)).state == HALF_OPEN
    assert tried(probed, *[True] * PROBES, now=NOW + 99) == resumed(NOW + 99)
    again = tried(probed, True, True, False)
    assert (again.state, again.until, again.successes) == (OPEN, NOW + 2 * FIRST_PAUSE, 0)


def test_it_stays_open_longer_each_time_up_to_a_bound():
    pauses = [opened(times).until - NOW for times in range(1, 8)]
    assert pauses == [15, 30, 60, 120, 240, LONGEST_PAUSE, LONGEST_PAUSE]


@given(jitter=st.floats(0, 1), times=st.integers(1, 12))
def test_jitter_only_adds(jitter, times):
    breaker = tried(Breaker(openings=times, failures=FAILURES - 1), False, jitter=jitter)
    plain = tried(Breaker(openings=times, failures=FAILURES - 1), False)
    assert plain.until <= breaker.until <= NOW + 1.2 * (plain.until - NOW) + 0.001


def test_after_it_closed_lanes_double_each_second():
    breaker = resumed(NOW)
    assert [lanes_at_once(breaker, 32, NOW + second) for second in (0, 0.9, 1, 2, 3, 4, 5, 1000)] == [
        *(2, 2, 4, 8, 16),
        *(32, 32, 32),
    ]
    assert lanes_at_once(breaker, 1, NOW) == 1


def test_whoever_waits_is_told_for_how_long():
    assert wider_in(opened(), 32, NOW + 5) == FIRST_PAUSE - 5
    assert 0 < wider_in(resumed(NOW), 32, NOW + 1.75) <= 0.25
    assert wider_in(resumed(NOW), 32, NOW + 60) == wider_in(at_claim(opened(), NOW + 60), 32, NOW + 60) == 0.0


@given(st.lists(st.booleans(), max_size=60), st.lists(st.floats(0, 1000), min_size=60, max_size=60))
def test_whatever_comes_it_is_kept_and_read_as_it_is_and_never_lets_through_more_than_its_limit(results, pauses):
    breaker, now = Breaker(), NOW
    for result, pause in zip(results, pauses, strict=False):
        now += pause
        breaker = at_claim(after(breaker, succeeded=result, now=now, jitter=0.5), now)
        assert breaker_of(breaker.state, breaker.kept()) == breaker
        assert 0 <= lanes_at_once(breaker, 8, now) <= 8
        assert (lanes_at_once(breaker, 8, now) == 0) == (breaker.state == OPEN)
        assert breaker.state != OPEN or now < breaker.until <= now + 1.2 * LONGEST_PAUSE
