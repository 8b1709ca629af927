"""Events: one per decision, who may be told of each, and what their bodies say and never say."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.document import by_body, event_body, reason_body, revision_body, stamp
from gateway.core.events import (
    CUSTOMER_EVENTS,
    LOG_ONLY,
    VERSIONED,
    WORK_ONLY,
    By,
    Change,
    Event,
    EventType,
    NoteRevision,
    audiences,
)
from gateway.core.ids import MAX_NUMBER, Kind, canonical_id, find_number
from gateway.core.job import JobStatus, Revision, VisitStatus, Window
from gateway.core.parties import Role, Side
from gateway.core.visibility import Audience
from tests import factories as make

ENTERPRISE, PROVIDER, CUSTOMER = Audience.ENTERPRISE, Audience.PROVIDER, Audience.CUSTOMER
DISPATCHER = make.user(make.DISPATCHER, Role.DISPATCHER)
OF_A_JOB = [kind for kind in EventType if kind.value.startswith(("job.", "appointment."))]


def event(kind, side=Side.PROVIDER):
    return Event(type=kind, by=By(side=side, name="x"), occurred_at=make.NOW)


def one(known, command, actor=None, facts=None, **more):
    outcome = decide(known, make.request(command, actor, **more), facts or make.facts())
    return outcome.events[0], outcome.job


@pytest.mark.parametrize("kind", OF_A_JOB)
def test_the_enterprise_hears_of_everything_and_the_provider_of_what_others_did(kind):
    assert audiences(event(kind, Side.PROVIDER)) == {ENTERPRISE}
    for side in (Side.ENTERPRISE, Side.BOOKING_PAGE, Side.GATEWAY):
        assert audiences(event(kind, side)) == {ENTERPRISE, PROVIDER}


@pytest.mark.parametrize("side", list(Side))
def test_who_hears_of_the_rest(side):
    expected = dict.fromkeys(LOG_ONLY, frozenset()) | dict.fromkeys(CUSTOMER_EVENTS, frozenset({CUSTOMER}))
    expected |= {EventType.REMINDER_SENT: {PROVIDER}, EventType.SURVEY_ANSWERED: {ENTERPRISE}}
    expected |= {EventType.RECORD_SETTLED: frozenset()}
    notes = {PROVIDER} if side is Side.ENTERPRISE else {ENTERPRISE}
    expected |= {EventType.NOTE_PUBLISHED: notes, EventType.NOTE_RETRACTED: notes}
    assert set(expected) | set(OF_A_JOB) == set(EventType)
    for kind, heard_by in expected.items():
        assert audiences(event(kind, side)) == heard_by


def test_what_nobody_outside_may_see_has_no_version_and_neither_have_texts_and_snapshots():
    assert {"note.added", "note.edited", "progress.stale"} == LOG_ONLY
    assert {EventType.REMINDER_SENT} == WORK_ONLY
    unversioned = LOG_ONLY | CUSTOMER_EVENTS | {EventType.JOB_SNAPSHOT, EventType.RECORD_SETTLED}
    assert set(EventType) - unversioned == VERSIONED


@pytest.mark.parametrize(
    ("standing", "command", "expected"),
    [
        ("offered", commands.AcceptOffer(), [Change.STATUS]),
        ("offered", commands.AcceptOffer(visit=make.new_visit()), [Change.STATUS, Change.APPOINTMENT]),
        ("offered", commands.DeclineOffer("AREA"), [Change.STATUS, Change.REASON]),
        ("offered", make.submit(accept_by=make.minutes(99)), [Change.DETAILS]),
        ("unscheduled", commands.AddAppointment(make.new_visit()), [Change.STATUS, Change.APPOINTMENT]),
        ("scheduled", commands.ChangeAppointment(start=make.NOW), [Change.APPOINTMENT]),
        ("scheduled", commands.ChangeAppointment(duration=timedelta(hours=1)), [Change.APPOINTMENT]),
        ("scheduled", commands.OnMyWay(), [Change.STATUS, Change.APPOINTMENT]),
        ("in_progress", commands.CompleteAppointment("RPR"), [Change.STATUS, Change.APPOINTMENT, Change.REASON]),
        ("in_progress", commands.CancelJob(), [Change.STATUS, Change.APPOINTMENT]),
        ("unscheduled", commands.CompleteJob("RPR"), [Change.STATUS, Change.REASON]),
        ("canceled", commands.RestoreJob(), [Change.STATUS, Change.APPOINTMENT]),
    ],
)
def test_an_event_says_what_it_touched(standing, command, expected):
    actor = make.enterprise() if isinstance(command, commands.SubmitOffer) else None
    told, _ = one(make.job_in(standing), command, actor)
    assert list(told.changes) == expected


def test_an_event_says_what_was_done_by_whom_and_when():
    start = commands.StartAppointment()
    told, job = one(make.job_in("scheduled"), start, make.provider(DISPATCHER), at=7, arrived=9, clock_ahead=True)
    body = event_body(told, job, "Lakeside Appliance Repair")
    assert body == {
        "job": {
            "id": "job-1041",
            "external_id": "A-1",
            "source": make.ACME,
            "brand": "acme-home",
            "title": "Dishwasher does not drain",
            "organization": {"id": "org-7", "name": "Lakeside Appliance Repair"},
        },
        "changes": ["status", "appointment"],
        "previous_status": "scheduled",
        "status": "in_progress",
        "closure": None,
        "by": {"role": "provider", "name": "Lakeside Appliance Repair"},
        "occurred_at": "2026-03-02T15:07:00Z",
        "appointments": [
            {
                "id": "apt-2071",
                "status": "started",
                "previous_status": "scheduled",
                "start": "2026-03-03T15:00:00Z",
                "duration_seconds": 7200,
                "assigned": False,
            }
        ],
        "clock_ahead": True,
    }


def test_terms_travel_whole_when_a_job_begins_and_as_changes_when_it_is_amended():
    submit = make.submit(accept_by=make.minutes(30), revision=Revision("revision", 4))
    told, job = one(None, submit, job=None)
    body = event_body(told, job, "Lakeside")
    assert body["details"] == {**make.DETAILS, "customer": make.JORDAN}
    assert (body["accept_by"], body["revision"]) == ("2026-03-02T15:30:00Z", 4)
    amend = make.submit(details={"title": "Other"}, revision=Revision("updated_at", 1_772_464_000_000_000))
    told, job = one(replace(job, number=make.JOB), replace(amend, revision=Revision("revision", 5)))
    body = event_body(told, job, "Lakeside")
    assert (body["details"], body["revision"]) == ({"title": "Other"}, 5)
    assert revision_body(amend.revision) == {"updated_at": "2026-03-02T15:06:40Z"}
    assert revision_body(None) == {}


def test_an_appointment_shows_its_window_and_its_reason_in_both_languages():
    window = Window(make.minutes(0), make.minutes(60))
    job = make.job(make.visit(status=VisitStatus.STARTED, window=window))
    told, job = one(job, commands.CompleteAppointment("Waiting for parts"))
    (shown,) = event_body(told, job, "Lakeside")["appointments"]
    assert shown["window"] == {"start": "2026-03-02T15:00:00Z", "end": "2026-03-02T16:00:00Z"}
    words = {"kind": "complete", "text": "Waiting for parts", "code": "WFP", "label": "Waiting for parts"}
    assert shown["reason"] == {**words, "outcome": "pauses"} == reason_body(told.reason)


def test_an_enterprise_shows_its_own_people_and_an_organization_only_itself():
    named, _ = one(make.job(), commands.CancelJob(), make.enterprise(person="Ada Miles"))
    assert by_body(named.by) == {"role": "enterprise", "name": "Ada Miles"}
    unnamed, _ = one(make.job(), commands.CancelJob(), make.enterprise())
    assert by_body(unnamed.by) == {"role": "enterprise", "name": make.ACME}
    ours, _ = one(make.job(), commands.CancelJob(), make.provider(DISPATCHER))
    assert ours.by.user == make.DISPATCHER
    assert by_body(ours.by) == {"role": "provider", "name": "Lakeside Appliance Repair"}


def test_no_body_names_or_numbers_a_user_of_an_organization():
    users = make.team()
    job = make.job(make.visit(technician=make.TECHNICIAN))
    said = [
        commands.ChangeAppointment(start=make.NOW),
        commands.ChangeAppointment(),
        commands.OnMyWay(),
        commands.CompleteAppointment("RPR"),
        commands.CancelJob(),
    ]
    for command in said:
        refs = {"technician": make.BOTH} if isinstance(command, commands.ChangeAppointment) else {}
        request = make.request(command, make.provider(users[make.DISPATCHER]), **refs)
        outcome = decide(job, request, make.facts(users=users))
        for told in outcome.events:
            body = json.dumps(event_body(told, outcome.job, "Lakeside"))
            assert "Robin Vega" not in body
            assert "555-0199" not in body
            assert "usr-" not in body
            assert '"technician' not in body
            assert not any(f": {number}," in body or f": {number}}}" in body for number in users)


def test_a_note_is_named_by_its_revision():
    told = replace(event(EventType.NOTE_PUBLISHED), note=NoteRevision(88, 2), status=JobStatus.SCHEDULED)
    assert event_body(told, make.job(), "Lakeside")["note"] == {"id": "note-88", "revision": 2}


def test_moments_are_told_in_utc():
    assert stamp(make.NOW + timedelta(microseconds=5)) == "2026-03-02T15:00:00.000005Z"


class TestCanonicalIds:
    @pytest.mark.parametrize("kind", list(Kind))
    def test_lead_back_to_their_number(self, kind):
        for number in (1, 1041, MAX_NUMBER):
            assert find_number(kind, canonical_id(kind, number)) == number

    @pytest.mark.parametrize(
        "text",
        [
            *("", "1", "job", "job-", "job_1", "JOB-1", "org-1"),
            *("job-0", "job-01", "job--1", "job-1.0", "job-1 ", "job-१"),
            *(f"job-{MAX_NUMBER + 1}", "job-" + "9" * 5000),
        ],
    )
    def test_are_told_from_everything_else(self, text):
        assert find_number(Kind.JOB, text) is None
