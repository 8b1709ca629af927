"""Editing a profile's text: the diff that a reviewer sees, style by style, and when there is none."""

import difflib
from pathlib import Path

import pytest

from gateway.core.reasons import Ending, Reason, ReasonKind
from gateway.mapping.codes import Standing
from gateway.mapping.editing import CannotEdit, with_reason, with_status_code, with_text
from gateway.mapping.profile import Profile, parse_profile
from gateway.mapping.source import MAX_CHARACTERS
from tests.unit.mapping.texts import CODES, PLAIN, REASONS, profile_of, with_lines

COMPLETE, DECLINE, CANCEL = ReasonKind
BRANDS = sorted((Path(__file__).parents[3] / "contracts" / "brands").glob("*/profile.v1.yaml"))
HEAD = with_lines("brand: acme", "account: acme-home", "version: 1")


def diff(old, new):
    """The changed lines of the unified diff, with their ends where these are not usual."""
    assert isinstance(new, str), new
    told = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), n=0)
    return [line.removesuffix("\n") for line in list(told)[2:] if not line.startswith("@@")]


def further_text(*lines, more="Parts", code="PART", ends="\n"):
    """The diff of the list `lines` when its reason `code` is also called `more`; the version's is not shown."""
    old = (HEAD + CODES + with_lines(*lines)).replace("\n", ends)
    new = with_text(old, COMPLETE, code, more, version=2)
    version, *others = [diff(old, new)[:2], *diff(old, new)[2:]]
    assert [line.rstrip("\r") for line in version] == ["-version: 1", "+version: 2"]
    reason = next(each for each in profile_of(new).complete_reasons if each.code == code)
    assert reason.also[-1] == more
    return others


def further_reason(*lines, reason=None):
    """The diff of the list `lines` when it ends with one more reason; the version's is not shown."""
    old = HEAD + CODES + with_lines(*lines)
    new = with_reason(old, COMPLETE, reason or Reason("ABS", "Not at home", Ending.PAUSES), version=2)
    version, *others = [diff(old, new)[:2], *diff(old, new)[2:]]
    assert version == ["-version: 1", "+version: 2"]
    return others


BLOCK = (
    "complete_reasons:",
    "- code: OK",
    "  label: All good",
    "  outcome: completes",
    "- code: PART  # the usual one",
    "  label: Waiting",
    "  outcome: pauses  # until they come,",
    "                   # which may take long",
    "# Nothing else ends a visit.",
)


def test_a_reason_in_braces_gets_a_member_before_the_brace():
    assert further_text("complete_reasons:", "  - {code: PART, label: Waiting, outcome: pauses}  # x") == [
        "-  - {code: PART, label: Waiting, outcome: pauses}  # x",
        "+  - {code: PART, label: Waiting, outcome: pauses, also: [Parts]}  # x",
    ]


def test_a_reason_in_lines_gets_a_line_behind_its_comments():
    assert further_text(*BLOCK) == ["+  also: [Parts]"]
    old = HEAD + CODES + with_lines(*BLOCK)
    assert "# which may take long\n  also: [Parts]\n# Nothing else" in with_text(
        old, COMPLETE, "PART", "Parts", version=2
    )
    assert further_text(*BLOCK, code="OK") == ["+  also: [Parts]"]


def test_further_texts_in_brackets_get_one_more():
    assert further_text("complete_reasons:", "  - {also: [a, b], code: PART, label: W, outcome: pauses}") == [
        "-  - {also: [a, b], code: PART, label: W, outcome: pauses}",
        "+  - {also: [a, b, Parts], code: PART, label: W, outcome: pauses}",
    ]
    assert further_text("complete_reasons:", "  - {also: [], code: PART, label: W, outcome: pauses}") == [
        "-  - {also: [], code: PART, label: W, outcome: pauses}",
        "+  - {also: [Parts], code: PART, label: W, outcome: pauses}",
    ]
    assert further_text("complete_reasons:", "  - {also: ['a', \"b\" , ], code: PART, label: W, outcome: pauses}") == [
        "-  - {also: ['a', \"b\" , ], code: PART, label: W, outcome: pauses}",
        '+  - {also: [\'a\', "b" , "Parts", ], code: PART, label: W, outcome: pauses}',
    ]


def test_further_texts_in_lines_get_a_line():
    reason = (
        "complete_reasons:",
        "  - code: PART",
        "    also:",
        "    -  a",
        "    -  b # c",
        "    label: W",
        "    outcome: pauses",
    )
    assert further_text(*reason) == ["+    -  Parts"]


def test_a_comma_at_the_end_stays_one():
    assert further_text("complete_reasons:", "  - {code: PART, label: W, outcome: pauses, }") == [
        "-  - {code: PART, label: W, outcome: pauses, }",
        "+  - {code: PART, label: W, outcome: pauses, also: [Parts], }",
    ]
    reason = ("complete_reasons: [", "  {", "    code: PART,", "    label: W,", "    outcome: pauses, # c", "  },", "]")
    assert further_text(*reason) == ["+    also: [Parts],"]
    assert further_reason(*reason) == ["+  {code: ABS, label: Not at home, outcome: pauses},"]


def test_a_member_in_braces_and_lines_gets_a_line_and_a_comma_before_it():
    reason = ("complete_reasons: [", "  {", "    code: PART,", "    label: W,", "    outcome: pauses # c", "  } ]")
    assert further_text(*reason) == ["-    outcome: pauses # c", "+    outcome: pauses, # c", "+    also: [Parts]"]
    assert further_reason(*reason) == ["-  } ]", "+  },", "+  {code: ABS, label: Not at home, outcome: pauses} ]"]


def test_a_text_block_stays_whole():
    reason = (
        "complete_reasons:",
        "  - code: PART",
        "    outcome: pauses",
        "    label: >-",
        "      Waiting",
        "      for parts",
    )
    assert further_text(*reason, "", "# end") == ["+    also: [Parts]"]
    assert further_reason(*reason, "", "", "# end") == [
        "+  - code: ABS",
        "+    label: Not at home",
        "+    outcome: pauses",
    ]


def test_what_comes_behind_a_text_block_stays_behind_it():
    reason = with_lines("complete_reasons:", "  - code: PART", "    outcome: pauses", "    label: >-", "      Waiting")
    old = HEAD + reason + "\n# Codes\n" + CODES
    new = with_text(old, COMPLETE, "PART", "Parts", version=2)
    assert new.endswith("      Waiting\n    also: [Parts]\n\n# Codes\n" + CODES)


def test_a_hyphen_in_a_line_of_its_own_is_not_copied():
    reason = ("complete_reasons:", "  -", "      code: OK", "      label: All good", "      outcome: completes")
    assert further_reason(*reason) == ["+  - code: ABS", "+    label: Not at home", "+    outcome: pauses"]


def test_a_list_in_braces_gets_a_reason_in_braces():
    one = "  -  { code: OK, label: All good, outcome: completes }"
    assert further_reason("complete_reasons:", one, "  # end") == [
        "+  -  { code: ABS, label: Not at home, outcome: pauses }"
    ]
    reason = Reason("12", "Wait: parts", Ending.PAUSES, ("no", "a, b"))
    assert further_reason("complete_reasons: [{code: OK, label: All good, outcome: completes}]", reason=reason) == [
        "-complete_reasons: [{code: OK, label: All good, outcome: completes}]",
        '+complete_reasons: [{code: OK, label: All good, outcome: completes}, {code: "12", label: "Wait: parts", outcome: pauses, also: ["no", "a, b"]}]',
    ]


def test_a_list_in_lines_gets_a_reason_in_lines():
    assert further_reason(*BLOCK) == ["+- code: ABS", "+  label: Not at home", "+  outcome: pauses"]
    spread = [
        line.replace("- ", "-    ").replace("  label", "     label").replace("  outcome", "     outcome")
        for line in BLOCK
    ]
    assert further_reason(*spread) == ["+-    code: ABS", "+     label: Not at home", "+     outcome: pauses"]


def test_json_stays_json():
    old = (
        '{"brand": "acme", "account": "acme-home", "version": 1, "status_codes": [{"status": "offered", "code": "O"}],\n'
        ' "complete_reasons": [{"code": "PART", "label": "W", "outcome": "pauses"}], "effective_at": "2026-01-01T00:00:00Z"}'
    )
    assert diff(old, with_text(old, COMPLETE, "PART", "Parts", version=2)) == [
        '-{"brand": "acme", "account": "acme-home", "version": 1, "status_codes": [{"status": "offered", "code": "O"}],',
        '- "complete_reasons": [{"code": "PART", "label": "W", "outcome": "pauses"}], "effective_at": "2026-01-01T00:00:00Z"}',
        '+{"brand": "acme", "account": "acme-home", "version": 2, "status_codes": [{"status": "offered", "code": "O"}],',
        '+ "complete_reasons": [{"code": "PART", "label": "W", "outcome": "pauses", "also": ["Parts"]}]}',
    ]


def test_line_ends_stay_as_they_are():
    assert further_text(*BLOCK, ends="\r\n") == ["+  also: [Parts]\r"]
    old = HEAD + (CODES + REASONS).removesuffix("\n")
    new = with_reason(old, CANCEL, Reason("B", "C"), version=2)
    assert new.endswith("  - {code: GONE, label: Customer moved}\n  - {code: B, label: C}")


def test_marks_are_found_behind_signs_of_several_bytes():
    old = (
        "\ufeff# Über 😀 修理\n"
        + HEAD
        + CODES
        + with_lines("complete_reasons:", "  - {code: PART, label: 😀 é, outcome: pauses}")
    )
    assert diff(old, with_text(old, COMPLETE, "PART", "Für später", version=2))[2:] == [
        "-  - {code: PART, label: 😀 é, outcome: pauses}",
        "+  - {code: PART, label: 😀 é, outcome: pauses, also: [Für später]}",
    ]


def test_the_moment_goes_with_its_comment_and_all_others_stay():
    old = "# top\n" + HEAD + "# soon\neffective_at: 2026-01-01T00:00:00Z  # new year\n\n" + CODES + REASONS
    assert diff(old, with_text(old, DECLINE, "FAR", "Distance", version=12)) == [
        "-version: 1",
        "+version: 12",
        "-effective_at: 2026-01-01T00:00:00Z  # new year",
        "-  - {code: FAR, label: Too far}",
        "+  - {code: FAR, label: Too far, also: [Distance]}",
    ]


def test_the_first_complete_reason_takes_the_default_pair_along():
    new = with_reason(PLAIN, COMPLETE, Reason("PART", "Waiting for parts", Ending.PAUSES), version=2)
    assert diff(PLAIN, new) == [
        "-version: 1",
        "-effective_at: 2026-01-01T00:00:00Z",
        "+version: 2",
        "+complete_reasons:",
        "+  - {code: done, label: Done, outcome: completes}",
        "+  - {code: needs_follow_up, label: Needs follow-up, outcome: pauses}",
        "+  - {code: PART, label: Waiting for parts, outcome: pauses}",
    ]
    empty = HEAD + CODES + "complete_reasons: []\n"
    assert [
        each.code
        for each in profile_of(
            with_reason(empty, COMPLETE, Reason("P", "Q", Ending.PAUSES), version=2)
        ).complete_reasons
    ] == ["done", "needs_follow_up", "P"]


def test_a_further_text_for_one_of_the_default_pair_writes_it_out():
    old = HEAD + CODES
    assert diff(old, with_text(old, COMPLETE, "done", "Fixed", version=2))[2:] == [
        "+complete_reasons:",
        "+  - {code: done, label: Done, outcome: completes, also: [Fixed]}",
        "+  - {code: needs_follow_up, label: Needs follow-up, outcome: pauses}",
    ]


@pytest.mark.parametrize(
    ("code", "written"),
    [
        (5, "5"),
        ("5", '"5"'),
        ("ST-5", "ST-5"),
        ("no", '"no"'),
        ("1e3", '"1e3"'),
        ("a\u200b", '"a\\u200b"'),
        ("a\nb", '"a\\nb"'),
        ("\U000e0001", '"\\U000e0001"'),
    ],
)
def test_a_status_code_is_a_new_last_row(code, written):
    old = HEAD + CODES + "# end\n"
    new = with_status_code(old, Standing("in_progress", None, "en_route"), code, version=2)
    assert diff(old, new)[2:] == [f"+  - {{status: in_progress, appointment_status: en_route, code: {written}}}"]
    assert profile_of(new).codes[Standing("in_progress", None, "en_route")] == code


@pytest.mark.parametrize("file", BRANDS, ids=lambda file: file.parent.name)
@pytest.mark.parametrize("kind", ReasonKind)
def test_a_shipped_profile_changes_in_two_lines(file, kind):
    old = file.read_text(encoding="utf-8")
    for reason in getattr(profile_of(old), f"{kind}_reasons"):
        new = with_text(old, kind, reason.code, "Words: of, somebody", version=2)
        assert len([line for line in diff(old, new) if line.startswith("+")]) == 2
        assert profile_of(new).reasons.find(kind, "Words: of, somebody").code == reason.code


def why(made):
    assert isinstance(made, CannotEdit), made
    return made.why


@pytest.mark.parametrize("more", ["OK", "All good", "PART", "parts", "Waiting for parts"])
def test_a_text_that_means_a_reason_already_is_not_added(more):
    old = PLAIN + REASONS.replace("parts, outcome: pauses", "parts, outcome: pauses, also: [parts]")
    assert f"{more!r} stands for the reason number" in why(with_text(old, COMPLETE, "OK", more, version=2))
    assert "already" in why(with_reason(old, COMPLETE, Reason(more, "New", Ending.PAUSES), version=2))
    assert "already" in why(with_reason(old, COMPLETE, Reason("New", more, Ending.PAUSES), version=2))
    assert "already" in why(with_reason(old, COMPLETE, Reason("New", "Newer", Ending.PAUSES, ("x", more)), version=2))


def test_a_code_that_is_not_there_is_told_with_those_that_are():
    assert why(with_text(PLAIN + REASONS, COMPLETE, "NO", "x", version=2)).endswith("give one of OK, PART")


@pytest.mark.parametrize("kind", [DECLINE, CANCEL])
@pytest.mark.parametrize("more", ["", "decline_reasons: []\ncancel_reasons: []\n"])
def test_a_list_that_takes_any_words_needs_no_mapping(kind, more):
    assert "any words" in why(with_text(PLAIN + more, kind, "X", "y", version=2))
    assert "any words" in why(with_reason(PLAIN + more, kind, Reason("X", "y"), version=2))


def test_a_standing_with_a_row_keeps_it():
    assert "already" in why(with_status_code(PLAIN, Standing("complete", "completed"), 5, version=2))
    refused = PLAIN + "  - {status: paused, appointment_status: paused, refuse: not_told}\n"
    assert "already" in why(with_status_code(refused, Standing("paused", None, "paused"), 5, version=2))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (with_text(PLAIN + REASONS, COMPLETE, "OK", "", version=2), "complete_reasons.0.also.0: is empty"),
        (with_text(PLAIN + REASONS, COMPLETE, "OK", "x" * 501, version=2), "longer than 500 characters"),
        (with_text(PLAIN + REASONS, COMPLETE, "OK", "\ud800", version=2), "not valid YAML"),
        (with_reason(PLAIN + REASONS, COMPLETE, Reason("N", "M"), version=2), "complete_reasons.2.outcome: is missing"),
        (with_reason(PLAIN + REASONS, DECLINE, Reason("N", "M", Ending.PAUSES), version=2), "no such member"),
        (with_text(PLAIN + REASONS, COMPLETE, "OK", "x", version=0), "version: must be 1 or more"),
        (with_status_code(PLAIN, Standing("complete"), 5, version=2), "needs a closure"),
        (with_text("brand: [", COMPLETE, "OK", "x", version=2), "this is no profile"),
        (with_text(CODES, COMPLETE, "OK", "x", version=2), "brand: is missing"),
        (with_text("brand: &a acme", COMPLETE, "OK", "x", version=2), "this is no profile"),
    ],
)
def test_what_would_be_no_profile_is_not_written(made, said):
    assert said in why(made)


def test_a_file_does_not_grow_too_long():
    old = HEAD + CODES + REASONS
    old += "#" * (MAX_CHARACTERS - len(old))
    assert "would be longer" in why(with_text(old, COMPLETE, "OK", "x", version=2))


def test_what_cannot_be_placed_is_left_to_a_person():
    # What follows a text with `+` is part of it.
    kept = HEAD + "status_codes:\n- status: offered\n  code: |+\n    O\n\n\n"
    assert isinstance(parse_profile(kept, file=""), Profile)
    assert "by hand" in why(with_status_code(kept, Standing("paused"), "P", version=2))


def test_the_words_of_a_retired_reason_are_free_and_nothing_is_added_to_it():
    retired = ("  - {code: WAIT, label: Waiting, outcome: pauses, retired: true}",)
    assert further_text(
        "complete_reasons:", *retired, "  - {code: OK, label: Good, outcome: completes}", code="OK", more="Waiting"
    )
    text = HEAD + CODES + with_lines("complete_reasons:", *retired, "  - {code: OK, label: Good, outcome: completes}")
    assert "give one of OK" in with_text(text, COMPLETE, "WAIT", "Parts", version=2).why
    assert profile_of(with_text(text, COMPLETE, "OK", "WAIT", version=2)).complete_reasons[1].also == ("WAIT",)
    again = Reason("WAIT", "Waiting again", Ending.PAUSES)
    assert "'WAIT' is the code of a retired reason" in why(with_reason(text, COMPLETE, again, version=2))
