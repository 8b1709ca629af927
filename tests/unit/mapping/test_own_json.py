"""A brand's own JSON as a canonical message, or why it is not."""

import pytest

from gateway.mapping.own_json import CanonicalMessage, NotTranslated, WhyUntranslated, translate_own
from tests.unit.mapping.texts import PLAIN, profile_of, with_lines

PROFILE = profile_of(
    PLAIN
    + with_lines(
        "tables:",
        "  kinds: {NEW: offer.submit, NOTE: note.add, ODD: job.cancel}",
        "inbound:",
        "  topic: acme.own.v1",
        "  type: code('kinds', kind)",
        "  id: number",
        "  subject: about",
        "  time: date_parse(at, '%m/%d/%Y')",
        "  data:",
        "    offer.submit: '{title: title, address: {city: place.city, state: place.state}, extra: extra}'",
        "    note.add: text",
    )
)


def test_a_document_becomes_a_message_without_what_it_lacks():
    document = {"kind": "NEW", "number": 7, "about": "C-1", "at": "03/02/2026", "title": "Leak", "place": {"city": "X"}}
    assert translate_own(PROFILE, document) == CanonicalMessage(
        type="offer.submit",
        id="7",
        subject="C-1",
        time="2026-03-02T00:00:00Z",
        data={"title": "Leak", "address": {"city": "X"}},
    )


BY_TRANSFORMATION = profile_of(
    PLAIN
    + with_lines(
        "custom:",
        "  transformation: ax",
        "  records:",
        """    order: {type: "'offer.submit'", id: n, subject: n, data: {offer.submit: '{title: t}'}}""",
        """    remark: {type: "'note.add'", id: n, subject: about, data: {default: '{text: t}'}}""",
    )
)


def test_a_document_by_its_transformation_is_read_as_its_record_type_has_it():
    order = translate_own(BY_TRANSFORMATION, {"n": 7, "t": "Leak"}, "order")
    assert order == CanonicalMessage("offer.submit", "7", "7", None, {"title": "Leak"})
    remark = translate_own(BY_TRANSFORMATION, {"n": 8, "about": "7", "t": "Hello"}, "remark")
    assert remark == CanonicalMessage("note.add", "8", "7", None, {"text": "Hello"})


@pytest.mark.parametrize("record_type", ["", "Order", "invoice"])
def test_a_record_type_that_the_transformation_does_not_know_is_named(record_type):
    made = translate_own(BY_TRANSFORMATION, {}, record_type)
    assert made == NotTranslated(WhyUntranslated.UNKNOWN_RECORD_TYPE, "headers.RecordType")


def test_the_topic_and_the_transformation_are_two_things():
    assert translate_own(BY_TRANSFORMATION, {}).reason is WhyUntranslated.NO_INBOUND_FORM
    assert translate_own(PROFILE, {}, "order").reason is WhyUntranslated.NO_INBOUND_FORM


def test_what_is_optional_may_be_missing():
    message = translate_own(PROFILE, {"kind": "NEW", "title": "Leak"})
    assert (message.id, message.subject, message.time) == (None, None, None)


@pytest.mark.parametrize(
    ("document", "reason", "field"),
    [
        ([], WhyUntranslated.NOT_AN_OBJECT, ""),
        ("NEW", WhyUntranslated.NOT_AN_OBJECT, ""),
        ({}, WhyUntranslated.UNKNOWN_TYPE, "type"),
        ({"kind": "ELSE"}, WhyUntranslated.UNKNOWN_TYPE, "type"),
        ({"kind": "ODD"}, WhyUntranslated.UNKNOWN_TYPE, "type"),
        ({"kind": ["NEW"]}, WhyUntranslated.EXPRESSION_FAILED, "type"),
        ({"kind": "NEW", "number": True}, WhyUntranslated.INVALID_MEMBER, "id"),
        ({"kind": "NEW", "number": 1.5}, WhyUntranslated.INVALID_MEMBER, "id"),
        ({"kind": "NEW", "about": {"a": 1}}, WhyUntranslated.INVALID_MEMBER, "subject"),
        ({"kind": "NEW", "at": "yesterday"}, WhyUntranslated.EXPRESSION_FAILED, "time"),
        ({"kind": "NOTE", "text": "hello"}, WhyUntranslated.INVALID_MEMBER, "data"),
    ],
)
def test_what_is_not_understood_has_a_reason_and_a_field(document, reason, field):
    made = translate_own(PROFILE, document)
    assert isinstance(made, NotTranslated)
    assert (made.reason, made.field) == (reason, field)


def test_a_brand_without_a_form_of_its_own_has_nothing_to_read():
    assert translate_own(profile_of(PLAIN), {}) == NotTranslated(WhyUntranslated.NO_INBOUND_FORM, "")
