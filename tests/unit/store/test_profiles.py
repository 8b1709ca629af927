"""Which version is in force at a moment, by activations alone."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.activating import find_before
from gateway.in_force import moment_of
from gateway.store.profiles import TAKEN_BACK, Activation, ProfileRow, State, coming, in_force, states

DAY = datetime(2026, 3, 1, tzinfo=UTC)
LEAD = timedelta(seconds=3)


def after(hours):
    return DAY + timedelta(hours=hours)


def activations(*told, brand="acme"):
    """(version, hours after the day) in the order in which they are made."""
    return [
        Activation(
            number=number,
            brand=brand,
            version=version,
            effective_at=after(hours),
            author="kim",
            reason="test",
            made_at=DAY,
        )
        for number, (version, hours) in enumerate(told, 1)
    ]


def version(number):
    return ProfileRow(brand="acme", version=number, digest="", author="", reason="", document="", imported_at=DAY)


def version_at(made, hours):
    one = in_force(made, after(hours)).get("acme")
    return one.version if one else None


def test_the_latest_whose_moment_has_come_is_in_force_whenever_it_was_made():
    made = activations((1, 0), (3, 20), (2, 10))
    assert [version_at(made, hours) for hours in (-1, 0, 9.99, 10, 19.99, 20, 99)] == [None, 1, 1, 2, 2, 3, 3]
    assert [one.version for one in coming(made, after(0))] == [2, 3]


def test_brands_go_by_their_own():
    made = [*activations((1, 0)), *activations((7, 0), brand="other")]
    assert {brand: one.version for brand, one in in_force(made, after(1)).items()} == {"acme": 1, "other": 7}


def test_what_was_taken_back_never_takes_force_and_its_moment_is_free_again():
    made = activations((1, 0), (2, 10), (TAKEN_BACK, 10))
    assert version_at(made, 11) == 1
    assert coming(made, after(1)) == []
    assert version_at([*made, *_numbered(4, activations((3, 10)))], 11) == 3


def _numbered(number, made):
    return [
        Activation(
            number=number,
            brand=one.brand,
            version=one.version,
            effective_at=one.effective_at,
            author=one.author,
            reason=one.reason,
            made_at=one.made_at,
        )
        for one in made
    ]


def test_states_follow_from_activations():
    rows = [version(number) for number in (1, 2, 3, 4, 5)]
    made = activations((1, 0), (2, 10), (3, 20), (5, 30), (TAKEN_BACK, 30))
    found = {number: state for (_, number), state in states(rows, made, after(15)).items()}
    assert found == {1: State.RETIRED, 2: State.ACTIVE, 3: State.SCHEDULED, 4: State.DRAFT, 5: State.DRAFT}


def test_a_version_that_is_to_come_back_is_scheduled():
    rows = [version(1), version(2)]
    found = states(rows, activations((1, 0), (2, 10), (1, 20)), after(15))
    assert found == {("acme", 1): State.SCHEDULED, ("acme", 2): State.ACTIVE}


@pytest.mark.parametrize(
    ("versions", "before"),
    [
        ([], None),
        ([1], None),
        ([1, 2], 1),
        ([1, 2, 1], None),
        ([1, 2, 3, 2], 1),
        ([1, 2, 1, 3], 1),
        ([1, 2, 4, 2, 5], 2),
    ],
    ids=str,
)
def test_the_version_before_is_never_one_that_was_gone_back_from(versions, before):
    assert find_before(versions) == before


def test_a_first_version_takes_force_at_once_or_when_it_says():
    assert moment_of([], "acme", after(1), None, LEAD) == after(1)
    assert moment_of([], "acme", after(1), after(0), LEAD) == after(1), "nobody has decided anything before"
    assert moment_of([], "acme", after(1), after(2), LEAD) == after(2)
    assert moment_of(activations((1, 0), brand="other"), "acme", after(1), None, LEAD) == after(1)


def test_a_later_one_takes_force_after_the_lead_or_when_it_says():
    made = activations((1, 0))
    assert moment_of(made, "acme", after(1), None, LEAD) == after(1) + LEAD
    assert moment_of(made, "acme", after(1), after(1) + LEAD / 2, LEAD) == after(1) + LEAD
    assert moment_of(made, "acme", after(1), after(5), LEAD) == after(5)


def test_no_version_rewrites_what_another_has_decided():
    told = moment_of(activations((1, 0)), "acme", after(10), after(5), LEAD)
    assert told == (
        "2026-03-01T05:00:00Z is past, and version 1 decides since 2026-03-01T00:00:00Z: "
        "leave it out, or name a moment to come"
    )


def test_no_two_versions_take_force_at_one_moment():
    made = activations((1, 0), (2, 10))
    assert "version 2 takes force at 2026-03-01T10:00:00Z" in str(moment_of(made, "acme", after(1), after(10), LEAD))
    freed = [*made, *_numbered(3, activations((TAKEN_BACK, 10)))]
    assert moment_of(freed, "acme", after(1), after(10), LEAD) == after(10)
