"""The inbound contracts: every valid example translates, every invalid one fails for its stated reason and field."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gateway.core.outcomes import Quarantined, Refused, Why
from gateway.core.parties import Side
from gateway.inbound.catalogue import CATALOGUE
from gateway.inbound.envelope import Envelope, Form, read
from gateway.inbound.record import RawRecord
from gateway.inbound.translate import translate
from gateway.inbound.translated import Translated
from gateway.inbound.unreadable import Unreadable
from tests.contract.refresh_inbound import CONTRACTS, schema_path, schema_text

SIDES = {
    "acme": Side.ENTERPRISE,
    "northstar": Side.PROVIDER,
    "booking-page": Side.BOOKING_PAGE,
    "survey-sender": Side.SURVEYS,
}
VALID = sorted(CONTRACTS.glob("*/v1/examples/valid/*.json"))
INVALID = sorted(CONTRACTS.glob("*/v1/examples/invalid/*.json"))


def message_of(path: Path) -> str:
    return path.relative_to(CONTRACTS).parts[0]


def name_of(path: Path) -> str:
    return f"{message_of(path)}-{path.stem}"


def raw_record(example: dict) -> RawRecord:
    """An example is a whole value, or, where headers matter, `{"headers": …, "value": …}`."""
    headers = example.get("headers", {})
    value = example.get("value", example)
    source = headers.get("ce_source") or (value.get("source") if isinstance(value, dict) else None)
    return RawRecord(
        door="gateway.test.v1",
        arrived_at=datetime(2026, 3, 1, 10, 16, tzinfo=UTC),
        headers=tuple((name, text.encode()) for name, text in headers.items()),
        value=json.dumps(value).encode(),
        side=SIDES.get(source, Side.ENTERPRISE),
    )


def translated(path: Path) -> Translated | Quarantined | Refused:
    raw = raw_record(json.loads(path.read_text(encoding="utf-8")))
    envelope = read(raw)
    return translate(envelope, raw.side, raw.arrival) if isinstance(envelope, Envelope) else envelope


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_a_valid_example_translates(path):
    assert isinstance(translated(path), Translated)


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_a_valid_example_is_valid_by_the_committed_schema(path):
    envelope = read(raw_record(json.loads(path.read_text(encoding="utf-8"))))
    assert isinstance(envelope, Envelope)
    if envelope.form is Form.CLOUDEVENTS:
        assert envelope.type == message_of(path)
        schema = json.loads(schema_path(envelope.type).read_text(encoding="utf-8"))
        Draft202012Validator(schema).validate(envelope.data)


@pytest.mark.parametrize("path", INVALID, ids=name_of)
def test_an_invalid_example_fails_for_its_stated_reason(path):
    stated = json.loads(path.read_text(encoding="utf-8"))["field"]
    outcome = translated(path)
    assert isinstance(outcome, Quarantined | Refused)
    assert (outcome.why.value, outcome.member) == (path.name.split(".")[0], stated)


@pytest.mark.parametrize("message", CATALOGUE)
def test_a_message_has_a_schema_as_generated_and_examples_of_both_kinds(message):
    assert schema_path(message).read_text(encoding="utf-8") == schema_text(message), (
        "python -m tests.contract.refresh_inbound"
    )
    Draft202012Validator.check_schema(json.loads(schema_text(message)))
    assert [path for path in VALID if message_of(path) == message]
    assert [path for path in INVALID if message_of(path) == message]


def test_every_folder_is_a_message():
    assert {path.name for path in CONTRACTS.iterdir() if path.is_dir()} == set(CATALOGUE)


def test_no_word_means_two_things():
    assert not {word.value for word in Unreadable} & {word.value for word in Why}
