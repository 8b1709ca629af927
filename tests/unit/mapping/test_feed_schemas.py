"""A brand's own schema: every example that renders follows it, and it needs nothing outside the profile."""

import pytest

from gateway.mapping.check import check_profile
from tests.unit.mapping.texts import PLAIN, REASONS, custom, profile_of, with_lines

BODY = "default: '{event: type, status: data.code, job: data.job.id}'"


def schemas(*lines):
    return with_lines("  schemas:", *(f"    {each}" for each in lines))


def errors_in(text):
    return [(one.line, one.member, one.what) for one in check_profile(profile_of(text), "x")]


def test_examples_that_follow_it_pass():
    schema = "default: {type: object, required: [event, job], properties: {event: {type: string}}}"
    assert errors_in(custom(BODY) + schemas(schema)) == []


def test_a_breach_names_the_example_the_member_and_the_line_of_the_rule():
    text = custom(BODY) + schemas(
        "default:",
        "  type: object",
        "  properties:",
        "    status: {type: [string, 'null']}",
        "    job: {type: integer}",
    )
    errors = errors_in(text)
    assert errors
    assert {line for line, _, _ in errors} == {len(text.splitlines())}
    assert {member for _, member, _ in errors} == {"feed.schemas.default.properties.job.type"}
    assert any(
        what.startswith("the example appointment.canceled only_one breaks the brand's schema: job: 'job-")
        and "integer" in what
        for _, _, what in errors
    )


def test_an_event_types_own_schema_is_its_own():
    text = custom(BODY) + schemas("job.offered: {required: [colour]}")
    errors = errors_in(text)
    assert {member for _, member, _ in errors} == {"feed.schemas.job.offered.required"}
    assert all("'colour' is a required property" in what for _, _, what in errors)
    assert all("example job.offered" in what for _, _, what in errors)


def test_canonical_bodies_are_checked_too():
    feed = with_lines("feed:") + schemas("default: {properties: {specversion: {const: '2.0'}}}")
    assert {member for _, member, _ in errors_in(PLAIN + REASONS + feed)} == {
        "feed.schemas.default.properties.specversion.const"
    }


@pytest.mark.parametrize(
    ("schema", "member", "what"),
    [
        ("{$ref: 'https://partner.example/body.json'}", "$ref", "is outside of this schema"),
        ("{$ref: '../../../etc/passwd'}", "$ref", "is outside of this schema"),
        ("{properties: {a: {$ref: 'file:///etc/passwd#/x'}}}", "properties.a.$ref", "is outside of this schema"),
        ("{anyOf: [{$dynamicRef: 'https://partner.example/'}]}", "anyOf.0.$dynamicRef", "is outside of this schema"),
        ("{$id: 'https://partner.example/', type: object}", "$id", "has no use here"),
        (
            "{$schema: 'http://json-schema.org/draft-07/schema#'}",
            "$schema",
            "must be https://json-schema.org/draft/2020",
        ),
        ("{type: objekt}", "type", "is no JSON Schema of draft 2020-12"),
        ("{properties: {a: {minimum: one}}}", "properties.a.minimum", "is no JSON Schema of draft 2020-12"),
    ],
)
def test_what_is_no_schema_of_its_own_is_refused(schema, member, what):
    text = custom(BODY) + schemas(f"default: {schema}")
    ((line, found, said),) = errors_in(text)
    assert (line, found) == (len(text.splitlines()), f"feed.schemas.default.{member}")
    assert what in said


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("{$ref: '#/$defs/none'}", "is not in it: write it under $defs"),
        ("{$ref: '#'}", "leads back to itself"),
        ("{required: [a], $ref: '#/required'}", "leads to what is no schema"),
        ("{allOf: [{}], $ref: '#/allOf/first'}", "leads to what is no schema"),
        ("{default: {required: 5}, $ref: '#/default'}", "leads to what is no schema"),
    ],
)
def test_a_reference_to_nothing_to_itself_or_to_no_schema_is_refused(schema, said):
    errors = errors_in(custom(BODY) + schemas(f"default: {schema}"))
    assert errors
    assert all(said in what for _, _, what in errors), errors


def test_a_reference_within_is_followed():
    schema = "default: {properties: {job: {$ref: '#/$defs/job'}}, $defs: {job: {pattern: '^job-'}}}"
    assert errors_in(custom(BODY) + schemas(schema)) == []
    assert errors_in(custom(BODY) + schemas(schema.replace("^job-", "^work-")))
