"""Whatever comes, reading and translating answer with a value that can be stored."""

import json
from pathlib import Path

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.outcomes import Quarantined, Refused
from gateway.core.parties import Side
from gateway.inbound.catalogue import CATALOGUE
from gateway.inbound.envelope import Envelope, read
from gateway.inbound.translated import Translated
from gateway.inbound.unreadable import Unreadable
from tests.unit.inbound.records import outcome_of, raw_record

EXAMPLES = sorted((Path(__file__).parents[3] / "contracts" / "inbound").glob("*/v1/examples/valid/*.json"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=12)
    | st.sampled_from(
        ["", "\0", "\ud800", "job-1", "apt-2", "2026-01-01", "2026-01-01T00:00:00Z", "x" * 300, "9999-12-31T23:59:59Z"]
    )
)
NAMES = st.sampled_from(
    sorted({name for message in CATALOGUE.values() for name in message.model.model_fields} | {"id", "source"})
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5),
    max_leaves=12,
)
SIDES = st.sampled_from(list(Side))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "content-type", "x"])
        | st.text(max_size=5),
        st.none()
        | st.binary(max_size=8)
        | st.sampled_from([b"1.0", b"offer.submit.v1", b"acme", b"application/cloudevents+json"]),
    ),
    max_size=6,
).map(tuple)


def assert_storable(raw):
    envelope = read(raw)
    if isinstance(envelope, Envelope):
        for text in (envelope.source, envelope.id, envelope.subject, envelope.type):
            assert text is None or ("\0" not in text and len(text.encode()) <= 800)
    outcome = outcome_of(raw)
    assert isinstance(outcome, Translated | Quarantined | Refused)
    if isinstance(outcome, Quarantined):
        assert isinstance(outcome.why, Unreadable)
    if isinstance(outcome, Quarantined | Refused):
        orjson.dumps([outcome.member, outcome.detail])
        assert "\0" not in (outcome.member or "") + outcome.detail


def lenient(tree) -> bytes:
    """JSON as a careless sender writes it: NaN, huge numbers and lone surrogates go through."""
    return json.dumps(tree).encode()


@given(value=st.binary(max_size=200), headers=HEADERS, side=SIDES)
def test_for_arbitrary_bytes(value, headers, side):
    assert_storable(raw_record(value, headers=headers, side=side))


@given(tree=TREES, headers=HEADERS, side=SIDES)
def test_for_arbitrary_json(tree, headers, side):
    assert_storable(raw_record(lenient(tree), headers=headers, side=side, bound_source="acme"))


@given(kind=st.sampled_from(sorted(CATALOGUE)), data=st.dictionaries(NAMES, TREES, max_size=6), attributes=st.dictionaries(
    st.sampled_from(["id", "subject", "time", "source", "datacontenttype"]), SCALARS, max_size=3), side=SIDES)  # fmt: skip
def test_for_any_content_of_any_message(kind, data, attributes, side):
    value = {"specversion": "1.0", "type": f"{kind}.v1", "source": "acme", "subject": "A-1", "id": "1"} | attributes
    assert_storable(raw_record(lenient(value | {"data": data}), side=side))


@settings(max_examples=300)
@given(path=st.sampled_from(EXAMPLES), where=st.integers(0, 10**6), intruder=SCALARS, side=SIDES)
def test_for_good_messages_with_one_value_exchanged(path, where, intruder, side):
    example = json.loads(path.read_text(encoding="utf-8"))
    places = list(_places(example))
    holder, key = places[where % len(places)]
    holder[key] = intruder
    headers = example.get("headers") if isinstance(example.get("headers"), dict) else {}
    pairs = tuple((name, text.encode("utf-8", "replace")) for name, text in headers.items() if isinstance(text, str))
    value = example.get("value", example)
    assert_storable(raw_record(lenient(value), headers=pairs, side=side))


def _places(tree):
    for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, key
        if isinstance(item, dict | list):
            yield from _places(item)
