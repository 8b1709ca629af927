"""From a stored event to the bytes that leave: attributes, versions, words, allow-lists, refusals."""

from dataclasses import replace

import orjson
import pytest

from gateway.core.visibility import Audience, Withheld
from gateway.mapping.examples import examples
from gateway.mapping.render import Document, Unrenderable, WhyNot, render
from tests.unit.mapping.texts import PLAIN, REASONS, custom, profile_of

ENTERPRISE = Audience.ENTERPRISE
EXAMPLES = {(each.stored.type, each.name): each for each in examples()}


def example(kind, name=None):
    """The stored event of an example of the default pair."""
    return next(each.stored for key, each in EXAMPLES.items() if key[0] == kind and name in {None, key[1]})


def sent(profile, event, *, audience=ENTERPRISE, previous=None, note_text=None):
    made = render(profile, event, audience=audience, previous=previous, note_text=note_text)
    assert isinstance(made, Document), made
    return orjson.loads(made.body)


def why(profile, event, **more):
    made = render(profile, event, audience=ENTERPRISE, **more)
    assert isinstance(made, Unrenderable), made
    return made.reason


def with_reason(event, **members):
    return replace(event, body={**event.body, "reason": {**event.body["reason"], **members}})


def test_the_attributes_of_a_cloud_event():
    event = example("job.accepted")
    document = render(profile_of(PLAIN), event, audience=ENTERPRISE, previous=2)
    body = orjson.loads(document.body)
    assert {name: member for name, member in body.items() if name != "data"} == {
        "specversion": "1.0",
        "id": f"evt-{event.number}",
        "source": "example-account",
        "type": "job.accepted.v1",
        "subject": "job-1041",
        "time": "2026-03-02T16:00:00Z",
        "dataschema": "contracts/outbound/job.accepted/v1/schema.json",
        "datacontenttype": "application/json",
        "jobversion": 3,
        "jobprevious": 2,
    }
    assert document.key == b"job-1041"
    assert document.content_type == "application/cloudevents+json"
    assert document.headers == (("content-type", b"application/cloudevents+json"),)
    assert body["data"]["code"] == "U"
    assert body["data"]["profile_version"] == 1


def test_the_first_of_a_lane_has_nothing_before_it():
    assert sent(None, example("job.offered"))["jobprevious"] == 0


def test_a_snapshot_carries_the_version_and_follows_on_nothing():
    body = sent(None, example("job.snapshot"), previous=3)
    assert body["jobversion"] == 4
    assert "jobprevious" not in body


def test_messages_to_customers_have_no_version_and_no_reason():
    event = example("customer.appointment_canceled")
    body = sent(None, event, audience=Audience.CUSTOMER)
    assert not {"jobversion", "jobprevious"} & set(body)
    assert set(body["data"]) == {"job", "appointments", "details", "occurred_at"}
    assert all("reason" not in visit for visit in body["data"]["appointments"])


def test_a_receipt_is_about_a_record_and_keyed_by_the_senders_message():
    document = render(None, example("record.settled", "refused"), audience=ENTERPRISE)
    body = orjson.loads(document.body)
    assert body["subject"] == "rec-8003"
    assert document.key == b"m-2"
    assert body["data"]["reason"] == "offer_closed"
    unnamed = render(None, example("record.settled", "quarantined"), audience=ENTERPRISE)
    assert unnamed.key == b"rec-8004"


def test_a_canceled_job_goes_by_the_brands_word():
    canceled, restored = example("job.canceled", "reason_in_free_words"), example("job.restored")
    default, complete = profile_of(PLAIN), profile_of(PLAIN + "canceled_as: complete\n")
    assert sent(default, canceled)["data"]["status"] == "canceled"
    assert sent(None, canceled)["data"]["status"] == "canceled"
    assert sent(complete, canceled)["data"]["status"] == "complete"
    assert sent(complete, canceled)["data"]["reason"]["text"] == "Customer bought a new one"
    assert sent(default, restored)["data"]["previous_status"] == "canceled"
    assert sent(complete, restored)["data"]["previous_status"] == "complete"
    assert sent(None, canceled, audience=Audience.PROVIDER)["data"]["status"] == "complete"


def test_rendering_changes_nothing_of_the_event():
    for each in EXAMPLES.values():
        before = orjson.dumps(each.stored.body)
        render(profile_of(PLAIN), each.stored, audience=each.audience, note_text=each.note_text)
        assert orjson.dumps(each.stored.body) == before


def test_the_code_of_an_appointment_event_may_depend_on_the_appointment():
    row = "  - {status: in_progress, appointment_status: en_route, code: MOVING}\n"
    profile = profile_of(PLAIN + row)
    assert sent(profile, example("appointment.en_route"))["data"]["code"] == "MOVING"
    assert sent(profile, example("appointment.started"))["data"]["code"] == "I"


def test_a_standing_that_is_refused_or_has_no_code_is_not_rendered():
    event = example("job.accepted", "plain")
    refused = profile_of(PLAIN.replace("{status: unscheduled, code: U}", "{status: unscheduled, refuse: not_told}"))
    silent = profile_of(PLAIN.replace("  - {status: unscheduled, code: U}\n", ""))
    assert why(refused, event) is WhyNot.REFUSED_BY_PROFILE
    assert render(refused, event, audience=ENTERPRISE).detail == "not_told"
    assert why(silent, event) is WhyNot.NO_CODE_FOR_STATUS
    assert sent(refused, event, audience=Audience.PROVIDER), "a profile is for its brand only"


def test_a_reason_that_no_list_knew_waits_until_one_does():
    event = with_reason(example("job.canceled", "reason_in_free_words"), text="Customer moved", code=None, label=None)
    assert why(profile_of(PLAIN + REASONS.replace("Customer moved", "Other")), event) is WhyNot.REASON_UNMAPPED
    reason = sent(profile_of(PLAIN + REASONS), event)["data"]["reason"]
    assert (reason["code"], reason["label"]) == ("GONE", "Customer moved")


@pytest.mark.parametrize("text", [Withheld(), None])
def test_a_publication_without_its_text_says_that_it_is_withheld(text):
    note = sent(None, example("note.published", "by_the_provider"), note_text=text)["data"]["note"]
    assert note == {"id": "note-3011", "revision": 1, "text": None, "withheld": True}


def test_a_publication_carries_what_was_opened_for_its_receiver():
    note = sent(None, example("note.published", "by_the_provider"), note_text="Pump replaced.")["data"]["note"]
    assert (note["text"], note["withheld"]) == ("Pump replaced.", False)


def test_notes_do_not_go_where_they_are_not_used():
    profile = profile_of(PLAIN + "features: {notes: false}\n")
    assert why(profile, example("note.published"), note_text="x") is WhyNot.NOTES_NOT_USED


def test_a_note_is_taken_back_where_notes_are_not_used_any_more():
    """It was published there when they were."""
    profile = profile_of(PLAIN + "features: {notes: false}\n")
    document = render(profile, example("note.retracted"), audience=ENTERPRISE, note_text="Pump replaced.")
    assert set(orjson.loads(document.body)["data"]["note"]) == {"id", "revision"}


@pytest.mark.parametrize("lines", ["  - {status: unscheduled, refuse: not_told}\n", ""], ids=["refused", "silent"])
def test_a_note_is_taken_back_without_a_code_where_the_profile_has_none(lines):
    row = "  - {status: unscheduled, code: U}\n"
    retracted = example("note.retracted")
    retracted = replace(retracted, body={**retracted.body, "status": "unscheduled", "closure": None})
    assert sent(profile_of(PLAIN), retracted)["data"]["code"] == "U"
    assert "code" not in sent(profile_of(PLAIN.replace(row, lines)), retracted)["data"]


def test_a_form_of_the_brands_own_travels_with_the_attributes_in_headers():
    profile = profile_of(
        custom("default: '{status: data.code, at: to_epoch(time)}'", more="  key: data.job.external_id\n")
    )
    document = render(profile, example("job.accepted"), audience=ENTERPRISE, previous=2)
    assert orjson.loads(document.body) == {"status": "U", "at": 1772467200}
    assert document.key == b"WO-88213"
    assert dict(document.headers) == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": f"evt-{example('job.accepted').number}".encode(),
        "ce_source": b"example-account",
        "ce_type": b"job.accepted.v1",
        "ce_subject": b"job-1041",
        "ce_time": b"2026-03-02T16:00:00Z",
        "ce_jobversion": b"3",
        "ce_jobprevious": b"2",
    }


def test_an_expression_of_a_type_goes_before_the_default():
    profile = profile_of(custom("default: type", "job.accepted: data.code"))
    assert sent(profile, example("job.accepted")) == "U"
    assert sent(profile, example("job.offered")) == "job.offered.v1"


@pytest.mark.parametrize(
    ("expressions", "more", "reason"),
    [
        (["job.offered: id"], "", WhyNot.NO_EXPRESSION),
        (["default: shout(id)"], "", WhyNot.NO_EXPRESSION),
        (["default: upper(data)"], "", WhyNot.EXPRESSION_FAILED),
        (["default: '&id'"], "", WhyNot.NOT_JSON),
        (["default: id"], "  key: data.nothing\n", WhyNot.EMPTY_KEY),
        (["default: id"], "  key: upper(data)\n", WhyNot.EXPRESSION_FAILED),
        (["default: id"], "  key: '`\"\\ud800\"`'\n", WhyNot.EXPRESSION_FAILED),
    ],
)
def test_what_an_expression_cannot_make(expressions, more, reason):
    assert why(profile_of(custom(*expressions, more=more)), example("job.accepted")) is reason


def test_an_expression_makes_64_kib_at_most():
    twelve = ", ".join(f"a{n}: @" for n in range(100))
    profile = profile_of(custom(f'default: "{{{twelve}}}"'))
    assert why(profile, example("appointment.completed")) is WhyNot.TOO_LARGE


def test_what_is_not_json_is_not_sent():
    event = example("job.offered")
    for strange in (object(), 2**70, "\ud800"):
        spoiled = replace(event, body={**event.body, "details": {"x": strange}})
        assert why(profile_of(PLAIN), spoiled) is WhyNot.NOT_JSON
