"""Expressions that blow up are given up: by the nodes they visit, and by what they would write."""

import time

import pytest

from gateway.mapping.bounds import MOST_BYTES, MOST_NODES, Bound
from gateway.mapping.check import check_profile
from gateway.mapping.expressions import Expression, ExpressionFailed, compile_expression
from tests.unit.mapping.texts import custom, profile_of

NODES = ExpressionFailed(Bound.TOO_MANY_NODES.value)
BYTES = ExpressionFailed(Bound.TOO_MANY_BYTES.value)
LIST = {"a": [{"n": number, "t": "x" * 1000} for number in range(300)]}


def value(text, document):
    expression = compile_expression(text, {})
    assert isinstance(expression, Expression), expression
    return expression.of(document)


@pytest.mark.parametrize(
    ("text", "document", "failed"),
    [
        # Each step doubles what is in memory once, and on paper 2^60 times.
        (" | ".join(["{a: @, b: @}"] * 60), {}, NODES),
        (" | ".join(["[@, @]"] * 60), "x", NODES),
        (" | ".join(["[@, @]"] * 60) + " | to_string(@)", "x", NODES),
        (f"({' | '.join(['[@, @]'] * 60)}) == ({' | '.join(['[@, @]'] * 60)})", "x", NODES),
        (f"contains([{' | '.join(['[@, @]'] * 60)}], {' | '.join(['[@, @]'] * 60)})", "x", NODES),
        (" | ".join(["[@, @][]"] * 60), "x", NODES),
        (" | ".join(["[@, @][]"] * 60) + " | length(@)", "x", NODES),
        (" | ".join(["{a: @, b: @}"] * 60) + " | *.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*", {}, NODES),
        # Loops in loops.
        ("a[].[n, $.a][]".replace("$.a", "t"), {"a": [{"n": 1, "t": "x"}] * MOST_NODES}, NODES),
        ("a[*].b[*].b[*].b[*].z", {"a": [{"b": [{"b": [{"b": [{"n": 1}] * 20}] * 20}] * 20}] * 20}, NODES),
        ("map(&length(map(&length(map(&n, @)), @)), @)", [[[{"n": 1}] * 30] * 30] * 30, NODES),
        ("a[?b[?b[?b[?n == `1`]]]]", {"a": [{"b": [{"b": [{"b": [{"n": 2}] * 20}] * 20}] * 20}] * 20}, NODES),
        ("a[].{s: sort_by(b, &n), m: max_by(b, &n)}", {"a": [{"b": [{"n": 1}] * 300}] * 300}, NODES),
        ("a[].b[::300]", {"a": [{"b": [1] * 300}] * 300}, NODES),
        # Texts.
        (" | ".join(["join('', [@, @])"] * 60), "x", BYTES),
        ("join(' ', a[].t)", {"a": [{"t": "x" * 100_000}] * 60}, BYTES),
        ("to_string(@)", {"a": "x" * (MOST_BYTES + 1)}, BYTES),
        ("a[].to_string($)".replace("$", "@"), {"a": [{"t": "x" * 100_000}] * 60}, BYTES),
        ("[" + ", ".join(["length(upper(t))"] * 60) + "]", {"t": "x" * 100_000}, BYTES),
        ("@", {"k" * 100_000 + str(number): 1 for number in range(60)}, BYTES),
    ],
)
def test_what_blows_up_is_given_up_at_once(text, document, failed):
    begun = time.thread_time()
    assert value(text, document) == failed
    assert time.thread_time() - begun < 2


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("length(a[].[n, t][])", 600),
        ("length(to_string(a[].t))", 300 * 1003 + 1),
        ("length(join('', a[].t))", 300_000),
        ("length(a[?n >= `100`])", 200),
        ("max_by(a, &n).n", 299),
        ("sort_by(a, &n)[-1].n", 299),
        ("length(map(&n, a))", 300),
    ],
)
def test_a_long_list_is_within_bounds(text, made):
    assert value(text, LIST) == made


def test_each_evaluation_begins_anew():
    expression = compile_expression("length(a[].[n, t][])", {})
    assert [expression.of(LIST) for _ in range(60)] == [600] * 60


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a: id,\n b: [c}", "look at line 2 of it"),
        ("{a: id,\n b: ", "look at line 2 of it"),
        ("a\n| 'open", "look at line 2 of it"),
        ("!" * 8_000 + "a", "nested too deep: write it with fewer"),
        ("a" * 16_001, "longer than 16000 characters: give"),
        ("shout(id)", "unknown function shout(): there are"),
    ],
    ids=["bracket", "end", "quote", "deep", "long", "function"],
)
def test_what_cannot_be_compiled_says_what_to_do(text, said):
    assert said in compile_expression(text, {}).what


def test_the_check_says_what_to_do_about_it():
    doubling = " | ".join(["{a: @, b: @}"] * 60)
    problems = check_profile(profile_of(custom(f"default: '{doubling}'")), "x")
    assert problems
    assert {problem.member for problem in problems} == {"feed.events.default"}
    assert all("expression_failed too_many_nodes: more than" in problem.what for problem in problems)
    assert all("take the part of a list" in problem.what for problem in problems)
