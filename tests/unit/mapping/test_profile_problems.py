"""A file that is no profile is told so by line and member, and what to do about it."""

import pytest

from gateway.mapping.profile import MOST_PROBLEMS, Profile, parse_profile
from gateway.mapping.profile_problems import known_members
from tests.unit.mapping.texts import PLAIN, REASONS, with_lines

END = len(PLAIN.splitlines()) + 1


def problems_of(text):
    found = parse_profile(text, file="acme/profile.v1.yaml")
    assert isinstance(found, tuple), "it should not be readable"
    return [str(problem).removeprefix("acme/profile.v1.yaml:") for problem in found]


def said(line, member, what):
    return f"{line}: error: {member}: {what}"


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("NO", "YAML reads NO as false: write false, or 'NO' if it is text"),
        ("yes", "YAML reads yes as true: write true, or 'yes' if it is text"),
        ("Off", "YAML reads Off as false: write false, or 'Off' if it is text"),
        ("010", "YAML reads 010 as 8: write 8, or '010' if it is text"),
        ("0x1F", "YAML reads 0x1F as 31: write 31, or '0x1F' if it is text"),
        ("1_000", "YAML reads 1_000 as 1000: write 1000, or '1_000' if it is text"),
        ("12:30", "YAML reads 12:30 as 750: write 750, or '12:30' if it is text"),
        ("+5", "YAML reads +5 as 5: write 5, or '+5' if it is text"),
        (".inf", "YAML reads .inf as inf: write inf, or '.inf' if it is text"),
        ("2026-99-99", "2026-99-99 cannot be read: put it in quotes if it is text"),
        ("1.10", "must be text or a whole number, and 1.10 is not: write '1.10', in quotes, if it is meant so"),
        ("true", "must be text or a whole number, and true is not: write 'true', in quotes, if it is meant so"),
        (
            "2026-01-01",
            "must be text or a whole number, and 2026-01-01 is not: write '2026-01-01', in quotes, if it is meant so",
        ),
        ("[A]", "must be text or a whole number"),
    ],
)
def test_a_code_that_yaml_reads_as_something_else(written, what):
    row = "{status: paused, code: %s}"
    text = PLAIN.replace(row % "P", row % written)
    line = next(number for number, each in enumerate(text.splitlines(), start=1) if row % written in each)
    member = "status_codes.4.code"
    assert problems_of(text) == [said(line, member, what)]
    assert isinstance(parse_profile(PLAIN.replace(row % "P", row % f"'{written}'"), file="x"), Profile)


@pytest.mark.parametrize("written", ["7", "-7", "0", "P", "'010'", '"NO"', "NOT", "1.2.3"])
def test_a_code_that_reads_as_it_looks_is_taken(written):
    row = "{status: paused, code: %s}"
    assert isinstance(parse_profile(PLAIN.replace(row % "P", row % written), file="x"), Profile)


@pytest.mark.parametrize(
    ("extra", "member", "what"),
    [
        ("colour: blue", "colour", "there is no such member: there are accept_within, account, "),
        ("complete-reasons: []", "complete-reasons", "there is no such member: did you mean complete_reasons?"),
        ("Routing: []", "Routing", "there is no such member: did you mean routing?"),
        ("feed: {formt: canonical}", "feed.formt", "there is no such member: did you mean format?"),
        ("features: {photo: true}", "features.photo", "there is no such member: did you mean photos?"),
        (
            "destinations: [{name: feed.acme, kind: webhook, webhook: {uri: x, url: 'https://x.example'}}]",
            "destinations.0.webhook.uri",
            "there is no such member: did you mean url?",
        ),
        (
            "custom: {transformation: ax, records: {order: {type: a, id: b, subjekt: c, subject: c, data: {x: y}}}}",
            "custom.records.order.subjekt",
            "there is no such member: did you mean subject?",
        ),
        ("features: {notes: 'yes'}", "features.notes", "must be true or false, without quotes"),
        ("features: [notes]", "features", "must have members: `name: value`, one a line and indented"),
        ("routing: {organization: x}", "routing", "must be a list: one entry a line, each with a hyphen before it"),
        ("accept_within: '60'", "accept_within", "must be a whole number, without quotes"),
        ("accept_within: 5", "accept_within", "must be 60 or more"),
        ("tables: {States: {a: b}}", "tables.States", "must be small letters, digits and underscores, a letter first"),
        ("canceled_as: cancelled", "canceled_as", "must be canceled or complete"),
        ("routing: [{}]", "routing.0.organization", "is missing: every profile says it"),
        ("routing: [{organization: ''}]", "routing.0.organization", "is empty: write it, or leave the member out"),
        (
            "features: {notes: true, notes: true}",
            "features.notes",
            f"the key is there twice, first in line {END}: keep one",
        ),
        ("tables: {a: &x {k: v}}", "", "anchors and aliases are not allowed: write the value out"),
        ("accept_within: !!int '7'", "", "tags are not allowed: write the value without tag:yaml.org,2002:int"),
        ("tables: " + "[" * 40 + "]" * 40, "", "nested deeper than 32 levels: no member goes so deep"),
        ("tables: {a: b", "", "not valid YAML: "),
        ("\tindented: x", "", "indent with spaces"),
        ("label: a: b", "", "put text that holds a colon in quotes"),
        ("...\n---\nbrand: other", "", "one file is one profile"),
        ("x: \x07", "", "not valid YAML: a character that cannot be printed: take it out"),
    ],
)
def test_what_is_wrong_says_where_and_what_to_do(extra, member, what):
    problem = "\n".join(problems_of(PLAIN + extra + "\n"))
    place, _, sentence = problem.partition(": error: ")
    assert int(place) in {END, END + 1}, problem
    assert not member or sentence.startswith(f"{member}: "), problem
    assert what in sentence, problem


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-01",
        "2026-01-01T00:00:00",
        "'soon'",
        "1767225600",
        "'1767225600'",
        "true",
        # In UTC, outside of all calendars.
        "9999-12-31T23:59:59-10:00",
        "0001-01-01T00:00:00+10:00",
    ],
)
def test_a_moment_is_written_out_with_its_zone(written):
    text = PLAIN.replace("2026-01-01T00:00:00Z", written)
    assert problems_of(text) == [said(4, "effective_at", "must be a moment with its zone: 2026-01-01T00:00:00Z")]


def test_a_version_has_at_most_six_digits():
    text = PLAIN.replace("version: 1\n", "version: 3000000000\n", 1)
    assert problems_of(text) == [said(3, "version", "must be 999999 or less")]


def test_a_label_that_is_no_text():
    text = PLAIN + REASONS.replace("label: Too far", "label: No")
    ((problem),) = problems_of(text)
    assert problem.endswith("decline_reasons.0.label: YAML reads No as false: write false, or 'No' if it is text")


def test_the_members_of_any_part_are_known():
    assert known_members(Profile, ("inbound",)) == ("data", "id", "subject", "time", "topic", "type")
    assert known_members(Profile, ("booking_page", "service_types", 3)) == ("code", "label")
    assert known_members(Profile, ("destinations", 0, "confirms")) == ("by", "within")


def test_a_key_is_taken_as_it_is_written():
    profile = parse_profile(PLAIN + with_lines("tables: {t: {NO: 1, 010: 2, 1.10: three}}"), file="x")
    assert profile.tables == {"t": {"NO": 1, "010": 2, "1.10": "three"}}


def test_of_thousands_of_problems_the_first_are_told_and_how_many_there_are():
    found = parse_profile(PLAIN + "tables:\n" + "  one: {}\n" * 5_000, file="p.yaml")
    assert len(found) == MOST_PROBLEMS + 1
    assert found[-1].what == f"and {4_999 - MOST_PROBLEMS} more from here on"
    assert found[-1].line == found[-2].line + 1
