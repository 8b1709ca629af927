"""The committed OpenAPI document is the one that the code makes; it is valid, whole, and true to its examples."""

import json
import re
from html.parser import HTMLParser

import pytest
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from gateway.contract import asyncapi
from gateway.edge import describe
from gateway.inbound.catalogue import CATALOGUE
from gateway.inbound.http.canonical import ADDRESSES
from gateway.schemas import CONTRACTS
from gateway.web.documents import render_reference
from tests.contract.refresh_openapi import FILE, generated

DOCUMENT = json.loads(json.dumps(describe()))
OPERATIONS = {one["operationId"]: one for methods in DOCUMENT["paths"].values() for one in methods.values()}


def contents(part):
    """Every (schema, examples) that the document holds."""
    if isinstance(part, list):
        for each in part:
            yield from contents(each)
    elif isinstance(part, dict):
        if "schema" in part and "examples" in part:
            yield part["schema"], part["examples"]
        for each in part.values():
            yield from contents(each)


def references(part):
    if isinstance(part, list):
        for each in part:
            yield from references(each)
    elif isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)


def found_at(document, reference):
    for step in reference.removeprefix("#/").split("/"):
        document = document[step]
    return document


def test_the_committed_document_is_what_the_code_makes():
    assert FILE.read_text(encoding="utf-8") == generated(), "run python -m tests.contract.refresh_openapi"


def test_it_is_valid_openapi():
    assert [f"{error.instance_path}: {error.message}" for error in OPENAPI_31_VALIDATOR.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    "document", [DOCUMENT, json.loads(json.dumps(asyncapi(CONTRACTS)))], ids=["openapi", "asyncapi"]
)
def test_what_is_served_points_at_nothing_outside_of_itself(document):
    for reference in set(references(document)):
        assert found_at(document, reference) is not None, reference


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_content_has_an_example_and_every_example_is_of_its_schema(name):
    pairs = list(contents(OPERATIONS[name]))
    assert pairs
    for schema, examples in pairs:
        validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
        for example in examples.values():
            assert [error.message for error in validator.iter_errors(example["value"])] == []
    sent = OPERATIONS[name].get("requestBody", {}).get("content", {})
    assert all(content.get("examples") for content in sent.values())


def test_every_problem_has_an_example_of_its_schema():
    for answer in DOCUMENT["components"]["responses"].values():
        [(schema, examples)] = contents(answer)
        validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
        for example in examples.values():
            validator.validate(example["value"])


def test_every_command_is_described_with_its_message():
    commands = {address.type for address in ADDRESSES}
    assert commands <= set(OPERATIONS)
    assert commands <= set(CATALOGUE)
    for name in commands:
        [content] = OPERATIONS[name]["requestBody"]["content"].values()
        assert content["schema"] == {"$ref": f"#/components/schemas/{name}"}
        assert {"200", "202", "401", "403", "404", "409", "422", "503"} <= set(OPERATIONS[name]["responses"])


def test_paths_name_what_they_hold():
    for path, methods in DOCUMENT["paths"].items():
        for one in methods.values():
            named = {each["name"] for each in one.get("parameters", ()) if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), path


class Page(HTMLParser):
    """The ids that a page has, what it points at, and what it would load."""

    def __init__(self):
        super().__init__()
        self.ids, self.targets, self.loaded, self.told = set(), set(), [], ""

    def handle_starttag(self, tag, attributes):
        members = dict(attributes)
        self.ids.add(members.get("id"))
        self.targets.add(members.get("href"))
        if tag in {"script", "link", "img", "iframe"} or "src" in members:
            self.loaded.append(tag)

    def handle_data(self, data):
        self.told += data


def test_the_reference_for_people_needs_nothing_but_itself():
    page = Page()
    page.feed(render_reference(DOCUMENT))
    assert page.loaded == []
    assert set(OPERATIONS) <= page.ids
    inside = {target[1:] for target in page.targets if target and target.startswith("#")}
    assert inside <= page.ids
    assert page.targets - {f"#{one}" for one in inside} - {None} == {"/openapi.json", "/asyncapi.json"}


def test_what_stands_in_the_document_is_text_in_the_reference():
    spiked = json.loads(json.dumps(DOCUMENT))
    spiked["info"]["description"] = "<script>alert(1)</script>"
    page = Page()
    page.feed(render_reference(spiked))
    assert page.loaded == []
    assert "<script>" in page.told
