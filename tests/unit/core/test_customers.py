"""What the customer hears, and is asked: texts beside the event of a decision, surveys, and reminders to the provider."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.document import stamp
from gateway.core.events import CUSTOMER_EVENTS, EventType, audiences
from gateway.core.ids import Kind, Ref
from gateway.core.job import VisitStatus, Window
from gateway.core.outcomes import Parked
from gateway.core.parties import Position
from gateway.core.visibility import Audience
from tests import factories as make


def told(outcome):
    return [event for event in outcome.events if event.type in CUSTOMER_EVENTS]


def kinds(outcome):
    return [event.type for event in told(outcome)]


def tell(command, job=None, facts=None, **more):
    return decide(job or make.job(make.visit()), make.request(command, **more), facts or make.facts())


class TestTexts:
    def test_tell_of_a_new_appointment_however_it_came_about(self):
        visit = make.new_visit()
        outcomes = [
            tell(commands.AddAppointment(visit), make.job()),
            tell(commands.AcceptOffer(visit=visit), make.job_in("offered")),
            decide(None, make.request(make.create(visit=visit), job=None), make.facts()),
        ]
        for outcome in outcomes:
            assert kinds(outcome) == [EventType.CUSTOMER_APPOINTMENT_SCHEDULED]
            (event,) = told(outcome)
            assert event.details["customer"] == make.JORDAN
            assert [moved.visit.start for moved in event.visits] == [visit.start]

    @pytest.mark.parametrize(
        "change",
        [
            commands.ChangeAppointment(start=make.minutes(7000)),
            commands.ChangeAppointment(duration=timedelta(hours=5)),
            commands.ChangeAppointment(window=Window(make.minutes(1), make.minutes(2))),
        ],
    )
    def test_tell_of_another_time(self, change):
        assert kinds(tell(change)) == [EventType.CUSTOMER_APPOINTMENT_CHANGED]

    def test_say_nothing_of_another_technician(self):
        assert kinds(tell(commands.ChangeAppointment(), technician=make.TECHNICIAN)) == []

    @pytest.mark.parametrize("status", [VisitStatus.SCHEDULED, VisitStatus.EN_ROUTE])
    def test_tell_that_an_appointment_to_come_is_off(self, status):
        job = make.job(make.visit(status=status))
        for command in (commands.CancelAppointment(), commands.CancelJob()):
            assert kinds(tell(command, job)) == [EventType.CUSTOMER_APPOINTMENT_CANCELED]

    @pytest.mark.parametrize("status", [VisitStatus.STARTED, VisitStatus.PAUSED])
    def test_say_nothing_where_the_technician_was_there_already(self, status):
        job = make.job(make.visit(status=status))
        for command in (commands.CancelAppointment(), commands.CancelJob()):
            assert kinds(tell(command, job)) == []

    def test_tell_that_a_deleted_appointment_is_off(self):
        assert kinds(tell(commands.DeleteAppointment())) == [EventType.CUSTOMER_APPOINTMENT_CANCELED]

    def test_tell_of_each_visit_that_a_decision_about_the_job_took_away(self):
        job = make.job(make.visit(1), make.visit(2), make.visit(3, VisitStatus.STARTED))
        assert kinds(tell(commands.CancelJob(), job)) == [EventType.CUSTOMER_APPOINTMENT_CANCELED] * 2
        assert kinds(tell(commands.CompleteJob("RPR"), job)) == [
            EventType.CUSTOMER_APPOINTMENT_CANCELED,
            EventType.CUSTOMER_APPOINTMENT_CANCELED,
            EventType.CUSTOMER_SURVEY_REQUESTED,
        ]

    def test_tell_of_appointments_to_come_that_a_restore_brought_back(self):
        job = make.job(make.visit(1), make.visit(2, start=make.NOW), make.visit(3, VisitStatus.EN_ROUTE))
        canceled = tell(commands.CancelJob(), job).job
        outcome = tell(commands.RestoreJob(), canceled)
        assert kinds(outcome) == [EventType.CUSTOMER_APPOINTMENT_SCHEDULED]
        assert told(outcome)[0].visits[0].visit.number == 1

    def test_tell_that_the_technician_is_there_on_start(self):
        assert kinds(tell(commands.StartAppointment())) == [EventType.CUSTOMER_ARRIVED]

    def test_say_nothing_of_an_undo_or_a_pause(self):
        en_route = make.job(make.visit(status=VisitStatus.EN_ROUTE))
        assert kinds(tell(commands.UndoOnMyWay(), en_route)) == []
        assert kinds(tell(commands.PauseAppointment(), en_route)) == []

    def test_are_for_the_customer_only(self):
        for kind in CUSTOMER_EVENTS:
            event = replace(tell(commands.StartAppointment()).events[1], type=kind)
            assert audiences(event) == {Audience.CUSTOMER}
        assert len(CUSTOMER_EVENTS) == 6


class TestEstimatedArrival:
    job = make.job(make.visit(technician=make.TECHNICIAN))

    def estimate(self, position=None, minutes=None, job=None):
        users = make.team(technician=make.user(position=position))
        outcome = tell(commands.OnMyWay(minutes), job or self.job, make.facts(users=users), at=100)
        assert kinds(outcome) == [EventType.CUSTOMER_ON_MY_WAY]
        return told(outcome)[0].details["estimated_arrival"]

    near = Position(make.minutes(95), 46.78, -92.1 + 0.2626)  # 20 km to the east

    def test_is_what_the_sender_says(self):
        assert self.estimate(self.near, 25) == {"at": stamp(make.minutes(125)), "basis": "sender"}
        assert self.estimate(minutes=0) == {"at": stamp(make.minutes(100)), "basis": "sender"}

    def test_else_the_way_from_a_fresh_position(self):
        estimate = self.estimate(self.near)
        assert estimate["basis"] == "position"
        # 20 km × 1.3 at 40 km/h are 39 minutes.
        assert stamp(make.minutes(138.5)) < estimate["at"] < stamp(make.minutes(139.5))

    @pytest.mark.parametrize(
        "position",
        [
            None,
            Position(make.minutes(90), 46.78, -92.0),
            Position(make.minutes(99), None, None, "sharing_off"),
        ],
    )
    def test_else_the_start_of_the_appointment(self, position):
        start = self.job.visits[0].start
        assert self.estimate(position) == {"at": stamp(start), "basis": "appointment"}

    @pytest.mark.parametrize("address", [None, {"city": "Duluth"}, {"latitude": "46", "longitude": "-92"}])
    def test_needs_to_know_where_the_job_is(self, address):
        job = replace(self.job, details={"address": address})
        assert self.estimate(self.near, job=job)["basis"] == "appointment"

    def test_is_the_start_where_nobody_is_assigned(self):
        assert self.estimate(self.near, job=make.job(make.visit()))["basis"] == "appointment"


class TestSurveys:
    @pytest.mark.parametrize("reason", ["RPR", "WFP"])
    def test_are_asked_for_when_a_visit_completes_with_whatever_outcome(self, reason):
        outcome = tell(commands.CompleteAppointment(reason))
        assert kinds(outcome) == [EventType.CUSTOMER_SURVEY_REQUESTED]
        assert outcome.job.surveyed_at == make.minutes(60)

    @pytest.mark.parametrize(("hours", "asked"), [(1, 0), (23.99, 0), (24, 1), (50, 1)])
    def test_are_not_asked_for_twice_within_a_day_for_one_job(self, hours, asked):
        job = make.job(make.visit(), surveyed_at=make.NOW)
        facts = make.facts(now=make.minutes(hours * 60))
        for command in (commands.CompleteAppointment("RPR"), commands.CompleteJob("RPR")):
            started = make.job(make.visit(status=VisitStatus.STARTED), surveyed_at=job.surveyed_at)
            assert len(kinds(tell(command, started, facts))) == asked

    def test_are_asked_for_once_where_several_visits_complete_together(self):
        job = make.job(make.visit(1, VisitStatus.STARTED), make.visit(2, VisitStatus.PAUSED))
        assert kinds(tell(commands.CompleteJob("RPR"), job)) == [EventType.CUSTOMER_SURVEY_REQUESTED]

    def test_are_not_asked_for_a_visit_that_was_canceled_with_its_job(self):
        job = tell(commands.CancelJob(), make.job(make.visit()), at=10).job
        assert kinds(tell(commands.CompleteAppointment("RPR"), job, at=5)) == []

    def test_answers_go_to_the_brand_and_touch_no_status(self):
        job = make.job_in("completed")
        answer = commands.AnswerSurvey(rating=5, message="Quick")
        outcome = tell(answer, job, appointment=make.VISIT)
        (event,) = outcome.events
        assert (event.type, event.details) == (EventType.SURVEY_ANSWERED, {"rating": 5, "message": "Quick"})
        assert (event.previous_status, event.status, event.changes) == (job.status, job.status, ())
        assert audiences(event) == {Audience.ENTERPRISE}
        assert tell(answer, job, appointment=9).why == "not_your_job"
        ref = Ref(Kind.APPOINTMENT, "surveys", "v")
        assert tell(answer, job, appointment=ref) == Parked(ref=ref)


class TestReminders:
    @pytest.mark.parametrize("standing", ["offered", "unscheduled", "scheduled", "in_progress", "paused"])
    def test_are_for_the_provider_and_touch_no_status(self, standing):
        job = make.job_in(standing)
        (event,) = tell(commands.SendReminder("Please call"), job).events
        assert (event.type, event.details) == (EventType.REMINDER_SENT, {"message": "Please call"})
        assert (event.previous_status, event.status, event.changes) == (job.status, job.status, ())
        assert audiences(event) == {Audience.PROVIDER}
        assert tell(commands.SendReminder(), job).events[0].details == {}

    @pytest.mark.parametrize(
        ("standing", "why"),
        [("completed", "job_closed"), ("canceled", "job_canceled"), ("declined", "offer_closed")],
    )
    def test_are_refused_where_there_is_nothing_to_ask(self, standing, why):
        assert tell(commands.SendReminder(), make.job_in(standing)).why == why
