"""The committed AsyncAPI document is the one that the code makes, and points at schemas that are there."""

from gateway.contract import asyncapi
from tests.contract.refresh_asyncapi import FILE, generated


def test_the_committed_document_is_what_the_code_makes():
    assert FILE.read_text(encoding="utf-8") == generated(), "run python -m tests.contract.refresh_asyncapi"


def test_every_message_has_a_schema_and_a_channel():
    document = asyncapi()
    used = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert used == set(document["components"]["messages"])
    for message in document["components"]["messages"].values():
        assert (FILE.parent / message["payload"]["schema"]["$ref"]).is_file(), message["name"]
