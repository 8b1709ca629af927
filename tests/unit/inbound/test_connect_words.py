"""Connect's words, row by row: what the record itself says, and what the job's standing adds."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core import commands
from gateway.core.ids import Kind, Ref
from gateway.core.job import Ended, EndedHow, Job, Offer, OfferState, Visit, VisitStatus
from gateway.core.outcomes import Ignored, Quarantined, Refused, Why
from gateway.core.parties import Role, Side
from gateway.inbound.translated import Translated
from gateway.inbound.unreadable import Unreadable
from gateway.inbound.words import settle
from tests.unit.inbound.records import NOW, connect, outcome_of, raw_record

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
CUSTOMER = {"external_id": "C-1", "first_name": "Ann"}


def outcome(side, record_type, version, record, **header):
    source = "acme" if side is Side.ENTERPRISE else "northstar"
    return outcome_of(raw_record(connect(record_type, version, record, **header), side=side, bound_source=source))


def account(record_type, record, version="v3", **header) -> Translated:
    found = outcome(Side.ENTERPRISE, record_type, version, record, **header)
    assert isinstance(found, Translated), found
    return found


def organization(record_type, record, version="v3", **header) -> Translated:
    found = outcome(Side.PROVIDER, record_type, version, record, **header)
    assert isinstance(found, Translated), found
    return found


OFFERED = Job(number=7, source="acme", side=Side.ENTERPRISE, organization=3, customer=1, details={}, offer=Offer())
ACCEPTED = replace(OFFERED, offer=Offer(state=OfferState.ACCEPTED))


def canceled_by(side: Side, source: str) -> Job:
    return replace(ACCEPTED, ended=Ended(how=EndedHow.CANCELED, by=side, source=source, at=NOW))


def with_visits(*statuses: VisitStatus) -> Job:
    visits = tuple(Visit(number=10 + at, status=status, start=START) for at, status in enumerate(statuses))
    return replace(ACCEPTED, visits=visits)


def settled_command(reading, job, refs=None):
    found = settle(reading, job, refs)
    assert isinstance(found, Translated), found
    return found.command


def test_an_organizations_unscheduled_accepts_an_offer_and_is_nothing_elsewhere():
    reading = organization("job", {"id": 7, "status": "unscheduled"})
    assert reading.refs.job == 7
    assert settled_command(reading, OFFERED) == commands.AcceptOffer()
    assert settle(reading, ACCEPTED) == Ignored(why=Why.NO_CHANGE)
    assert settle(reading, canceled_by(Side.PROVIDER, "northstar")) == Ignored(why=Why.NO_CHANGE)


def test_an_organizations_scheduled_accepts_or_restores():
    reading = organization("job", {"id": 7, "status": "scheduled"})
    assert settled_command(reading, OFFERED) == commands.AcceptOffer()
    assert settled_command(reading, canceled_by(Side.PROVIDER, "northstar")) == commands.RestoreJob()
    assert settle(reading, ACCEPTED) == Ignored(why=Why.NO_CHANGE)


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ("rejected", commands.DeclineOffer("too far")),
        ("complete", commands.CompleteJob("too far")),
        ("canceled", commands.CancelJob("too far")),
    ],
)
def test_an_organizations_plain_words(status, command):
    reading = organization("job", {"id": 7, "status": status, "status_message": "too far"})
    assert (reading.command, reading.word) == (command, None)


def test_an_organizations_paused_finds_the_one_visit_in_progress():
    reading = organization("job", {"id": 7, "status": "paused", "status_message": "parts"})
    found = settle(reading, with_visits(VisitStatus.COMPLETE, VisitStatus.STARTED, VisitStatus.SCHEDULED))
    assert isinstance(found, Translated)
    assert (found.command, found.refs.appointment) == (commands.PauseAppointment("parts"), 11)
    for statuses in ((VisitStatus.SCHEDULED,), (VisitStatus.STARTED, VisitStatus.EN_ROUTE)):
        assert isinstance(settle(reading, with_visits(*statuses)), Refused)


def test_an_organizations_own_job():
    reading = organization("job", {"external_id": "J-5", "title": "x", "customer": CUSTOMER})
    assert isinstance(reading.command, commands.CreateJob)
    assert reading.refs.job == Ref(Kind.JOB, "northstar", "J-5")


@pytest.mark.parametrize("status", [None, "offered"])
def test_an_accounts_offer(status):
    reading = account("job", {"external_id": "A-1", "status": status, "customer": CUSTOMER, "title": "x"})
    assert reading.command == commands.SubmitOffer(details={"title": "x"}, customer={"id": "C-1", "first_name": "Ann"})
    assert reading.refs.customer == Ref(Kind.CUSTOMER, "acme", "C-1")


def test_an_accounts_scheduled_assigns_or_restores_what_it_canceled():
    reading = account("job", {"external_id": "A-1", "status": "scheduled", "title": "x"})
    assert isinstance(settled_command(reading, None), commands.CreateJob)
    assert isinstance(settled_command(reading, ACCEPTED), commands.CreateJob)
    assert settled_command(reading, canceled_by(Side.ENTERPRISE, "acme")) == commands.RestoreJob()
    assert isinstance(settled_command(reading, canceled_by(Side.PROVIDER, "northstar")), commands.CreateJob)


def test_other_words_of_an_account_amend_what_is_known_only():
    reading = account("job", {"external_id": "A-1", "status": "complete", "title": "y"})
    assert isinstance(settled_command(reading, ACCEPTED), commands.SubmitOffer)
    refused = settle(reading, None)
    assert isinstance(refused, Refused)
    assert refused.member == "record.status"


@pytest.mark.parametrize(("record_type", "version"), [("job", "v3"), ("offer", "v2")])
def test_an_accounts_canceled_withdraws(record_type, version):
    reading = account(record_type, {"external_ids": ["A-1"], "status": "canceled"}, version)
    assert reading.command == commands.WithdrawOffer(None)


def test_an_appointment_adds_or_changes_by_whether_its_key_is_known():
    reading = organization("appointment", {"job_id": 7, "external_id": "V-1", "time": "2026-03-02T09:00:00.000Z"})
    assert reading.new_visit == Ref(Kind.APPOINTMENT, "northstar", "V-1")
    assert settled_command(reading, ACCEPTED) == commands.AddAppointment(
        commands.NewVisit(start=START, external_id="V-1")
    )
    known = replace(reading.refs, appointment=10)
    changed = settled_command(reading, with_visits(VisitStatus.SCHEDULED), known)
    assert changed == commands.ChangeAppointment(start=START)


def test_scheduled_while_the_technician_is_on_the_way_takes_that_back():
    reading = organization("appointment", {"id": 10, "status": "scheduled"})
    assert settled_command(reading, with_visits(VisitStatus.EN_ROUTE)) == commands.UndoOnMyWay(
        commands.ChangeAppointment()
    )
    later = organization("appointment", {"id": 10, "status": "scheduled", "time": "2026-03-02T09:00:00Z"})
    changed = commands.ChangeAppointment(start=START)
    assert settled_command(later, with_visits(VisitStatus.EN_ROUTE)) == commands.UndoOnMyWay(changed)
    assert settled_command(reading, with_visits(VisitStatus.SCHEDULED)) == commands.ChangeAppointment()


def test_an_accounts_appointment_on_an_open_offer_is_a_suggested_time():
    reading = account("appointment", {"external_job_id": "A-1", "time": "2026-03-02T09:00:00Z"})
    assert settled_command(reading, OFFERED) == commands.AddAppointment(commands.NewVisit(start=START))
    untimed = account("appointment", {"external_job_id": "A-1", "external_id": "V-1"})
    assert settle(untimed, OFFERED).why is Why.TRANSITION_NOT_ALLOWED
    assert isinstance(settled_command(reading, ACCEPTED), commands.AddAppointment)


@pytest.mark.parametrize(
    ("status", "command"),
    [
        ("enroute", commands.OnMyWay()),
        ("started", commands.StartAppointment()),
        ("paused", commands.PauseAppointment("parts")),
        ("complete", commands.CompleteAppointment("parts")),
        ("canceled", commands.CancelAppointment("parts")),
    ],
)
@pytest.mark.parametrize("side", [Side.ENTERPRISE, Side.PROVIDER])
def test_an_appointments_words_of_progress(side, status, command):
    found = outcome(side, "appointment", "v3", {"id": 10, "status": status, "status_message": "parts"})
    assert isinstance(found, Translated)
    assert found.command == command
    with_time = {"id": 10, "status": status, "status_message": "parts", "time": "2026-03-02T09:00:00Z"}
    changed = replace(command, change=commands.ChangeAppointment(start=START))
    assert outcome(side, "appointment", "v3", with_time).command == changed


def test_a_note_without_an_id_is_told_by_its_text():
    record = {"action": "post", "job_id": 7, "description": "Part ordered"}
    assert organization("attachment", record).repeat_by_text
    named = organization("attachment", record, messageID="m-1")
    assert (named.message_id, named.repeat_by_text) == ("m-1", False)


def test_two_roles_are_both():
    reading = account("user", {"external_id": "T-1", "roles": ["technician", "dispatcher"], "phone_number": 5555550100})
    assert reading.command == commands.PutUser(members={"phone": "5555550100"}, role=Role.BOTH)


def test_records_are_taken_as_loosely_as_clients_write_them():
    record = {"external_id": 1041, "service_fee_precollected": 1, "customer": None, "whatever": {"x": 1}}
    reading = account("job", record)
    assert reading.refs.job == Ref(Kind.JOB, "acme", "1041")
    assert reading.command == commands.SubmitOffer(details={"service_fee_precollected": True})


def test_a_number_that_lost_its_digits_is_not_taken_for_an_id():
    found = outcome(Side.ENTERPRISE, "job", "v3", {"external_id": 2.0**64})
    assert isinstance(found, Quarantined)
    assert (found.why, found.member) == (Unreadable.NUMBER_OUT_OF_RANGE, "record.external_id")


@pytest.mark.parametrize("side", [Side.BOOKING_PAGE, Side.SURVEYS, Side.GATEWAY])
def test_connect_is_for_accounts_and_organizations(side):
    assert isinstance(outcome(side, "job", "v3", {"external_id": "A-1"}), Refused)


def test_a_reading_without_a_word_stays_as_it_is():
    reading = organization("job", {"id": 7, "status": "rejected"})
    assert settle(reading, OFFERED) == reading
