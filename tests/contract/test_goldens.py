"""Every event × brand renders to its golden file or is refused on purpose; every message is what its schema says."""

import json
from functools import cache

import jsonschema
import pytest
from referencing import Registry, Resource

from gateway.core.events import LOG_ONLY, EventType
from gateway.mapping.library import load_folder
from gateway.mapping.profile import FeedFormat
from tests.contract.corpus import BRANDS, OUTBOUND, ROOT, all_files, committed, messages_of

FRESH = all_files()
TYPES = sorted(kind.value for kind in frozenset(EventType) - LOG_ONLY)
EXAMPLES = sorted(OUTBOUND.glob("*/v1/examples/*.json"))
CANONICAL_BRANDS = sorted(
    profile.brand for profile in load_folder(BRANDS)[0].active.values() if profile.feed.format is FeedFormat.CANONICAL
)


@cache
def schema(kind: str) -> dict:
    return json.loads((OUTBOUND / kind / "v1" / "schema.json").read_text(encoding="utf-8"))


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    parts = Resource.from_contents(json.loads((OUTBOUND / "parts.json").read_text(encoding="utf-8")))
    registry = Registry().with_resource("contracts/outbound/parts.json", parts)
    return jsonschema.Draft202012Validator(schema(kind), registry=registry)


@pytest.mark.parametrize("path", sorted(FRESH), ids=lambda path: str(path.relative_to(ROOT / "contracts")))
def test_the_file_is_what_the_gateway_makes(path):
    assert path.is_file(), "run: python -m tests.contract.refresh"
    assert path.read_text(encoding="utf-8") == FRESH[path], "if it is meant so: python -m tests.contract.refresh"


def test_no_file_is_left_over():
    assert not committed() - set(FRESH), "run: python -m tests.contract.refresh"


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_message_has_a_schema_and_an_example(kind):
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    assert list((OUTBOUND / kind / "v1" / "examples").glob("*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def test_the_example_follows_its_schema(path):
    validator(path.parents[2].name).validate(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("brand", CANONICAL_BRANDS)
def test_what_the_brand_is_sent_follows_the_schema(brand):
    sent = messages_of(brand)
    assert sent
    for path in sent:
        body = json.loads(path.read_text(encoding="utf-8"))["body"]
        validator(body["type"].removesuffix(".v1")).validate(body)
        assert body["data"].get("profile_version"), path.name


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("job.accepted", {"jobversion": None}),
        ("job.declined", {"data": {"closure": "completed"}}),
        ("note.retracted", {"data": {"note": {"id": "note-1", "revision": 1, "text": "still here"}}}),
        ("customer.arrived", {"data": {"note": {"id": "note-1"}}}),
        ("survey.answered", {"data": {"details": {"rating": 6}}}),
        ("record.settled", {"data": {"outcome": "lost"}}),
    ],
)
def test_the_schema_refuses_what_must_not_be(kind, change):
    path = min((OUTBOUND / kind / "v1" / "examples").glob("*.json"))
    message = json.loads(path.read_text(encoding="utf-8"))
    message |= change | {"data": {**message["data"], **change.get("data", {})}}
    assert not validator(kind).is_valid(message)
