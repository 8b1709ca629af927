"""What is sent for a reason is what would be understood if the brand sent it."""

import pytest

from gateway.mapping.check import check_profile
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
