"""The running edge keeps to its OpenAPI document, whatever the document allows to be sent, and what it does not."""

import asyncio
import hashlib
import hmac
import os
from http import HTTPStatus

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.edge import describe
from tests.edge import bearer, listening, serving
from tests.inbound import EVERGREEN, LAKESIDE, START, offer, opened, provider
from tests.keys import make_key

VALID, INVALID = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
AT_LENGTH = os.environ.get("GATEWAY_TEST_LENGTH") == "full"
EXAMPLES = 200 if AT_LENGTH else 3
TURNS = [
    ("postgresql", VALID),
    ("sqlite", INVALID),
    *([("postgresql", INVALID), ("sqlite", VALID)] if AT_LENGTH else []),
]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
STREAM = "text/event-stream"
# Ids that stand for something, so that more is met than what is unknown.
KNOWN = {"id": ["A-1", "A-2", "dee", "tom", LAKESIDE], "appointment": ["V-1"], "note": ["N-1"]}


@pytest.fixture
async def road(staffed_url):
    async with opened(staffed_url) as road:
        await road.receive(
            offer("A-1"),
            offer("A-2"),
            provider("offer.accept", "A-1"),
            provider("appointment.add", "A-1", id="V-1", start=START, technician="tom"),
            provider("note.add", "A-1", id="N-1", text="Hello", visibility="public"),
        )
        yield road


NO_HTTP = b"Invalid HTTP request received."


class Proof:
    """What a caller adds to its requests: its token, and its signature of the bytes that leave."""

    def __init__(self, key):
        self.key = key

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        signature = hmac.new(bytes.fromhex(self.key["secret"]), body, hashlib.sha256).hexdigest()
        request.headers.update(bearer(self.key))
        request.headers.update({"X-Dispatch-Key": self.key["key"], "X-Dispatch-Signature": signature})
        return request


def ask(place, keys, mode):
    """Sends what each operation of the document may be sent, by either caller, and checks each answer."""
    asked, document = 0, describe()
    streams = {path for path, methods in document["paths"].items() if STREAM in content_of(methods.get("get", {}))}
    assert streams
    for result in schemathesis.openapi.from_url(f"{place}/openapi.json").get_all_operations():
        operation = result.ok()
        if mode is INVALID and not takes_something(document["paths"][operation.path][operation.method.lower()]):
            continue

        @given(case=operation.as_strategy(generation_mode=mode), key=st.sampled_from(keys), chance=st.data())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case, key, chance):
            nonlocal asked
            for name in case.path_parameters or {}:
                if name in KNOWN and chance.draw(st.booleans()):
                    case.path_parameters[name] = chance.draw(st.sampled_from(KNOWN[name]))
            asked += 1
            if case.operation.path in streams:
                check_beginning(case, place, Proof(key))
                return
            answer = case.call(base_url=place, auth=Proof(key))
            if answer.content == NO_HTTP:
                # What is no HTTP comes to none of the endpoints that are described.
                return
            case.validate_response(answer, checks=CHECKS)

        check()
    return asked


def content_of(described):
    return described.get("responses", {}).get("200", {}).get("content", {})


def check_beginning(case, place, proof):
    """What can be said of an answer that has no end: a stream where all is well, else what the document says."""
    asked = case.as_transport_kwargs(base_url=place)
    with requests.request(**asked, auth=proof, stream=True, timeout=30) as answer:
        if answer.status_code == HTTPStatus.OK:
            assert answer.headers["Content-Type"].startswith(STREAM)
            assert next(answer.iter_lines()).startswith(b"retry: ")
        else:
            case.validate_response(answer, checks=CHECKS)


def takes_something(described):
    return "parameters" in described or "requestBody" in described


@pytest.mark.timeout(3_600 if AT_LENGTH else 300)
@pytest.mark.parametrize(("staffed_url", "mode"), TURNS, indirect=["staffed_url"], ids=str)
async def test_every_answer_is_one_that_the_document_names(road, mode):
    keys = [await make_key(road.database, account=EVERGREEN), await make_key(road.database, organization=LAKESIDE)]
    async with listening(road) as place:
        asked = await asyncio.to_thread(ask, place, keys, mode)
    assert asked > len(describe()["paths"])
    assert {row["reason"] for row in await road.records()}.isdisjoint({"bug", "database_refused"})
    assert await road.is_balanced()


async def test_nobody_is_let_in_anywhere_without_proof(road):
    document = describe()
    async with serving(road) as client:
        for number, (path, methods) in enumerate(document["paths"].items()):
            # Each from an address of its own: whoever fails too often waits.
            stranger = httpx.ASGITransport(client._transport.app, client=(f"10.0.0.{number}", 1))
            async with httpx.AsyncClient(transport=stranger, base_url="http://gateway") as nobody:
                for method, one in methods.items():
                    answer = await nobody.request(method.upper(), path.replace("{id}", "A-1"), json={})
                    expected = 401 if one["security"] else 200
                    assert answer.status_code == expected, (method, path, answer.text)
