"""A profile's file: read strictly, with the line of everything that is wrong, all at once."""

import pytest

from gateway.core.reasons import DEFAULT_COMPLETE, Ending, ReasonKind
from gateway.mapping.codes import Refusal, Standing, find_code
from gateway.mapping.profile import Profile, parse_profile
from gateway.mapping.profile_roads import Some
from tests.unit.mapping.texts import PLAIN, with_lines


def problems_of(text):
    found = parse_profile(text, file="acme/profile.v1.yaml")
    assert isinstance(found, tuple), "it should not be readable"
    return {(problem.line, problem.member): problem.what for problem in found}


def test_a_plain_profile_is_read():
    profile = parse_profile(PLAIN, file="x")
    assert isinstance(profile, Profile)
    assert (profile.brand, profile.account, profile.version) == ("acme", "acme-home", 1)
    assert profile.reasons.complete == DEFAULT_COMPLETE
    assert profile.reasons.open_ended, "a brand can add what it does not know yet"
    assert profile.accept_by_default is None


def test_without_destinations_it_has_the_topic_of_its_feed():
    (destination,) = parse_profile(PLAIN, file="x").destinations
    assert (destination.name, destination.topic) == ("feed.acme", "feed.acme.v1")
    assert destination.events is Some.ALL
    assert destination.strict


def test_reasons_become_the_lists_of_the_core_once():
    text = PLAIN + "complete_reasons:\n  - {code: OK, label: All good, outcome: completes}\n"
    profile = parse_profile(text, file="x")
    assert profile.reasons is profile.reasons
    assert profile.reasons.given(ReasonKind.COMPLETE, "All good").outcome is Ending.COMPLETES


def test_all_problems_are_told_at_once_each_with_its_line():
    text = with_lines(
        "brand: Acme Home",
        "account: acme-home",
        "version: one",
        "effective_at: 2026-01-01T00:00:00Z",
        "colour: blue",
        "features: {notes: maybe}",
        "complete_reasons:",
        "  - {code: OK, label: Fine, outcome: completes}",
        "  - {code: 7, label: Seven, outcome: explodes}",
        "status_codes: []",
    )
    found = problems_of(text)
    assert {(1, "brand"), (3, "version"), (5, "colour"), (6, "features.notes")} <= set(found)
    assert {(9, "complete_reasons.1.code"), (9, "complete_reasons.1.outcome")} <= set(found)


def test_what_is_missing_is_named():
    assert (1, "account") in problems_of("brand: acme\nversion: 1\n")


@pytest.mark.parametrize(
    ("extra", "line", "said"),
    [
        ("brand: twice", 0, "twice"),
        ("features: {notes: true, notes: false}", 0, "twice"),
        ("tables: {a: &x {k: v}, b: *x}", 0, "anchors"),
        ("accept_within: !!int '7'", 0, "tags"),
        ("tables: " + "[" * 40 + "]" * 40, 0, "nested deeper"),
        ("? [a, b]\n: c", 0, "plain word"),
        ("tables: {a: b", 1, "not valid YAML"),
        ("effective: 2026-99-99", 0, "cannot be read"),
        ("...\n---\nbrand: other", 1, "not valid YAML"),
    ],
)
def test_yaml_that_is_not_plain_is_refused(extra, line, said):
    lines = len(PLAIN.splitlines())
    found = problems_of(PLAIN + extra + "\n")
    assert any(said in what for what in found.values()), found
    if said != "cannot be read":
        assert all(place[0] >= lines for place in found), (line, found)


@pytest.mark.parametrize(
    ("extra", "member"),
    [
        ("tables: &all {}", "tables"),
        ("tables: {a: {k: v}, b: &x {k: v}}", "tables.b"),
        ("tables: {&k a: {k: v}}", "tables.a"),
        ("routing:\n  - {organization: one}\n  - {organization: !!str two}", "routing.1.organization"),
        ("routing:\n  - postal_prefixes: ['1', &y '2']", "routing.0.postal_prefixes.1"),
        ("tables: {[a]: !!str b}", "tables"),
        ("features:\n  <<: *none", "features.<<"),
    ],
)
def test_an_anchor_an_alias_and_a_tag_are_refused_with_their_member(extra, member):
    assert member in {where for _, where in problems_of(PLAIN + extra + "\n")}


def test_a_bomb_of_anchors_is_not_unfolded():
    bomb = "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))])
    assert all("anchors" in what for what in problems_of(bomb).values())


def test_a_file_of_megabytes_is_not_read():
    assert "longer" in next(iter(problems_of("x: " + "y" * 1_000_000).values()))


@pytest.mark.parametrize("text", ["", "[1, 2]", "just text", "\x00", "a: \ud800"])
def test_what_is_no_mapping_is_refused(text):
    assert problems_of(text)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{status: paused}", "either a code or refuse"),
        ("{status: paused, code: A, refuse: why}", "either a code or refuse"),
        ("{status: complete, code: A}", "needs a closure"),
        ("{status: complete, closure: expired, code: A}", "needs a closure"),
        ("{status: paused, closure: completed, code: A}", "has no closure"),
        ("{status: paused, refuse: 'Not a word!'}", "small letters, digits and underscores"),
        ("{status: parked, code: A}", "must be offered, unscheduled, "),
    ],
)
def test_a_status_code_that_makes_no_sense_is_refused(row, said):
    (what,) = problems_of(PLAIN.replace("  - {status: paused, code: P}", f"  - {row}")).values()
    assert said in what


def test_the_default_code_of_a_status_does_not_reach_what_is_named_or_refused():
    table = {
        Standing("in_progress"): "BUSY",
        Standing("in_progress", None, "en_route"): "MOVING",
        Standing("in_progress", None, "started"): Refusal("not_told"),
        Standing("paused"): Refusal("never"),
    }
    assert find_code(table, Standing("in_progress", None, "en_route")) == "MOVING"
    assert find_code(table, Standing("in_progress", None, "complete")) == "BUSY"
    assert find_code(table, Standing("in_progress", None, "started")) == Refusal("not_told")
    assert find_code(table, Standing("paused", None, "paused")) is None, "a refusal is no wildcard"


def test_work_is_routed_by_the_first_match():
    routes = with_lines(
        "routing:",
        "  - {postal_prefixes: ['558'], service_types: [dishwasher], organization: first}",
        "  - {postal_prefixes: ['55'], organization: second}",
    )
    profile = parse_profile(PLAIN + routes, file="x")
    assert profile.find_organization("55802", "dishwasher") == "first"
    assert profile.find_organization("55802", "roof") == "second"
    assert profile.find_organization("60601", "dishwasher") is None
