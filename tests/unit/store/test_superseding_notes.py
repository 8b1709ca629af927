"""What a retraction overtakes."""

import pytest

from gateway.store.bridging import Link
from gateway.store.superseding_notes import NoteDelivery, taken_back


def history(*steps, note=7):
    """Steps like "published delivered", "published pending covered", "retracted pending"; numbered from 1.

    A number at the end: it is that step, sent again.
    """
    made = []
    for number, step in enumerate(steps, start=1):
        kind, state, *covered = step.split()
        link = Link(number=number, destination=1, lane=1, position=number, previous=None, versioned=True)
        again = [int(word) for word in covered if word.isdigit()]
        made.append(
            NoteDelivery(
                link=link,
                happened=again[0] if again else number,
                note=note,
                type=f"note.{kind}",
                state=state,
                covered="covered" in covered,
            )
        )
    return made


CASES = {
    "nothing was taken back": (["published pending"], {}),
    "never covered: both go": (["published pending", "retracted pending"], {1: 2, 2: 1}),
    "held, never covered: both go": (["published held", "retracted held"], {1: 2, 2: 1}),
    "covered and undelivered: the retraction is sent": (["published pending covered", "retracted pending"], {1: 2}),
    "delivered: the retraction is sent": (["published delivered covered", "retracted pending"], {}),
    "an edit not yet sent goes, the retraction takes back the first": (
        ["published delivered covered", "published pending", "retracted pending"],
        {2: 3},
    ),
    "several never sent: all go": (
        ["published pending", "published pending", "retracted pending"],
        {1: 3, 2: 3, 3: 2},
    ),
    "published again after it: stays": (["published pending", "retracted pending", "published pending"], {1: 2, 2: 1}),
    "taken back, published again and taken back again": (
        ["published delivered covered", "retracted delivered covered", "published pending", "retracted pending"],
        {3: 4, 4: 3},
    ),
    "a retraction sent again takes back nothing newer": (
        ["published delivered covered", "retracted delivered covered", "published pending", "retracted pending 2"],
        {},
    ),
    "a publication sent again goes with what takes it back": (
        ["published delivered covered", "published pending 1", "retracted pending"],
        {2: 3},
    ),
    "a dead publication waits for an operator": (["published dead covered", "retracted pending"], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_retraction_overtakes_what_has_not_left(case):
    steps, expected = CASES[case]
    assert taken_back(history(*steps)) == expected


def test_notes_do_not_touch_each_other():
    assert taken_back([*history("published pending"), *history("retracted pending", note=8)]) == {}
