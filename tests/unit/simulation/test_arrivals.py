"""What a simulated brand makes of the order in which a job's versions reach it."""

import pytest

from gateway.simulation.arrivals import Arrivals, Place
from gateway.simulation.letters import Letter, Trust


def letter(number, version=None, previous=None, job="job-1"):
    return Letter(id=f"evt-{number}", type="job.amended", job=job, version=version, previous=previous)


def places(*letters):
    arrivals = Arrivals()
    return [arrivals.take(one).value for one in letters], arrivals


def test_versions_that_follow_on_each_other_are_in_order():
    found, arrivals = places(letter(1, 1, 0), letter(2, 2, 1), letter(3, 5, 2))
    assert found == ["in_order"] * 3, "what was superseded in between is bridged by the previous version"
    assert arrivals.is_well
    assert arrivals.find_standing("job-1") == 5


def test_jobs_are_counted_apart():
    found, arrivals = places(letter(1, 1, 0), letter(2, 1, 0, job="job-2"), letter(3, 2, 1))
    assert found == ["in_order"] * 3
    assert arrivals.summary()["jobs"] == 2


@pytest.mark.parametrize(
    ("late", "place"),
    [
        (letter(2, 1, 0), Place.INVERSION),
        (letter(2, 3, 2), Place.INVERSION),
        (letter(2, 5, 4), Place.GAP),
        (letter(2, 2, None), Place.INVERSION),
        (letter(2, 3, None), Place.IN_ORDER),
        (letter(2, 7, None), Place.IN_ORDER),
        (letter(2), Place.IN_ORDER),
        (letter(1, 3, 0), Place.DUPLICATE),
    ],
    ids=["older", "same", "gap", "older_snapshot", "same_snapshot", "newer_snapshot", "no_version", "same_id"],
)
def test_after_the_third_version(late, place):
    (_, found), arrivals = places(letter(1, 3, 0), late)
    assert found == place
    assert arrivals.is_well == (place in {Place.IN_ORDER, Place.DUPLICATE}), "duplicates are only counted"
    assert arrivals.counts[place.value] == (place is not Place.IN_ORDER)


def test_after_an_inversion_the_newest_version_still_stands():
    _, arrivals = places(letter(1, 3, 0), letter(2, 2, 1))
    assert arrivals.find_standing("job-1") == 3
    assert arrivals.troubles == ["job-1: evt-2 with version 2 came after version 3"]


def test_what_was_not_signed_well_is_told():
    arrivals = Arrivals()
    arrivals.distrust(Trust.WRONG_TIME, "evt-9")
    assert not arrivals.is_well
    assert arrivals.summary()["wrong_time"] == 1
    assert arrivals.summary()["troubles"] == ["evt-9: wrong_time"]


def test_of_many_troubles_the_first_are_told_and_all_are_counted():
    arrivals = Arrivals()
    for number in range(50):
        arrivals.distrust(Trust.WRONG_SIGNATURE, f"evt-{number}")
    assert arrivals.counts["wrong_signature"] == 50
    assert len(arrivals.troubles) == 20
