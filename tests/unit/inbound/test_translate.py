"""What a readable record says: who, about what, when, and in which of the core's words."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.core import commands
from gateway.core.ids import Kind, Ref
from gateway.core.job import DEFAULT_DURATION, Revision
from gateway.core.outcomes import Quarantined, Refused
from gateway.core.parties import Side
from gateway.core.visibility import Private, Visibility
from gateway.inbound.envelope import Envelope, read
from gateway.inbound.translated import Translated
from tests.unit.inbound.records import NOW, event, outcome_of, raw_record

START = "2026-03-02T09:00:00Z"


def translated(value, **known) -> Translated:
    outcome = outcome_of(raw_record(value, **known))
    assert isinstance(outcome, Translated), outcome
    return outcome


def by_provider(kind, data=None, **attributes) -> Translated:
    return translated(event(kind, data, source="northstar", **attributes), side=Side.PROVIDER)


def test_a_text_of_canonical_form_is_the_gateways_number():
    assert by_provider("offer.accept.v1", subject="job-1041").refs.job == 1041


@pytest.mark.parametrize("text", ["job-0", "job-01", "job-", "JOB-1", "apt-1", "job-9223372036854775808", "1041"])
def test_any_other_text_is_the_senders_own_id(text):
    assert by_provider("offer.accept.v1", subject=text).refs.job == Ref(Kind.JOB, "northstar", text)


def test_an_object_is_taken_literally_and_may_name_another_source():
    literal = by_provider("offer.accept.v1", {"job": {"id": "job-7"}}, subject=None)
    assert literal.refs.job == Ref(Kind.JOB, "northstar", "job-7")
    other = by_provider("offer.accept.v1", {"job": {"source": "acme", "id": "A-1"}}, subject=None)
    assert other.refs.job == Ref(Kind.JOB, "acme", "A-1")


def test_an_organization_is_named_by_id_handle_or_in_full():
    def organization(value) -> Translated:
        return translated(event(data={"customer": {"name": "Ann"}, "organization": value}))

    assert organization("org-7").refs.organization == 7
    assert organization("P-7").refs.organization == Ref(Kind.ORGANIZATION, "acme", "P-7")
    assert organization({"handle": "northstar"}).refs.organization == Ref(Kind.ORGANIZATION, "", "northstar")
    full = organization({"id": "P-7", "name": "Northstar", "phone": "1"})
    assert full.refs.organization == Ref(Kind.ORGANIZATION, "acme", "P-7")
    assert full.organization_members == {"name": "Northstar", "phone": "1"}
    nameless = organization({"name": "Northstar"})
    assert nameless.refs.organization is None
    assert nameless.organization_members == {"name": "Northstar"}


def test_a_customers_own_id_is_both_a_reference_and_a_member():
    outcome = translated(event(data={"customer": {"id": "C-1", "name": "Ann"}}))
    assert outcome.refs.customer == Ref(Kind.CUSTOMER, "acme", "C-1")
    assert isinstance(outcome.command, commands.SubmitOffer)
    assert outcome.command.customer == {"id": "C-1", "name": "Ann"}
    known = translated(event(data={"customer": {"id": "cus-4", "phones": []}}))
    assert known.refs.customer == 4
    assert isinstance(known.command, commands.SubmitOffer)
    assert known.command.customer == {"phones": []}


def test_details_keep_nulls_and_nothing_that_is_not_theirs():
    data = {"title": "x", "symptom": None, "customer": {"name": "Ann"}, "brand": "acme-home", "accept_by": START}
    outcome = translated(event(data=data))
    assert outcome.command == commands.SubmitOffer(
        details={"title": "x", "symptom": None},
        customer={"name": "Ann"},
        accept_by=datetime(2026, 3, 2, 9, tzinfo=UTC),
        brand="acme-home",
    )
    assert outcome.brand == "acme-home"


def test_suggested_times_are_kept_in_utc():
    times = [{"start": "2026-03-02T09:00:00-05:00", "end": "2026-03-02T12:00:00.5-05:00"}]
    command = translated(event(data={"suggested_times": times})).command
    assert isinstance(command, commands.SubmitOffer)
    assert command.details["suggested_times"] == [
        {"start": "2026-03-02T14:00:00Z", "end": "2026-03-02T17:00:00.500000Z"}
    ]


def test_a_revision_is_a_number_or_a_moment():
    def revision(**data) -> Revision | None:
        command = translated(event(data=data)).command
        assert isinstance(command, commands.SubmitOffer)
        return command.revision

    assert revision(revision=3, updated_at=START) == Revision("revision", 3)
    assert revision(updated_at="1970-01-01T00:00:01.000002Z") == Revision("updated_at", 1_000_002)
    assert revision() is None


def test_an_acceptance_may_bring_its_first_visit():
    data = {"appointment": {"id": "V-1", "start": START, "technician": "T-3"}, "user": "usr-4"}
    outcome = by_provider("offer.accept.v1", data, subject="job-1")
    start = datetime(2026, 3, 2, 9, tzinfo=UTC)
    visit = commands.NewVisit(start=start, duration=DEFAULT_DURATION, external_id="V-1")
    assert outcome.command == commands.AcceptOffer(visit=visit)
    assert outcome.new_visit == Ref(Kind.APPOINTMENT, "northstar", "V-1")
    assert outcome.refs == commands.Refs(job=1, technician=Ref(Kind.USER, "northstar", "T-3"), user=4)


def test_a_technician_of_null_is_taken_away_and_one_left_out_stays():
    away = by_provider("appointment.change.v1", {"appointment": "apt-5", "technician": None})
    assert away.command == commands.ChangeAppointment(unassign=True)
    assert away.refs.appointment == 5
    stays = by_provider("appointment.change.v1", {"appointment": "apt-5", "duration_seconds": 60})
    assert stays.command == commands.ChangeAppointment(duration=timedelta(seconds=60))


def test_the_gateways_own_change_says_so():
    outcome = translated(
        event("appointment.change.v1", {"appointment": "apt-5", "technician": None}), side=Side.GATEWAY
    )
    assert outcome.command == commands.ChangeAppointment(unassign=True, by_gateway=True)


def test_a_note_is_private_text():
    outcome = by_provider("note.add.v1", {"text": "Key under the mat", "visibility": "public", "id": "N-1"})
    assert outcome.command == commands.AddNote(text=Private("Key under the mat"), visibility=Visibility.PUBLIC)
    assert outcome.new_note == Ref(Kind.NOTE, "northstar", "N-1")
    assert "mat" not in repr(outcome)


def test_what_happened_when_is_said_by_the_content_then_by_the_envelope():
    def moment(data, **attributes) -> datetime | None:
        return by_provider("offer.decline.v1", data, **attributes).occurred_at

    said = moment({"occurred_at": "2026-03-01T08:00:00Z"}, time="2026-03-01T09:00:00Z")
    assert said == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert moment({}, time="2026-03-01T09:00:00+0100") == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert moment({}) is None


def test_a_position_is_of_its_arrival_where_no_time_is_said():
    outcome = by_provider("user.position.v1", {"latitude": 42, "longitude": -71.5}, subject="T-3")
    assert isinstance(outcome.command, commands.ReportPosition)
    assert outcome.command.position.at == NOW
    assert outcome.refs.technician == Ref(Kind.USER, "northstar", "T-3")


def test_a_place_sent_by_one_who_does_not_share_it_is_not_taken():
    data = {"latitude": 42, "longitude": -71.5, "why_none": "sharing_off"}
    command = by_provider("user.position.v1", data, subject="T-3").command
    assert isinstance(command, commands.ReportPosition)
    assert (command.position.latitude, command.position.longitude) == (None, None)


def test_a_booking_is_an_offer_of_its_page():
    value = event(
        "booking.request.v1", {"customer": {"name": "Ann"}, "brand": "acme-home"}, source="page", subject="B-1"
    )
    outcome = translated(value, side=Side.BOOKING_PAGE)
    assert outcome.command == commands.SubmitOffer(
        details={"channel": "booking_page"}, customer={"name": "Ann"}, brand="acme-home"
    )
    assert outcome.refs.job == Ref(Kind.JOB, "page", "B-1")


def test_an_answer_to_a_survey_is_of_its_own_side_by_whichever_door():
    outcome = translated(event("survey.answer.v1", {"rating": 5}), side=Side.BOOKING_PAGE)
    assert outcome.side is Side.SURVEYS


def test_an_enterprise_names_its_person():
    assert translated(event("job.cancel.v1", {"person": "Pat Quinn"})).person == "Pat Quinn"


def test_a_topic_binds_its_records_whatever_they_claim():
    outcome = translated(event(data={"title": "x"}, source="globex"), bound_source="acme")
    assert outcome.source == "acme"
    assert outcome.refs.job == Ref(Kind.JOB, "acme", "A-1")


def test_the_digest_tells_content_and_not_its_spelling():
    one = b'{"specversion":"1.0","id":"1","source":"acme","type":"offer.submit.v1","subject":"A","data":{"title":"x","symptom":"y"}}'
    same = b'{"data": {"symptom": "y", "title": "\\u0078"}, "specversion":"1.0","source":"acme","type":"offer.submit.v1","subject":"A"}'
    other = one.replace(b'"subject":"A"', b'"subject":"B"')
    digests = [translated(value).digest for value in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 64


def test_structured_mode_is_told_by_its_content_type_and_binary_mode_by_its_headers():
    structured = raw_record(
        event(data={"title": "x"}), headers=(("content-type", b"application/cloudevents+json; charset=utf-8"),)
    )
    headers = [(f"ce_{name}", text.encode()) for name, text in event().items() if isinstance(text, str)]
    binary = raw_record({"title": "x"}, headers=(*headers, ("Content-Type", b"application/json")))
    assert read(structured) == read(binary)


def test_a_text_in_the_place_of_numbers_is_refused_unread():
    outcome = outcome_of(raw_record(event(data={"revision": "3"})))
    assert isinstance(outcome, Quarantined)


def test_who_may_not_send_a_message_is_refused():
    outcome = outcome_of(raw_record(event("offer.accept.v1"), side=Side.ENTERPRISE))
    assert isinstance(outcome, Refused)


def test_reading_keeps_nothing_of_its_record():
    raw = raw_record(event(data={"title": "x"}))
    first, second = read(raw), read(raw)
    assert isinstance(first, Envelope)
    assert first == second
    assert first.data is not second.data
