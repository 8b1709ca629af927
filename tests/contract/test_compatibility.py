"""Versions of a message that are in use understand each other: as new readers, and as old ones where that is promised."""

import copy
import json

import pytest
from referencing import Registry, Resource

from tests.contract.compatibility import PROMISE, find_breaks, versions_in
from tests.contract.corpus import OUTBOUND
from tests.contract.refresh_inbound import CONTRACTS as INBOUND

PARTS = json.loads((OUTBOUND / "parts.json").read_text(encoding="utf-8"))
REGISTRY = Registry().with_resource("contracts/outbound/parts.json", Resource.from_contents(PARTS))
ACCEPTED = OUTBOUND / "job.accepted" / "v1"
SCHEMA = {
    "type": "object",
    "properties": {"rating": {"type": "integer", "maximum": 5}, "words": {"type": "string"}},
    "required": ["rating"],
    "additionalProperties": False,
}


def judged_inbound(example):
    """The `data` of a whole CloudEvent; what has headers is another form of the same."""
    return example.get("data", {}) if "specversion" in example else None


def messages(root):
    return sorted(path for path in root.iterdir() if path.is_dir())


@pytest.mark.parametrize("message", messages(OUTBOUND), ids=lambda path: path.name)
def test_what_is_sent_is_read_across_versions(message):
    assert [str(one) for one in find_breaks(versions_in(message, "examples/*.json"), REGISTRY)] == []


@pytest.mark.parametrize("message", messages(INBOUND), ids=lambda path: path.name)
def test_what_is_received_is_read_across_versions(message):
    versions = versions_in(message, "examples/valid/*.json", judged_inbound)
    assert any(version.examples for version in versions)
    assert [str(one) for one in find_breaks(versions)] == []


@pytest.fixture
def written(tmp_path):
    """Puts versions of a made-up message into a folder: each a schema and its only example."""

    def write(*versions):
        for number, (schema, example) in enumerate(versions, start=1):
            folder = tmp_path / "survey.answer" / f"v{number}"
            (folder / "examples").mkdir(parents=True)
            (folder / "schema.json").write_text(json.dumps(schema))
            (folder / "examples" / "plain.json").write_text(json.dumps(example))
        return [
            (one.reader, one.writer, one.example, one.member)
            for one in find_breaks(versions_in(tmp_path / "survey.answer", "examples/*.json"), REGISTRY)
        ]

    return write


def changed(schema=SCHEMA, **members):
    return copy.deepcopy(schema) | members


def test_a_version_that_only_allows_more_is_compatible(written):
    wider = changed(properties=SCHEMA["properties"] | {"visit": {"type": "string"}})
    assert written((SCHEMA, {"rating": 5}), (wider, {"rating": 5, "visit": "apt-1"})) == []


def test_a_member_that_the_new_version_insists_on_is_named(written):
    strict = changed(required=["rating", "words"])
    assert written((SCHEMA, {"rating": 5}), (strict, {"rating": 5, "words": "Good"})) == [(2, 1, "plain", "$.words")]


def test_a_member_that_the_new_version_has_no_more_is_named(written):
    poorer = changed(properties={"rating": {"type": "integer"}})
    found = written((SCHEMA, {"rating": 5, "words": "Good"}), (poorer, {"rating": 5}))
    assert found == [(2, 1, "plain", "$.words")]


def test_a_member_of_another_type_is_named(written):
    texts = changed(properties=SCHEMA["properties"] | {"rating": {"type": "string"}})
    assert written((SCHEMA, {"rating": 5}), (texts, {"rating": "5"})) == [(2, 1, "plain", "$.rating")]


def test_every_version_in_use_counts_and_not_just_the_one_before(written):
    first = changed(properties=SCHEMA["properties"] | {"rating": {"type": "integer", "maximum": 10}})
    assert written((first, {"rating": 9}), (first, {"rating": 4}), (SCHEMA, {"rating": 5})) == [
        (3, 1, "plain", "$.rating")
    ]


def test_an_old_reader_is_asked_only_where_the_new_version_promises_it(written):
    wider = changed(properties=SCHEMA["properties"] | {"visit": {"type": "string"}})
    richer = {"rating": 5, "visit": "apt-1"}
    old = (SCHEMA, {"rating": 5})
    assert written(old, (wider | {PROMISE: [1]}, richer)) == [(1, 2, "plain", "$.visit")]


def test_that_a_message_names_its_version_is_no_break(written):
    schema = (ACCEPTED / "schema.json").read_text(encoding="utf-8")
    example = (ACCEPTED / "examples" / "plain.json").read_text(encoding="utf-8")
    later = [
        text.replace("accepted/v1/", "accepted/v2/").replace("accepted.v1", "accepted.v2") for text in (schema, example)
    ]
    narrower = json.loads(later[0])
    narrower["properties"]["data"]["properties"]["status"]["enum"] = ["scheduled"]
    first, second = (json.loads(schema), json.loads(example)), (json.loads(later[0]), json.loads(later[1]))
    third = (json.loads(json.dumps(narrower).replace("v2", "v3")), json.loads(later[1].replace("v2", "v3")))
    third[1]["data"]["status"] = "scheduled"
    assert written(first, second, third) == [(3, 1, "plain", "$.data.status"), (3, 2, "plain", "$.data.status")]
