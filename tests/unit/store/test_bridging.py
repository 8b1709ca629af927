"""What leaves a lane is bridged: each remaining version names the one that arrived before it."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.bridging import Link, bridged


def chain(length, lane=1):
    return [
        Link(number=n, destination=1, lane=lane, position=n, previous=n - 1 or None, versioned=True)
        for n in range(1, length + 1)
    ]


@given(gone=st.sets(st.integers(1, 9), min_size=1))
def test_whatever_leaves_the_rest_is_a_chain_without_gaps(gone):
    links = chain(9)
    left = [one for one in links if one.number in gone]
    owed = [one for one in links if one.number not in gone]
    changed = bridged(left, owed)
    expected = None
    for one in owed:
        assert changed.get(one.number, one.previous) == expected
        expected = one.number


def test_the_last_of_several_that_left_knows_what_arrived_before_them():
    links = chain(4)
    assert bridged(links[1:], links[:1]) == {3: 1, 4: 1}


def test_what_left_in_two_steps_is_bridged_as_in_one():
    links = chain(4)
    first = bridged([links[1]], [links[0], *links[2:]])
    assert first == {3: 1}
    third = Link(number=3, destination=1, lane=1, position=3, previous=1, versioned=True)
    assert bridged([third], [links[0], links[3]]) == {4: 1}


def test_other_lanes_and_unversioned_events_are_left_alone():
    receipt = Link(number=20, destination=1, lane=1, position=3, previous=None, versioned=False)
    first, second = chain(2)
    other = chain(2, lane=2)
    assert bridged([second], [first, receipt, *other]) == {}
