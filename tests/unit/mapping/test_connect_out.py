"""Connect's messages: every kind of event has some, in the names and words that published clients read."""

from datetime import UTC, datetime

import orjson
import pytest

from gateway.core.document import KeptJob
from gateway.core.values import replace
from gateway.core.visibility import Audience, Withheld
from gateway.mapping.connect_out import Entity, Part, job_of, message, parts, put
from gateway.mapping.examples import examples
from gateway.mapping.profile import parse_profile
from gateway.mapping.render import Unrenderable, WhyNot

DETAILS = {
    "title": "Dishwasher does not drain",
    "description": "Water stands in the tub.",
    "service_type": "dishwasher",
    "symptom": "hums",
    "service_fee": 89.5,
    "service_fee_precollected": True,
    "address": {"street_1": "214 Alder Street", "city": "Duluth", "state": "MN", "timezone": "America/Chicago"},
    "customer": {
        "id": "C-7",
        "name": "Jordan van Ellis",
        "email": "jordan@example.org",
        "phones": [{"number": "555-0100"}, {"number": "555-0142", "primary": True, "type": None}],
    },
    "equipment": [{"type": "dishwasher", "manufacturer": "Borea", "installation_date": "2021-04-01"}],
    "suggested_times": [{"start": "2026-03-03T15:00:00Z", "end": "2026-03-03T17:00:00Z"}],
    "custom_fields": {"gate": "4411"},
}
KEPT = KeptJob(
    number=1041,
    external_id="WO-88213",
    status="offered",
    closure=None,
    details=DETAILS,
    created_at=datetime(2026, 3, 1, tzinfo=UTC),
)
ALL = [one for one in examples() if one.audience is not Audience.CUSTOMER]


def example(kind, name=None):
    return next(one for one in ALL if one.stored.type == kind and name in (None, one.name))


def put_all(one, audience=None, **about):
    audience = audience or one.audience
    about = {"kept": KEPT, "note_text": one.note_text, **about}
    return [put(part, one.stored, audience=audience, **about)["Put"] for part in parts(one.stored, audience)]


def job_in(one, **about):
    return put_all(one, **about)[0]["job"]


@pytest.mark.parametrize("audience", [Audience.ENTERPRISE, Audience.PROVIDER])
@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.stored.type}-{one.name}")
def test_every_event_is_at_least_one_message_of_plain_json(one, audience):
    for part in parts(one.stored, audience):
        made = put(part, one.stored, audience=audience, kept=None, note_text=one.note_text)
        assert list(made["Put"]) == [part.entity]
        assert orjson.dumps(made)
        assert put(part, one.stored, audience=audience, kept=KEPT, note_text=one.note_text)["Put"]


def test_of_the_times_suggested_the_newest_three_are_told():
    event = example("job.offered").stored
    added = [
        {"id": str(hour), "start": f"2026-03-02T0{hour}:00:00Z", "end": f"2026-03-02T0{hour + 1}:00:00Z"}
        for hour in (1, 2)
    ]
    own = [{"start": f"2026-03-02T0{hour}:00:00Z", "end": f"2026-03-02T0{hour + 1}:00:00Z"} for hour in (5, 6)]
    whole = replace(event, body={**event.body, "details": {"added_times": added, "suggested_times": own}})
    times = put(Part(Entity.JOB), whole, audience=Audience.PROVIDER, kept=None)["Put"]["job"]["suggested_times"]
    assert [one["start_time"] for one in times] == [f"2026-03-02T0{hour}:00:00.000Z" for hour in (2, 1, 5)]


def test_a_job_has_all_that_clients_read():
    event = example("job.offered").stored
    whole = replace(event, body={**event.body, "details": DETAILS})
    job = put(Part(Entity.JOB), whole, audience=Audience.PROVIDER, kept=KEPT)["Put"]["job"]
    assert (job["id"], job["external_id"], job["external_ids"]) == (1041, "WO-88213", ["WO-88213"])
    assert (job["status"], job["title"], job["symptom"]) == ("offered", "Dishwasher does not drain", "hums")
    assert (job["service_type"], job["timezone"]) == ("dishwasher", "America/Chicago")
    assert (job["service_fee"], job["service_fee_precollected"], job["service_fee_pre_collected"]) == (89.5, True, 1)
    assert type(job["service_fee_pre_collected"]) is int
    assert job["address"]["city"] == "Duluth"
    assert job["custom_fields"] == {"gate": "4411"}
    assert job["equipment_descriptions"] == [
        {"equipment_type": "dishwasher", "manufacturer": "Borea", "installation_date": "2021-04-01"}
    ]
    assert job["suggested_times"] == [
        {"start_time": "2026-03-03T15:00:00.000Z", "end_time": "2026-03-03T17:00:00.000Z"}
    ]
    assert (job["created_at"], job["updated_at"]) == ("2026-03-01T00:00:00.000Z", "2026-03-02T15:20:00.000Z")
    assert job["organization_id"] == 7
    customer = job["customer"]
    assert (customer["first_name"], customer["last_name"], customer["email"]) == (
        "Jordan van",
        "Ellis",
        "jordan@example.org",
    )
    assert (customer["phone_number"], customer["city"], customer["external_id"]) == ("555-0142", "Duluth", "C-7")
    assert customer["phone_numbers"][1] == {"number": "555-0142", "primary": True}


def test_what_an_event_does_not_carry_of_its_job_comes_from_the_job_as_it_is():
    assert job_in(example("job.accepted"))["customer"]["email"] == "jordan@example.org"
    assert job_in(example("job.amended"))["address"]["city"] == "Duluth"


def test_an_event_that_carries_its_job_is_not_overtaken_by_what_the_job_is_now():
    newer = replace(KEPT, details={**DETAILS, "title": "Something else"})
    assert job_in(example("job.offered"), kept=newer)["title"] == "Dishwasher does not drain"


def test_a_provider_whose_offer_is_closed_gets_no_more_of_the_job():
    expired = example("job.declined", "expired")
    closed = job_in(expired, audience=Audience.PROVIDER)
    assert (closed["address"], closed["custom_fields"], closed["equipment_descriptions"]) == ({}, {}, [])
    assert set(map(str, closed["customer"].values())) == {"", "[]"}
    assert job_in(expired, audience=Audience.ENTERPRISE)["customer"]["email"] == "jordan@example.org"


def test_clients_find_what_they_reach_into_even_where_a_job_says_nothing():
    job = job_in(example("job.accepted"), kept=replace(KEPT, details={}))
    assert (job["address"], job["custom_fields"], job["equipment_descriptions"]) == ({}, {}, [])
    assert (job["customer"]["first_name"], job["customer"]["phone_number"], job["customer"]["city"]) == ("", "", "")


@pytest.mark.parametrize(
    ("kind", "name", "word"),
    [
        ("job.offered", "new", "offered"),
        ("job.accepted", "plain", "unscheduled"),
        ("job.accepted", "with_an_appointment", "scheduled"),
        ("job.declined", "reason_in_free_words", "rejected"),
        ("job.declined", "expired", "canceled"),
        ("job.declined", "withdrawn", "canceled"),
        ("appointment.en_route", "on_my_way", "scheduled"),
        ("appointment.paused", "without_reason", "paused"),
        ("job.completed", None, "complete"),
        ("job.canceled", "by_the_source", "canceled"),
        ("job.restored", None, "scheduled"),
    ],
)
@pytest.mark.parametrize("audience", [Audience.ENTERPRISE, Audience.PROVIDER])
def test_a_jobs_status_is_in_connects_words(kind, name, word, audience):
    assert job_in(example(kind, name), audience=audience)["status"] == word


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("appointment.scheduled", "scheduled"),
        ("appointment.en_route", "enroute"),
        ("appointment.started", "started"),
        ("appointment.paused", "started"),
        ("appointment.completed", "complete"),
        ("appointment.canceled", "canceled"),
        ("appointment.deleted", "canceled"),
    ],
)
def test_a_visits_status_is_in_connects_words(kind, word):
    assert put_all(example(kind))[-1]["appointment"]["status"] == word


def test_an_appointment_has_start_and_end():
    visit = put_all(example("appointment.scheduled", "first"))[-1]["appointment"]
    assert (visit["id"], visit["job_id"]) == (2071, 1041)
    assert (visit["start_time"], visit["end_time"]) == ("2026-03-03T11:00:00.000Z", "2026-03-03T13:00:00.000Z")
    assert visit["window_end_time"] == "2026-03-03T15:00:00.000Z"


def test_an_account_hears_of_a_decided_offer_after_the_job_and_before_the_visit():
    accepted = example("job.accepted", "with_an_appointment").stored
    entities = [part.entity for part in parts(accepted, Audience.ENTERPRISE)]
    assert entities == [Entity.JOB, Entity.OFFER, Entity.APPOINTMENT]
    assert [part.entity for part in parts(accepted, Audience.PROVIDER)] == [Entity.JOB, Entity.APPOINTMENT]


@pytest.mark.parametrize(
    ("kind", "name", "word"),
    [
        ("job.accepted", "plain", "accepted"),
        ("job.declined", "reason_in_free_words", "rejected"),
        ("job.declined", "expired", "canceled"),
    ],
)
def test_a_job_offer_names_its_job_by_both_ids(kind, name, word):
    offer = put_all(example(kind, name), Audience.ENTERPRISE)[1]["joboffer"]
    assert (offer["status"], offer["job_id"], offer["job"]["external_id"]) == (word, 1041, "WO-88213")


def test_an_event_that_moved_a_visit_only_is_one_message():
    changed = example("appointment.changed", "new_time").stored
    assert parts(changed, Audience.ENTERPRISE) == (Part(Entity.APPOINTMENT),)


def test_a_note_is_an_attachment_and_its_text_leaves_only_when_it_was_opened():
    note = example("note.published", "by_the_provider")
    open_one = put_all(note)[0]["attachment"]
    assert (open_one["id"], open_one["job_id"]) == (3011, 1041)
    assert (open_one["description"], open_one["visibility"]) == (
        "Drain pump replaced, tested for two cycles.",
        "public",
    )
    assert put_all(note, note_text=Withheld())[0]["attachment"]["description"] == ""
    taken_back = put_all(example("note.retracted"))[0]["attachment"]
    assert (taken_back["id"], taken_back["description"], taken_back["visibility"]) == (3011, "", "private")


def test_a_reminder_and_a_survey_have_their_words():
    assert put_all(example("reminder.sent"))[0]["attachment"]["description"] == "Is there a date yet?"
    answer = put_all(example("survey.answered"))[0]["survey_response"]
    assert (answer["job_id"], answer["rating"], answer["message"]) == (1041, 5, "On time and thorough.")


def test_an_applied_offer_is_acknowledged_with_what_was_created():
    applied = example("record.settled", "applied")
    assert job_of(applied.stored) == 1041
    ack = put_all(applied)[0]["ack"]
    assert ack["ack_message"] == "Created offer"
    told = ack["data"]
    assert told["status"] == "offered"
    assert (told["customer"]["external_id"], told["customer"]["first_name"]) == ("C-7", "Jordan van")
    assert (told["job"]["external_id"], told["job"]["title"]) == ("WO-88213", "Dishwasher does not drain")
    assert told["job"]["description"] == "Water stands in the tub."


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ("job.amended", "Updated job"),
        ("job.declined", "Canceled offer"),
        ("appointment.scheduled", "Created appointment"),
        ("note.added", "Created attachment"),
        (None, "Saved organization"),
    ],
)
def test_what_was_done_is_told_by_the_event_that_the_record_made(event, text):
    applied = example("record.settled", "applied").stored
    record = {**applied.body["record"], "type": "organization"}
    changed = replace(applied, body={**applied.body, "event": event, "record": record})
    made = put(Part(Entity.ACK), changed, audience=Audience.ENTERPRISE, kept=replace(KEPT, status="complete"))
    assert made["Put"]["ack"]["ack_message"] == text


def test_a_refused_record_says_why():
    ack = put_all(example("record.settled", "refused"))[0]["ack"]
    assert ack["ack_message"] == "Refused offer.accept: offer closed, the answer arrived after accept_by"
    assert (ack["data"]["reason"], ack["data"]["messageID"]) == ("offer_closed", "m-2")
    unread = put_all(example("record.settled", "quarantined"), kept=None)[0]["ack"]
    assert (unread["data"]["reason"], unread["data"]["field"]) == ("not_json", "data")
    assert unread["ack_message"] == "Quarantined record: not json, data"


PROFILE = """
brand: acme
account: acme
version: 1
effective_at: 2026-01-01T00:00:00Z
status_codes: []
{more}
decline_reasons: [{{code: D1, label: Too far away}}]
destinations: [{{name: feed.acme, kind: poll}}]
"""


def profile_of(more=""):
    return parse_profile(PROFILE.format(more=more), file="profile.v1.yaml")


def test_a_brand_may_have_words_of_its_own():
    profile = profile_of("connect: {job_status: {in_progress: in_progress}, appointment_status: {paused: paused}}")
    en_route, paused = example("appointment.en_route"), example("appointment.paused", "without_reason")
    assert job_in(en_route, profile=profile)["status"] == "in_progress"
    assert put_all(paused, profile=profile)[-1]["appointment"]["status"] == "paused"


def test_a_reason_is_told_in_the_brands_words():
    declined = example("job.declined", "reason_in_free_words").stored
    reason = {"kind": "decline", "text": "D1", "code": None, "label": None, "outcome": None}
    given = replace(declined, body={**declined.body, "reason": reason})
    made = put(Part(Entity.JOB), given, audience=Audience.ENTERPRISE, profile=profile_of())["Put"]["job"]
    assert (made["status_message"], made["status_code"]) == ("Too far away", "D1")


def test_a_reason_that_the_brand_does_not_know_waits():
    declined = example("job.declined", "reason_in_free_words").stored
    reason = {"kind": "decline", "text": "Out of area", "code": None, "label": None, "outcome": None}
    declined = replace(declined, body={**declined.body, "reason": reason})
    made = put(Part(Entity.JOB), declined, audience=Audience.ENTERPRISE, profile=profile_of())
    assert made == Unrenderable(WhyNot.REASON_UNMAPPED, "a decline reason waits for a mapping")
    to_the_provider = put(Part(Entity.JOB), declined, audience=Audience.PROVIDER, profile=profile_of())
    assert to_the_provider["Put"]["job"]["status_message"] == "Out of area"


def test_a_brand_that_calls_canceled_jobs_complete_is_told_so():
    mapped = "cancel_reasons: [{code: X, label: Covered elsewhere}]\ncanceled_as: complete"
    canceled = example("job.canceled", "by_the_source")
    assert job_in(canceled, profile=profile_of(mapped))["status"] == "complete"


def test_notes_of_a_brand_that_uses_none_are_not_rendered():
    note = example("note.published", "by_the_provider")
    made = put(
        Part(Entity.ATTACHMENT),
        note.stored,
        audience=Audience.ENTERPRISE,
        profile=profile_of("features: {notes: false}"),
        note_text=note.note_text,
    )
    assert made == Unrenderable(WhyNot.NOTES_NOT_USED)


@pytest.mark.parametrize(
    "destination",
    [
        "{name: feed.acme, kind: poll, topic: feed.acme.v1}",
        "{name: feed.acme, kind: feed, topic: feed.acme.v1}",
        "{name: feed.acme, kind: kafka}",
    ],
)
def test_a_topic_is_for_kafka_only(destination):
    text = PROFILE.format(more="").replace("{name: feed.acme, kind: poll}", destination)
    [problem] = parse_profile(text, file="profile.v1.yaml")
    assert "topic" in problem.what


@pytest.mark.parametrize(
    ("destination", "what"),
    [
        ("{name: feed.acme, topic: feed.acme.v1, on_error: dead}", "on_error is for destinations of kind poll"),
        ("{name: feed.acme, kind: poll, on_error: perhaps}", "must be retry or dead"),
    ],
)
def test_what_an_error_does_is_said_of_what_is_polled_only_and_is_one_of_two(destination, what):
    text = PROFILE.format(more="").replace("{name: feed.acme, kind: poll}", destination)
    assert what in {problem.what for problem in parse_profile(text, file="profile.v1.yaml")}


def test_words_are_for_statuses_that_there_are():
    [problem] = profile_of("connect: {job_status: {finished: done}}")
    assert "no such status: finished" in problem.what


def test_a_message_has_connects_shape_and_ids_without_quotes():
    made = message({"Put": {"job": {}}}, Part(Entity.JOB), 0, event=5001, delivery=77, receipt="abc-77-0")
    assert made == {
        "Message": {
            "ID": "evt-5001.1",
            "Receipt": "abc-77-0",
            "Request": {
                "ProcedureID": "dlv-77.1",
                "Type": "job",
                "Payload": {"Actions": [{"ID": "evt-5001.1", "Put": {"job": {}}}]},
            },
        }
    }
