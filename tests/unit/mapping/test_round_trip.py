"""What is sent for a reason is what would be understood if the brand sent it."""

import pytest

from gateway.mapping.check import check_profile
from gateway.mapping.check_round_trip import check_round_trip
from gateway.mapping.problems import Level
from tests.unit.mapping.texts import PLAIN, REASONS, custom, profile_of, with_lines

TABLE = with_lines("tables:", "  words: {OK: %s, PART: %s}")


def found_in(text):
    return [(one.member, one.what, one.level) for one in check_profile(profile_of(text), "x")]


def test_codes_and_labels_go_round():
    assert found_in(PLAIN + REASONS) == []


@pytest.mark.parametrize("body", ["code: data.reason.code", "words: data.reason.label", "reason: data.reason"])
def test_a_body_that_names_the_reason_goes_round(body):
    assert found_in(custom(f"default: '{{event: type, {body}}}'", more=REASONS)) == []


def test_a_reason_that_is_sent_as_another_is_an_error():
    body = "default: \"{reason: code('words', data.reason.code)}\""
    found = found_in(custom(body, more=REASONS + TABLE % ("PART", "OK")))
    errors = {(member, what) for member, what, level in found if level is Level.ERROR}
    assert ("feed.events.default", "appointment.completed says for OK what is understood as PART") in errors
    assert ("feed.events.default", "appointment.completed says for PART what is understood as OK") in errors


def test_words_that_nobody_would_understand_are_a_warning():
    body = "default: \"{reason: code('words', data.reason.code)}\""
    found = found_in(custom(body, more=REASONS + TABLE % ("eins", "zwei")))
    assert {level for *_, level in found} == {Level.WARNING}
    assert any(
        what.startswith("appointment.completed says for OK what would not be understood") for _, what, _ in found
    )


def test_a_body_that_tells_no_reasons_apart_is_a_warning():
    found = found_in(custom("default: '{event: type}'", more=REASONS))
    assert {(member, level) for member, _, level in found} == {("feed.events.default", Level.WARNING)}
    assert any("appointment.completed does not tell OK, PART apart" in what for _, what, _ in found)


def test_what_stands_in_every_body_is_not_taken_for_a_reason():
    """A number of the job's that looks like a reason's code."""
    reasons = REASONS.replace("code: PART", "code: 'job-1041'")
    found = found_in(custom("default: '{job: data.job.id}'", more=reasons))
    assert {level for *_, level in found} == {Level.WARNING}


@pytest.mark.parametrize(
    ("label", "level", "said"),
    [
        ("' All good too'", Level.ERROR, "begins or ends with a space"),
        ("ALL good", Level.WARNING, "differs from 'All good' of the reason number 1 in case or spaces only"),
        ("Allgood", Level.WARNING, "in case or spaces only: reword one of them"),
    ],
)
def test_reasons_that_look_alike_are_told(label, level, said):
    text = PLAIN + REASONS.replace("Waiting for parts", label)
    ((member, what, found),) = found_in(text)
    assert (member, found) == ("complete_reasons.1.label", level)
    assert said in what


@pytest.mark.parametrize(
    ("also", "level", "said"),
    [
        ("[OK]", Level.ERROR, "'OK' stands for the reason number 1 already"),
        ("[All good]", Level.ERROR, "'All good' stands for the reason number 1 already"),
        ("[fine]", Level.ERROR, "'fine' stands for the reason number 1 already"),
        ("[FINE]", Level.WARNING, "'FINE' differs from 'fine' of the reason number 1 in case or spaces only"),
    ],
)
def test_a_further_text_is_told_apart_from_those_of_other_reasons(also, level, said):
    reasons = REASONS.replace("completes}", "completes, also: [fine]}").replace("pauses}", f"pauses, also: {also}}}")
    ((member, what, found),) = found_in(PLAIN + reasons)
    assert (member, found) == ("complete_reasons.1.also.0", level)
    assert what.startswith(said)


def test_a_further_text_may_say_the_reasons_own_words_in_other_letters():
    assert found_in(PLAIN + REASONS.replace("completes}", "completes, also: [ok, all good, OK, ' All good ']}")) == []


def test_what_a_body_says_may_be_a_further_text_of_the_reason():
    body = "default: \"{reason: code('words', data.reason.code)}\""
    reasons = REASONS.replace("completes}", "completes, also: [eins]}").replace("pauses}", "pauses, also: [zwei]}")
    assert found_in(custom(body, more=reasons + TABLE % ("eins", "zwei"))) == []
    errors = {what for _, what, _ in found_in(custom(body, more=reasons + TABLE % ("zwei", "eins")))}
    assert "appointment.completed says for OK what is understood as PART" in errors


def test_whatever_is_understood_as_another_reason_is_named_at_its_place():
    text = PLAIN + with_lines(
        "decline_reasons:",
        "  - {code: OLD, label: Old words, retired: true}",
        "  - {code: FAR, label: Too far, also: [beyond]}",
        "  - {code: NEAR, label: Too near, also: [beyond]}",
    )
    assert [(".".join(map(str, path)), what) for path, what, _ in check_round_trip(profile_of(text), ())] == [
        ("decline_reasons.2", "'beyond' given back is understood as another reason: reword it")
    ]
