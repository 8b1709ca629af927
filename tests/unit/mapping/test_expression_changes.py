"""Expressions are changed leaf by leaf, and every change is said with its line."""

import pytest

from gateway.mapping.expression_changes import changed_expressions
from gateway.mapping.expressions import Expression, compile_expression


def changed(text):
    return [change.text for change in changed_expressions(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("id", ["id_x"]),
        ("data.job.id", ["data.job.id_x"]),
        ("{number: a.b}", ["{number_x: a.b}", "{number: a.b_x}"]),
        ('"a b".c', ['"a b".c_x']),
        ('{"a b": c}', ['{"a b_x": c}', '{"a b": c_x}']),
        ("'it\\'s'", ["'it\\'s~'"]),
        ('`{"a": [1]}`', ["'~'"]),
        ("list[0].id", ["list_x[0].id", "list[1].id", "list[0].id_x"]),
        ("list[-1]", ["list_x[-1]", "list[0]"]),
        ("a && b", ["a_x && b", "a || b", "a && b_x"]),
        ("[a][?@ != 'x']", ["[a_x][?@ != 'x']", "[a][?@ == 'x']", "[a][?@ != 'x~']"]),
        ("upper(a)", ["(a)", "upper(a_x)"]),
        ("default(lower(a), b)", ["(lower(a))", "default((a), b)", "default(lower(a_x), b)", "default(lower(a), b_x)"]),
        ("join('(', [a, b])", ["('(')", "join('(~', [a, b])", "join('(', [a_x, b])", "join('(', [a, b_x])"]),
    ],
)
def test_each_leaf_is_changed_once_and_then_the_whole(text, wanted):
    assert changed(text) == [*wanted, "'~'"]
    assert isinstance(compile_expression(text, {}), Expression)
    assert all(isinstance(compile_expression(one, {}), Expression) for one in wanted)


def test_the_line_of_a_change_is_told_from_that_of_its_key():
    text = "{\n  first: a,\n  second: b\n}\n"
    found = {change.what: change.below for change in changed_expressions(text)}
    assert found["the member first changed to another"] == 2
    assert found["the member b changed to another"] == 3
    assert [change.below for change in changed_expressions("{first: a}")] == [0, 0, 0]
