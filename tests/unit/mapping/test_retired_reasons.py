"""A retired reason is not understood any more, and its code stays taken."""

import pytest

from gateway.core.reasons import DEFAULT_COMPLETE, ReasonKind
from gateway.mapping.check import check_profile
from gateway.mapping.coverage import cover
from gateway.mapping.examples import examples
from gateway.mapping.problems import Level
from gateway.mapping.suggestions import suggest
from tests.unit.mapping.texts import PLAIN, REASONS, profile_of, with_lines

LISTS = with_lines(
    "complete_reasons:",
    "  - {code: OLD, label: Old words, outcome: completes, also: [older], retired: true}",
    "  - {code: OK, label: All good, outcome: completes}",
    "  - {code: PART, label: Waiting for parts, outcome: pauses}",
    "decline_reasons:",
    "  - {code: FAR, label: Too far}",
    "  - {code: DAY, label: Not that day, retired: true}",
    "cancel_reasons:",
    "  - {code: GONE, label: Customer moved, retired: true}",
)
RETIRED = {"OLD", "DAY", "GONE"}


def found_in(text):
    return [(one.member, one.what, one.level) for one in check_profile(profile_of(text), "x")]


@pytest.mark.parametrize("text", ["OLD", "Old words", "older"])
def test_no_text_of_it_is_understood(text):
    reasons = profile_of(PLAIN + LISTS).reasons
    assert reasons.given(ReasonKind.COMPLETE, text).code is None
    assert reasons.given(ReasonKind.DECLINE, "Not that day").code is None


def test_it_does_not_count_for_one_reason_completes():
    assert found_in(PLAIN + LISTS) == []
    assert profile_of(PLAIN + LISTS).reasons.find_only_completing().code == "OK"
    meant = found_in(PLAIN + LISTS.replace(", retired: true}", ", retired: false}", 1))
    assert [(member, level) for member, _, level in meant] == [("complete_reasons", Level.WARNING)]


def test_no_example_coverage_or_suggestion_has_it():
    profile = profile_of(PLAIN + LISTS)
    given = {example.event.reason.code for example in examples(profile) if example.event.reason}
    covered = {cell.happening.reason.code for cell in cover(profile).cells if cell.happening.reason}
    assert {"OK", "PART", "FAR"} <= given & covered
    assert not (given | covered) & RETIRED
    assert suggest(["old words", "Old wards"], profile.reasons.listed(ReasonKind.COMPLETE)) == {}


@pytest.mark.parametrize("member", ["code: OLD, label: New words", "code: NEW, label: OLD"])
@pytest.mark.parametrize("first", [True, False], ids=["before it", "after it"])
def test_its_code_stays_taken(member, first):
    row = f"  - {{{member}, outcome: pauses}}\n"
    lists = (
        LISTS.replace("complete_reasons:\n", f"complete_reasons:\n{row}")
        if first
        else LISTS.replace("decline_reasons", row + "decline_reasons")
    )
    [(_, what, level)] = found_in(PLAIN + lists)
    number = 2 if first else 1
    assert (what, level) == (f"'OLD' stands for the reason number {number} already", Level.ERROR)


def test_who_still_sends_its_code_may_mean_another_reason_and_only_one():
    row = "  - {code: NEW, label: New words, outcome: pauses, also: [OLD]}\n"
    text = PLAIN + LISTS.replace("complete_reasons:\n", f"complete_reasons:\n{row}")
    assert found_in(text) == []
    profile = profile_of(text)
    assert profile.reasons.given(ReasonKind.COMPLETE, "OLD").code == "NEW"
    assert (ReasonKind.COMPLETE, "OLD") in profile.codes_taken
    twice = text.replace("decline_reasons", row.replace("NEW", "NEXT").replace("New", "Next") + "decline_reasons")
    assert [what for _, what, _ in found_in(twice)] == ["'OLD' stands for the reason number 1 already"]


def test_its_label_may_go_to_the_reason_that_follows_it():
    row = "  - {code: NEW, label: Old words, outcome: pauses, also: [older]}\n"
    text = PLAIN + LISTS.replace("decline_reasons", row + "decline_reasons")
    assert found_in(text) == []
    assert profile_of(text).reasons.given(ReasonKind.COMPLETE, "older").code == "NEW"


def test_a_cancel_reason_may_have_the_words_of_one():
    text = PLAIN + REASONS.replace("{code: GONE", "{code: OK")
    assert [member for member, *_ in found_in(text)] == ["cancel_reasons.0"]
    assert found_in(text.replace("moved}", "moved, retired: true}")) == []
    other = "  - {code: FULL, label: Good, outcome: completes}\n  - {code: OK, label: All good, retired: true,"
    assert found_in(text.replace("  - {code: OK, label: All good,", other)) == []


def test_of_complete_reasons_one_stays():
    [(member, what, level)] = found_in(PLAIN + REASONS.replace("outcome: ", "retired: true, outcome: "))
    assert (member, level) == ("complete_reasons", Level.ERROR)
    assert what == "all are retired, and a visit needs one to end with: add one, or keep one"


def test_where_all_of_a_list_are_retired_any_words_are_taken_as_without_one():
    assert profile_of(PLAIN + LISTS).reasons.given(ReasonKind.CANCEL, "They moved").code == "They moved"


def test_its_code_is_taken_like_those_that_are_understood():
    assert profile_of(PLAIN + LISTS).codes_taken == {
        *((ReasonKind.COMPLETE, code) for code in ("OLD", "OK", "PART")),
        *((ReasonKind.DECLINE, code) for code in ("FAR", "DAY")),
        (ReasonKind.CANCEL, "GONE"),
    }
    assert profile_of(PLAIN).codes_taken == {(ReasonKind.COMPLETE, each.code) for each in DEFAULT_COMPLETE}
