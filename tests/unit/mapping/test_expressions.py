"""Expressions: the library's meaning, our functions, and failures that give nothing away."""

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.expressions import Expression, ExpressionFailed, NotAnExpression, compile_expression

TABLES = {"states": {"a": "Alpha", "1": 11}}


def value(text, document=None):
    expression = compile_expression(text, TABLES)
    assert isinstance(expression, Expression), expression
    return expression.of(document)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("date_format('2026-03-02T15:04:05Z', '%m/%d/%Y %H:%M')", "03/02/2026 15:04"),
        ("date_format('2026-03-02T15:04:05-05:00', '%H%z')", "15-0500"),
        ("date_parse('03/02/2026 15:04', '%m/%d/%Y %H:%M')", "2026-03-02T15:04:00Z"),
        ("date_parse('03/02/2026 -0600', '%m/%d/%Y %z')", "2026-03-02T06:00:00Z"),
        ("date_only('2026-03-02T23:30:00-05:00')", "2026-03-02"),
        ("to_epoch('1970-01-02T00:00:00Z')", 86400),
        ("from_epoch(`86400`)", "1970-01-02T00:00:00Z"),
        ("phone_e164('(312) 555-0142')", "+13125550142"),
        ("phone_e164('+1 312.555.0142')", "+13125550142"),
        ("phone_e164('+49 30 5550142')", None),
        ("phone_e164('112 555 0142')", None),
        ("digits('C-12 / 34')", "1234"),
        ("code('states', 'a')", "Alpha"),
        ("code('states', `1`)", 11),
        ("code('states', 'z')", None),
        ("default(null, 'x')", "x"),
        ("default('', 'x')", ""),
        ("coalesce(null, '', 'y')", "y"),
        ("coalesce(null)", None),
        ("lower('AbC')", "abc"),
        ("upper('AbC')", "ABC"),
        ("compact({a: 'x', b: null})", {"a": "x"}),
    ],
)
def test_the_named_functions(text, made):
    assert value(text.replace("null", "`null`"), {}) == made


@pytest.mark.parametrize(
    "call",
    [
        "date_format(@, '%Y')",
        "date_parse(@, '%Y')",
        "date_only(@)",
        "to_epoch(@)",
        "from_epoch(@)",
        "phone_e164(@)",
        "digits(@)",
        "code('states', @)",
        "lower(@)",
        "upper(@)",
        "compact(@)",
    ],
)
def test_null_stays_null(call):
    assert value(call, None) is None


@pytest.mark.parametrize(
    "text",
    [
        "date_format('2026-03-02', '%9999999d')",
        "date_format('2026-03-02', '%s')",
        "date_format('yesterday', '%Y')",
        "from_epoch(`1e300`)",
        "upper(`3`)",
        "sort(@)",
        "max_by(@, &a)",
    ],
)
def test_what_cannot_be_done_fails_as_a_value(text):
    assert isinstance(value(text, [{"a": 1}, {"a": "x"}]), ExpressionFailed)


def test_a_failure_tells_no_value():
    made = value("upper(keep)", {"keep": ["the gate code is 4711"]})
    assert made == ExpressionFailed("upper() was given a array") or "4711" not in made.detail


@pytest.mark.parametrize("text", ["", "a.", "a[", "nope(a)", "lower()", "code(a, b)", "code('none', b)", "[" * 3000])
def test_what_cannot_be_compiled(text):
    assert isinstance(compile_expression(text, TABLES), NotAnExpression)


LEAVES = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["", "x", "a"])
DOCUMENTS = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)
NAMES = st.sampled_from(["a", "b", "c", "@", "`1`", "'x'", "`[]`", "a[0]", "b[-1]", "a[*]", "a[]", "*"])
EXPRESSIONS = st.recursive(
    NAMES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["a", "b", "[0]", "[*].a", "[].b", "[?a].b", "{x: a, y: b}", "[a, b]"])).map(
            lambda pair: f"({pair[0]}){pair[1] if pair[1].startswith('[') and ',' not in pair[1] else '.' + pair[1]}"
        ),
        st.tuples(inner, st.sampled_from([" || ", " && ", " | ", " == ", " < "]), inner).map(
            lambda three: f"({three[0]}){three[1]}({three[2]})"
        ),
        inner.map(lambda one: f"!({one})"),
        inner.map(lambda one: f"{{p: {one}, q: to_string({one})}}"),
        inner.map(lambda one: f"type({one})"),
        inner.map(lambda one: f"not_null({one}, 'none')"),
        inner.map(lambda one: f"length({one})"),
        inner.map(lambda one: f"map(&({one}), [a, b])"),
        inner.map(lambda one: f"({one})[::-1]"),
        inner.map(lambda one: f"({one})[:2]"),
        inner.map(lambda one: f"({one})[?a >= `1`]"),
        inner.map(lambda one: f"({one}).*"),
        inner.map(lambda one: f"sort_by(({one}), &a)"),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, DOCUMENTS)
def test_compiled_expressions_mean_what_the_library_means(text, document):
    try:
        expected = jmespath.search(text, document)
    except (jmespath.exceptions.JMESPathError, TypeError):
        made = value(text, document)
        assert isinstance(made, ExpressionFailed)
    else:
        assert value(text, document) == expected
