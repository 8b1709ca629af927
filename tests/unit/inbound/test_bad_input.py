"""Everything that can be wrong with a record ends as a value with a stable reason and the field at fault."""

import orjson
import pytest

from gateway.core.outcomes import Quarantined, Refused, Why
from gateway.core.parties import Side
from gateway.inbound.envelope import Envelope, read
from gateway.inbound.parsing import MAX_VALUE_BYTES
from gateway.inbound.translated import Translated
from gateway.inbound.unreadable import Unreadable, field_path
from tests.unit.inbound.records import connect, event, outcome_of, raw_record

OFFER = event(data={"title": "Dishwasher leaks", "customer": {"name": "Ann Lee"}})


def with_text(before: bytes, after: bytes) -> bytes:
    """The good offer with raw bytes exchanged."""
    text = orjson.dumps(OFFER)
    assert before in text
    return text.replace(before, after)


BYTES = [
    (None, Unreadable.EMPTY_VALUE, None),
    (b"", Unreadable.EMPTY_VALUE, None),
    (b"   ", Unreadable.NOT_JSON, None),
    (b"{", Unreadable.NOT_JSON, None),
    (b"offer", Unreadable.NOT_JSON, None),
    (b"\xff\xfe{}", Unreadable.NOT_JSON, None),
    (b"\xef\xbb\xbf{}", Unreadable.NOT_JSON, None),
    (b'{"a": "\xc3"}', Unreadable.NOT_JSON, None),
    (b'{"a": "\xed\xa0\x80"}', Unreadable.NOT_JSON, None),
    (b"null", Unreadable.NOT_AN_OBJECT, None),
    (b"[]", Unreadable.NOT_AN_OBJECT, None),
    (b"3", Unreadable.NOT_AN_OBJECT, None),
    (b"{}", Unreadable.MISSING_TYPE, "specversion"),
    (b'{"title": "Dishwasher leaks"}', Unreadable.MISSING_TYPE, "specversion"),
    (b"[" * 5_000 + b"]" * 5_000, Unreadable.TOO_DEEP, None),
    (b'{"a":' * 100_000, Unreadable.TOO_DEEP, None),
    (b"x" * (MAX_VALUE_BYTES + 1), Unreadable.TOO_LARGE, None),
    (b'{"a":"' + b"x" * 6_000_000 + b'"}', Unreadable.TOO_LARGE, None),
    (with_text(b'"Dishwasher leaks"', b"NaN"), Unreadable.NUMBER_OUT_OF_RANGE, "data.title"),
    (with_text(b'"Dishwasher leaks"', b"-Infinity"), Unreadable.NUMBER_OUT_OF_RANGE, "data.title"),
    (with_text(b'"Dishwasher leaks"', b"1e999"), Unreadable.NUMBER_OUT_OF_RANGE, "data.title"),
    (with_text(b'"Dishwasher leaks"', b"9" * 5_000), Unreadable.NUMBER_OUT_OF_RANGE, "data.title"),
    (with_text(b'"Dishwasher leaks"', b"18446744073709551616"), Unreadable.NUMBER_OUT_OF_RANGE, "data.title"),
    (with_text(b'"Dishwasher leaks"', b'"a\\u0000b"'), Unreadable.BAD_TEXT, "data.title"),
    (with_text(b'"Dishwasher leaks"', b'"\\ud83d"'), Unreadable.BAD_TEXT, "data.title"),
    (with_text(b'"title"', b'"ti\\u0000tle"'), Unreadable.BAD_TEXT, "data.ti\\x00tle"),
    (with_text(b'"acme"', b'"ac\\u0000me"'), Unreadable.BAD_TEXT, "source"),
    (with_text(b'"m-1"', b'"m\\udfff"'), Unreadable.BAD_TEXT, "id"),
    (with_text(b'"offer.submit.v1"', b'"offer\\u0000.v1"'), Unreadable.BAD_TEXT, "type"),
]


@pytest.mark.parametrize(("value", "why", "member"), BYTES, ids=[f"{n}-{case[1]}" for n, case in enumerate(BYTES)])
def test_bad_bytes_are_quarantined(value, why, member):
    outcome = outcome_of(raw_record(value))
    assert isinstance(outcome, Quarantined)
    assert (outcome.why, outcome.member) == (why, member)


def test_an_escaped_backslash_before_u0000_is_plain_text():
    assert isinstance(outcome_of(raw_record(with_text(b'"Dishwasher leaks"', rb'"C:\\u0000"'))), Translated)


def test_a_pair_of_surrogates_is_one_good_character():
    assert isinstance(outcome_of(raw_record(with_text(b'"Dishwasher leaks"', rb'"\ud83d\ude00"'))), Translated)


@pytest.mark.parametrize("content", [None, b"\xff", b"a\x00b"])
@pytest.mark.parametrize("name", ["ce_id", "content-type", "trace-id"])
def test_a_header_that_is_null_or_not_text_is_quarantined_with_its_sender_known(name, content):
    raw = raw_record(OFFER, headers=((name, content),))
    envelope = read(raw)
    assert isinstance(envelope, Envelope)
    assert (envelope.source, envelope.id) == ("acme", "m-1")
    outcome = outcome_of(raw)
    assert isinstance(outcome, Quarantined)
    assert (outcome.why, outcome.member) == (Unreadable.BAD_HEADER, f"headers.{name}")


def test_the_flawed_content_of_an_envelope_goes_no_further():
    envelope = read(raw_record(with_text(b'"Dishwasher leaks"', b'"a\\u0000b"')))
    assert isinstance(envelope, Envelope)
    assert (envelope.source, envelope.id, envelope.type, envelope.data) == ("acme", "m-1", "offer.submit", {})


def test_a_type_of_thousands_of_characters_is_not_kept():
    envelope = read(raw_record(event("x" * 3_000)))
    assert isinstance(envelope, Envelope)
    assert envelope.type == ""
    assert outcome_of(raw_record(event("x" * 3_000))) == Quarantined(why=Unreadable.UNKNOWN_TYPE, member="type")


@pytest.mark.parametrize("kind", ["photo.add.v1", "photo.set_visibility.v1"])
def test_photos_are_refused_by_name(kind):
    outcome = outcome_of(raw_record(event(kind), side=Side.PROVIDER))
    assert isinstance(outcome, Refused)
    assert outcome.why is Why.PHOTOS_NOT_SUPPORTED


def test_binary_mode_names_its_fields_like_structured_mode():
    headers = tuple((f"ce_{name}", str(value).encode()) for name, value in OFFER.items() if name != "data")
    outcome = outcome_of(raw_record(b'{"customer": {"name": "a\\u0000"}}', headers=headers))
    assert isinstance(outcome, Quarantined)
    assert (outcome.why, outcome.member) == (Unreadable.BAD_TEXT, "data.customer.name")


def test_binary_mode_takes_objects_only():
    headers = tuple((f"ce_{name}", str(value).encode()) for name, value in OFFER.items() if name != "data")
    outcome = outcome_of(raw_record(b'["x"]', headers=headers))
    assert isinstance(outcome, Quarantined)
    assert (outcome.why, outcome.member) == (Unreadable.WRONG_TYPE, "data")


@pytest.mark.parametrize("member", ["record", "header"])
def test_the_halves_of_a_connect_envelope_are_objects(member):
    value = connect("job", "v3", {"external_id": "A-1"}) | {member: "x"}
    outcome = outcome_of(raw_record(value, bound_source="acme"))
    assert isinstance(outcome, Quarantined)
    assert (outcome.why, outcome.member) == (Unreadable.WRONG_TYPE, member)


def test_what_is_wrong_is_told_without_what_was_sent():
    outcome = outcome_of(raw_record(event(data={"title": ["secret words"], "customer": {"name": 5}})))
    assert isinstance(outcome, Quarantined)
    assert "secret" not in f"{outcome.detail}{outcome.member}"


def test_fields_are_named_with_dots_and_brackets():
    assert field_path(("data", "customer", "phones", 0, "number")) == "data.customer.phones[0].number"
    assert field_path(("data", "é\n")) == "data.\\xe9\\n"
    assert len(field_path(("x" * 5_000,))) < 200
