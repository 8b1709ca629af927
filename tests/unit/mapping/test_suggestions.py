"""What a text that is no reason of the brand may have meant: near misses are shown, and nothing further away."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.reasons import Reason
from gateway.mapping.suggestions import LETTERS_A_SLIP, MOST_SLIPS, MOST_SUGGESTED, suggest

PARTS, SHOW, BILL, CUSTOMER = (
    Reason("WFP", "Waiting for parts"),
    Reason("NSH", "No show"),
    Reason("RFB-10", "Ready for billing"),
    Reason("C-CUST", "Canceled by the customer"),
)
KNOWN = (PARTS, SHOW, BILL, CUSTOMER)
LETTERS = st.text("abcdeäß 12.-", max_size=14)
WORDS = st.text("abcdefgh", min_size=LETTERS_A_SLIP, max_size=14)


def only(text, known=KNOWN):
    return [(one.code, one.why) for one in suggest([text], known).get(text, ())]


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        ("waiting FOR parts", "WFP", "same but for case"),
        ("wfp", "WFP", "same but for case"),
        ("Waiting  for parts ", "WFP", "same but for spaces"),
        ("no  show", "NSH", "same but for spaces"),
        ("noshow", "NSH", "same but for spaces"),
        ("No-show.", "NSH", "same but for punctuation"),
        ("rfb 10", "RFB-10", "same but for punctuation"),
        ("Waiting for part", "WFP", "1 letter differs"),
        ("Wiating for parts", "WFP", "1 letter differs"),
        ("Cancelled by custmer", "C-CUST", None),
        ("Cancelled by the custmer", "C-CUST", "2 letters differ"),
        ("RFB-11", "RFB-10", None),
        ("NSX", "NSH", None),
        ("Invoice sent", "RFB-10", None),
        ("…", "NSH", None),
    ],
)
def test_a_near_miss_is_told_with_what_differs(text, code, why):
    assert (code, why) in only(text) if why else code not in dict(only(text))


def test_the_likeliest_comes_first_and_few_are_told():
    known = [Reason("A", "waiting for part"), Reason("B", "WAITING FOR PARTS"), Reason("C", "Waiting for parrts")]
    more = [Reason(f"D{n}", f"Waiting for pa{letter}ts") for n, letter in enumerate("xyz")]
    told = only("Waiting for parts", [*known, *more])
    assert told[0] == ("B", "same but for case")
    assert len(told) == MOST_SUGGESTED


def test_a_code_that_is_anothers_label_in_other_letters_suggests_that_other():
    """`Done` is the first reason's code, and so no near miss of it; the second one's label it is but for case."""
    assert only("Done", [Reason("Done", "Finished"), Reason("D2", "done")]) == [("D2", "same but for case")]


def test_a_further_text_is_its_reason_and_near_misses_of_it_are_near_misses():
    known = [Reason("WFP", "Waiting for parts", also=("Spares on order",)), Reason("SPA", "spares  on order")]
    assert only("Spares on order", known) == [("SPA", "same but for spaces")]
    assert only("spares on ordr", known[:1]) == [("WFP", "1 letter differs")]
    assert only("SPARES on order", known[:1]) == [("WFP", "same but for case")]


@given(LETTERS, st.lists(st.tuples(LETTERS, LETTERS), max_size=6))
def test_nothing_is_suggested_beyond_its_distance_and_never_what_the_text_is(text, pairs):
    known = [Reason(f"{n}{code}", label) for n, (code, label) in enumerate(pairs)]
    by_code = {reason.code: reason for reason in known}
    for code, _ in only(text, known):
        words = (by_code[code].code, by_code[code].label)
        assert text not in words
        mine = kept(text)
        assert any(
            kept(word) == mine
            or (
                distance(kept(word), mine)
                <= min(MOST_SLIPS, len(mine) // LETTERS_A_SLIP, len(kept(word)) // LETTERS_A_SLIP)
                and digits(word) == digits(text)
            )
            for word in words
        )


@given(st.text("abc", min_size=4, max_size=12), st.text("abc", min_size=4, max_size=12))
def test_whatever_is_within_its_distance_is_suggested_and_nothing_else(one, other):
    assume(one != other)
    allowed = min(MOST_SLIPS, len(one) // LETTERS_A_SLIP, len(other) // LETTERS_A_SLIP)
    slips = distance(one, other)
    told = {0: [], 1: [("0", "1 letter differs")], 2: [("0", "2 letters differ")]}
    assert only(one, [Reason("0", other)]) == told[slips if slips <= allowed else 0]


@given(WORDS, st.data())
def test_one_slip_is_always_found(word, data):
    place = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("abcdefghi"))
    slipped = data.draw(
        st.sampled_from(
            [
                word[:place] + letter + word[place:],
                word[:place] + letter + word[place + 1 :],
                word[:place] + word[place : place + 2][::-1] + word[place + 2 :],
            ]
        )
    )
    assume(slipped != word)
    assert only(slipped, [Reason("0", word)]) == [("0", "1 letter differs")]


def test_many_texts_and_many_reasons_take_a_moment():
    words = ("waiting", "parts", "customer", "absent", "billing", "ready", "repair", "ordered", "visit", "follow-up")
    known = [Reason(f"R{n}", f"{words[n % 10]} {words[n // 10 % 10]} {words[n // 100]}") for n in range(500)]
    texts = [f"{words[n // 100]} {words[n % 10]}  {words[n // 10 % 10]}x" for n in range(1000)]
    begun = time.process_time()
    found = suggest(texts, known)
    assert time.process_time() - begun < 5, "a busy machine may be ten times slower than it is"
    assert found


def kept(text):
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def digits(text):
    return [letter for letter in text if letter.isdigit()]


def distance(one, other):
    """Every letter against every letter: slow, and without a bound."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            steps = [rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != wanted)]
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], wanted):
                steps.append(rows[-2][j - 2] + 1)
            row.append(min(steps))
        rows.append(row)
    return rows[-1][-1]
