"""The JSON Schema that editors use: as committed, met by every shipped profile, and never stricter than the program."""

import json
import random
from copy import deepcopy
from datetime import datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from typer.testing import CliRunner

from gateway.cli import app
from gateway.mapping.profile import Profile, parse_profile
from gateway.mapping.profile_schema import profile_schema, schema_text
from tests.contract.corpus import BRANDS
from tests.contract.refresh_profile_schema import FILE

SCHEMA = profile_schema()
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())
PROFILES = sorted(BRANDS.glob("*/profile.v*.yaml"))
COMMENT = "# yaml-language-server: $schema=../profile.schema.json"
VALUES = (
    None,
    True,
    0,
    -1,
    7.5,
    10**9,
    "",
    "NO",
    "no such word",
    "x" * 201,
    [],
    ["x"],
    {},
    {"x": 1},
    [{"x": 1}],
    [None],
)


class Plain(yaml.CSafeDumper):
    """Without anchors, which profiles may not have."""

    def ignore_aliases(self, _data):
        return True


def members_of(path):
    """What an editor sees: moments are texts to it."""
    members = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in members.items()}


def is_taken(members):
    return isinstance(parse_profile(yaml.dump(members, Dumper=Plain), file="x"), Profile)


def places(part, path=()):
    yield path
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, child in inner:
        yield from places(child, (*path, name))


def changed(members, path, change):
    members = deepcopy(members)
    part = members
    for name in path[:-1]:
        part = part[name]
    change(part, path[-1])
    return members


def test_the_committed_file_is_the_one_that_the_code_makes():
    assert FILE.read_text(encoding="utf-8") == schema_text(), "run: python -m tests.contract.refresh_profile_schema"
    Draft202012Validator.check_schema(SCHEMA)


def test_every_part_is_closed_and_every_member_explained():
    parts = {"Profile": SCHEMA, **SCHEMA["$defs"]}
    objects = {name: part for name, part in parts.items() if "properties" in part}
    assert len(objects) > 10
    assert {name for name, part in objects.items() if part.get("additionalProperties") is not False} == set()
    silent = [
        f"{name}.{member}"
        for name, part in objects.items()
        for member, said in part["properties"].items()
        if not said.get("description")
    ]
    assert not silent, "say in gateway/mapping/profile_schema.py what they are"


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_a_shipped_profile_names_the_schema_and_meets_it(path):
    assert path.read_text(encoding="utf-8").startswith(COMMENT + "\n")
    assert [fault.message for fault in VALIDATOR.iter_errors(members_of(path))] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("effective_at",), 1_700_000_000),
        (("status_codes", 0), {"status": "offered"}),
        (("status_codes", 0), {"status": "offered", "code": "A", "refuse": "why"}),
        (("status_codes", 0), {"status": "complete", "code": "A"}),
        (("status_codes", 0), {"status": "complete", "closure": "expired", "code": "A"}),
        (("status_codes", 0), {"status": "paused", "closure": "completed", "code": "A"}),
        (("status_codes", 0), {"status": "offered", "code": 1.5}),
        (("features",), {"notes": "yes"}),
        (("feed",), {"format": "custom", "events": {"job.offred": "id"}}),
        (("tables",), {"Upper": {"a": "b"}}),
        (("tables",), {"states": {"a": 1.5}}),
        (
            ("destinations",),
            [{"name": "feed.x", "kind": "webhook", "webhook": {"url": "https://x.example", "rate": "5"}}],
        ),
        (("destinations",), [{"name": "feed.x", "kind": "poll", "schedule": []}]),
        (("colour",), "blue"),
    ],
)
def test_what_is_wrong_is_seen_in_the_editor_and_by_the_program(path, value):
    members = changed(
        members_of(BRANDS / "harborline" / "profile.v1.yaml"),
        path,
        lambda part, name: part.update({name: value}) if isinstance(part, dict) else part.__setitem__(name, value),
    )
    assert not VALIDATOR.is_valid(members)
    assert not is_taken(members)


@pytest.mark.parametrize("value", [None, {"status": "offered", "code": None, "refuse": "why", "closure": None}])
def test_what_the_program_takes_is_not_marked_in_the_editor(value):
    members = members_of(BRANDS / "harborline" / "profile.v1.yaml")
    members |= {"accept_within": None} if value is None else {"status_codes": [value]}
    assert is_taken(members)
    assert VALIDATOR.is_valid(members)


@given(st.sampled_from(PROFILES), st.randoms(use_true_random=False), st.sampled_from(VALUES))
def test_what_the_schema_refuses_the_program_refuses_too(path, chance: random.Random, value):
    members = members_of(path)
    place = chance.choice([each for each in places(members) if each])
    ways = {
        "replace": lambda part, name: part.__setitem__(name, value),
        "remove": lambda part, name: part.pop(name),
        "add": lambda part, name: part.update({"another": value}) if isinstance(part, dict) else part.append(value),
    }
    variant = changed(members, place, ways[chance.choice(sorted(ways))])
    if not VALIDATOR.is_valid(variant):
        assert not is_taken(variant), json.dumps(variant)[:2000]


def test_a_command_prints_it():
    assert CliRunner().invoke(app, ["brands", "schema"]).stdout == FILE.read_text(encoding="utf-8")
