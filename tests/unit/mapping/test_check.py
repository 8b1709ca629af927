"""The check of a profile: coverage, codes, expressions, destinations, examples; in the order of lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.check import check_profile
from gateway.mapping.problems import Level
from gateway.mapping.profile import parse_profile
from tests.unit.mapping.texts import CODES, PLAIN, REASONS, custom, profile_of, with_lines


def found_in(text):
    return [
        (problem.line, problem.member, problem.what, problem.level) for problem in check_profile(profile_of(text), "x")
    ]


def errors_in(text):
    return [(member, what) for _, member, what, level in found_in(text) if level is Level.ERROR]


@pytest.mark.parametrize("text", [PLAIN, PLAIN + REASONS])
def test_nothing_speaks_against_a_good_one(text):
    assert found_in(text) == []


@pytest.mark.parametrize("row", [line for line in CODES.splitlines() if "status:" in line])
def test_every_standing_that_can_happen_needs_a_code_or_a_refusal(row):
    errors = errors_in(PLAIN.replace(row + "\n", ""))
    assert errors
    assert all(member == "status_codes" and "neither a code nor a refusal" in what for member, what in errors)


def test_a_refusal_covers_its_own_standing_only():
    errors = errors_in(PLAIN.replace("{status: paused, code: P}", "{status: paused, refuse: not_told}"))
    assert {what.partition(" has ")[0] for _, what in errors} == {
        "paused / paused",
        "paused / complete",
        "paused / canceled",
        "paused / deleted",
    }


def test_a_code_given_twice_and_one_that_never_happens():
    rows = with_lines(
        "  - {status: paused, code: Q}",
        "  - {status: offered, appointment_status: started, code: Z}",
    )
    found = found_in(PLAIN.replace(CODES, CODES + rows))
    assert [(member, level) for _, member, _, level in found] == [
        ("status_codes.10", Level.ERROR),
        ("status_codes.11", Level.WARNING),
    ]
    assert found[0][0] == len(PLAIN.splitlines()) + 1


def test_reasons_must_be_told_apart():
    text = PLAIN + REASONS.replace("{code: PART, label: Waiting for parts", "{code: PART, label: OK")
    assert errors_in(text) == [("complete_reasons.1.label", "'OK' stands for the reason number 1 already")]


def test_several_completing_reasons_are_a_warning_unless_meant():
    text = PLAIN + REASONS.replace("outcome: pauses", "outcome: completes")
    assert [(member, level) for _, member, _, level in found_in(text)] == [("complete_reasons", Level.WARNING)]
    assert found_in(text + "several_completing: true\n") == []


def test_a_text_in_both_lists_is_a_warning():
    text = PLAIN + REASONS.replace("{code: GONE", "{code: OK")
    assert [(member, level) for _, member, _, level in found_in(text)] == [("cancel_reasons.0", Level.WARNING)]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("'{id: id'", "Incomplete"),
        ("'shout(id)'", "unknown function shout()"),
        ("'upper(id, id)'", "upper() takes 1 arguments, not 2"),
        ("\"code('nowhere', id)\"", "takes the name of a table"),
        ("'upper(jobversion)'", "does not render: expression_failed upper() was given a number"),
        ("'date_only(data.status)'", "does not render: expression_failed ValueError"),
    ],
)
def test_an_expression_that_cannot_work_is_an_error(expression, said):
    errors = errors_in(custom(f"default: {expression}"))
    assert errors
    assert all(member == "feed.events.default" and said in what for member, what in errors), errors


def test_a_custom_feed_has_an_expression_for_everything():
    ((member, what),) = errors_in(custom("job.offered: id"))
    assert member == "feed.events"
    assert "job.accepted" in what
    assert "job.offered" not in what


def test_a_destination_is_the_brands_own():
    text = PLAIN + with_lines(
        "destinations:",
        "  - {name: feed.acme, topic: feed.other.v1}",
        "  - {name: feed.acme, topic: feed.acme.second.v1}",
        "  - {name: feed.acmeter, topic: feed.acme.v1}",
    )
    assert [member for member, _ in errors_in(text)] == [
        "destinations.0.topic",
        "destinations.1.name",
        "destinations.2.name",
    ]


def test_a_webhook_goes_to_an_address_that_can_be_one():
    row = "  - {name: feed.acme, kind: webhook, webhook: {url: '%s'}}"
    text = PLAIN + with_lines("destinations:", row % "https://user:pass@partner.example/")
    assert found_in(text) == [
        (len(text.splitlines()), "destinations.0.webhook.url", "must hold no user and no password", Level.ERROR)
    ]
    for url in ("https://partner.example/hooks", "http://10.0.0.5/hooks"):
        assert found_in(PLAIN + with_lines("destinations:", row % url)) == []


@pytest.mark.parametrize("written", ["json", "application/json\\r\\nx-more: 1", "application/json; charset", "täxt/x"])
def test_a_body_says_what_it_is_by_a_media_type(written):
    text = custom("default: id", more=f'  content_type: "{written}"\n')
    assert [member for member, _ in errors_in(text)] == ["feed.content_type"]
    assert errors_in(custom("default: id", more="  content_type: text/plain; charset=utf-8\n")) == []


@pytest.mark.parametrize("topic", ["offers.rival.v1", "offers.v1", "actions.v1", "feed.acme.v1"])
def test_its_own_json_is_not_read_in_the_place_of_others_records(topic):
    members = ("type: type", "id: id", "subject: job", "data: {offer.submit: body}")
    text = PLAIN + with_lines("inbound:", *(f"  {each}" for each in (f"topic: {topic}", *members)))
    assert [member for member, _ in errors_in(text)] == ["inbound.topic"]
    assert errors_in(text.replace(topic, "claims.acme.v1")) == []


def test_a_transformation_has_a_name_of_its_own_and_expressions_that_compile():
    order = """    order: {type: "'offer.submit'", id: n, subject: n, data: {offer.submit: '{title: t}'}}"""
    text = PLAIN + with_lines("custom:", "  transformation: ax", "  records:", order)
    assert errors_in(text) == []
    assert [member for member, _ in errors_in(text.replace("ax", "noop"))] == ["custom.transformation"]
    shouting = errors_in(text.replace("{title: t}", "{title: shout(t)}").replace("id: n", "id: shout(n)"))
    at = "custom.records.order"
    assert {member for member, _ in shouting} == {f"{at}.id", f"{at}.data.offer.submit"}


def test_problems_name_file_line_and_member():
    (problem, *_) = check_profile(profile_of(custom("default: shout(id)")), "acme/profile.v1.yaml")
    line = len(PLAIN.splitlines()) + 4
    said = f"acme/profile.v1.yaml:{line}: error: feed.events.default: unknown function shout(): there are "
    assert str(problem).startswith(said)


TEXTS = st.sampled_from(["A", "B", "C"])
COMPLETE = st.tuples(TEXTS, TEXTS, st.sampled_from(["completes", "pauses"]))


@given(st.lists(COMPLETE, max_size=3), st.lists(st.tuples(TEXTS, TEXTS), max_size=3))
def test_strange_lists_of_reasons_are_judged_and_nothing_is_raised(complete, plain):
    lines = [f"  - {{code: {code}, label: {label}, outcome: {outcome}}}" for code, label, outcome in complete]
    others = [f"  - {{code: {code}, label: {label}}}" for code, label in plain]
    lists = {"complete_reasons": lines, "decline_reasons": others, "cancel_reasons": others}
    text = PLAIN + with_lines(*(part for name, rows in lists.items() if rows for part in (f"{name}:", *rows)))
    for _, member, _, _ in found_in(text):
        assert member.partition(".")[0] in lists


def test_an_empty_code_is_neither_a_code_nor_a_refusal():
    (found,) = parse_profile(PLAIN.replace("status: paused, code: P", "status: paused, code: ''"), file="x")
    assert (found.member, found.what) == ("status_codes.4.code", "is empty: write it, or leave the member out")
