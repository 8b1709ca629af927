"""Counts of calls that proved nothing stay small, whatever is sent."""

from datetime import UTC, datetime, timedelta

from gateway.web import failed_calls, minutes
from gateway.web.failed_calls import FAILURES_A_MINUTE, FailedCalls, Failure

HOUR = datetime(2026, 3, 1, 10, tzinfo=UTC)


class Clock:
    """Seconds since the hour began."""

    seconds = 0.0

    def monotonic(self):
        return self.seconds

    def now(self):
        return HOUR + timedelta(seconds=self.seconds)


def counting():
    clock = Clock()
    return clock, FailedCalls(clock.monotonic, clock.now)


def counts(taken):
    return {(one.hour, one.address, one.key, one.reason): one.count for one in taken}


def test_an_address_and_a_key_are_over_their_limits_until_the_minute_is_over():
    clock, failed = counting()
    for ordinal in range(FAILURES_A_MINUTE):
        assert not failed.is_over_limit(address="10.0.0.1")
        assert not failed.is_over_limit(key="account|1|noop")
        failed.note("10.0.0.1", "account|1|noop", Failure.WRONG_SIGNATURE)
        clock.seconds = ordinal
    assert failed.is_over_limit(address="10.0.0.1")
    assert failed.is_over_limit(key="account|1|noop")
    assert not failed.is_over_limit(address="10.0.0.2")
    assert not failed.is_over_limit(key="account|2|noop")
    clock.seconds = 60.0
    assert not failed.is_over_limit(address="10.0.0.1")
    assert not failed.is_over_limit(key="account|1|noop")


def test_what_is_taken_is_taken_once_and_what_is_given_back_again():
    clock, failed = counting()
    failed.note("10.0.0.1", "", Failure.UNKNOWN_TOKEN)
    taken = failed.take()
    assert failed.take() == []
    clock.seconds = 5.0
    failed.note("10.0.0.1", "", Failure.UNKNOWN_TOKEN)
    failed.give_back(taken)
    (one,) = failed.take()
    assert (one.count, one.last_at) == (2, HOUR + timedelta(seconds=5))


def test_each_hour_is_counted_by_itself():
    clock, failed = counting()
    failed.note("10.0.0.1", "", Failure.UNKNOWN_TOKEN)
    clock.seconds = 3600.0
    failed.keep("10.0.0.1", "", Failure.TURNED_AWAY)
    assert counts(failed.take()) == {
        (HOUR, "10.0.0.1", "", "unknown_token"): 1,
        (HOUR + timedelta(hours=1), "10.0.0.1", "", "turned_away"): 1,
    }


def test_a_flood_is_counted_and_not_named(monkeypatch):
    monkeypatch.setattr(failed_calls, "MOST_KEPT", 10)
    monkeypatch.setattr(minutes, "MOST_NAMES", 20)
    clock, failed = counting()
    for ordinal in range(100):
        failed.note(f"10.0.0.{ordinal}", f"account|{ordinal}|noop", Failure.UNKNOWN_KEY)
        if ordinal % 7 == 0:
            kept = failed.take()
            failed.give_back(kept)
    taken = failed.take()
    assert sum(one.count for one in taken) == 100
    assert len(taken) == 11
    assert counts(taken)[HOUR, "others", "", "unknown_key"] == 90
    for _ in range(FAILURES_A_MINUTE):
        failed.note("10.0.0.1", "", Failure.UNKNOWN_KEY)
    assert failed.is_over_limit(address="10.0.0.1"), "who was counted before the flood still is"
    clock.seconds = 3600.0
    failed.note("10.0.0.99", "", Failure.UNKNOWN_KEY)
    assert counts(failed.take())[HOUR + timedelta(hours=1), "10.0.0.99", "", "unknown_key"] == 1
