"""A text finds its reason letter by letter: by code, by label, or by a further text, in this order."""

import pytest

from gateway.core.reasons import DEFAULT_REASONS, Ending, Reason, ReasonKind, ReasonLists

DONE = Reason("DONE", "Finished", Ending.COMPLETES, ("all done", "PART", "Waiting"))
PART = Reason("PART", "Waiting", Ending.PAUSES, ("parts", "all done"))
FAR = Reason("FAR", "Too far", also=("parts",))
LISTS = ReasonLists((DONE, PART), (FAR,))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("DONE", DONE),
        ("Finished", DONE),
        ("parts", PART),
        ("PART", PART),
        ("Waiting", PART),
        ("all done", DONE),
        ("All done", None),
        ("all done ", None),
        ("", None),
    ],
)
def test_a_code_goes_before_a_label_and_that_before_a_further_text_and_of_two_alike_the_first_counts(text, meant):
    assert LISTS.find(ReasonKind.COMPLETE, text) == meant
    given = LISTS.given(ReasonKind.COMPLETE, text)
    known = (meant.code, meant.label, meant.outcome) if meant else (None, None, None)
    assert (given.text, given.code, given.label, given.outcome) == (text, *known)


def test_a_code_goes_before_an_earlier_reasons_label():
    lists = ReasonLists((), (Reason("A", "B"), Reason("B", "b")))
    assert lists.given(ReasonKind.DECLINE, "B").code == "B"


def test_a_label_goes_before_an_earlier_reasons_further_text():
    lists = ReasonLists((), (Reason("A", "a", also=("b",)), Reason("B", "b")))
    assert lists.given(ReasonKind.DECLINE, "b").code == "B"


def test_each_list_has_its_own_texts():
    assert LISTS.find(ReasonKind.DECLINE, "parts") is FAR
    assert LISTS.given(ReasonKind.DECLINE, "all done").code is None
    assert LISTS.given(ReasonKind.CANCEL, "parts").code == "parts", "without a list any words are taken"


def test_further_texts_complete_nothing_by_themselves():
    assert LISTS.find_only_completing() is DONE
    assert DEFAULT_REASONS.find(ReasonKind.COMPLETE, "all done") is None
