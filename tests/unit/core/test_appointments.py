"""The table of appointments: what each may become, and how it is changed and assigned."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.events import EventType
from gateway.core.job import DEFAULT_DURATION, MAX_VISITS, VISIT_TRANSITIONS, JobStatus, VisitStatus, Window
from gateway.core.outcomes import Applied, Ignored, Refused
from gateway.core.parties import Role
from tests import factories as make

TO = {
    VisitStatus.SCHEDULED: commands.UndoOnMyWay(),
    VisitStatus.EN_ROUTE: commands.OnMyWay(),
    VisitStatus.STARTED: commands.StartAppointment(),
    VisitStatus.PAUSED: commands.PauseAppointment("NSH"),
    VisitStatus.COMPLETE: commands.CompleteAppointment("RPR"),
    VisitStatus.CANCELED: commands.CancelAppointment("CUST"),
    VisitStatus.DELETED: commands.DeleteAppointment(),
}
TOLD_AS = {
    VisitStatus.SCHEDULED: EventType.APPOINTMENT_CHANGED,
    VisitStatus.EN_ROUTE: EventType.APPOINTMENT_EN_ROUTE,
    VisitStatus.STARTED: EventType.APPOINTMENT_STARTED,
    VisitStatus.PAUSED: EventType.APPOINTMENT_PAUSED,
    VisitStatus.COMPLETE: EventType.APPOINTMENT_COMPLETED,
    VisitStatus.CANCELED: EventType.APPOINTMENT_CANCELED,
    VisitStatus.DELETED: EventType.APPOINTMENT_DELETED,
}
ALLOWED = {
    "scheduled": "en_route started paused complete canceled deleted",
    "en_route": "scheduled started paused complete canceled",
    "started": "paused complete canceled",
    "paused": "en_route started complete canceled",
    "complete": "",
    "canceled": "",
    "deleted": "",
}
STANDS_THERE_ALREADY = {("scheduled", "scheduled"), ("en_route", "en_route"), ("started", "started")}
NOT_BEGUN = {("en_route", "deleted"), ("started", "deleted"), ("paused", "deleted")}


def why_not(before, after):
    if before in {"complete", "canceled", "deleted"}:
        return "appointment_ended"
    return "appointment_begun" if (before, after) in NOT_BEGUN else "transition_not_allowed"


@pytest.mark.parametrize("after", list(VisitStatus))
@pytest.mark.parametrize("before", list(VisitStatus))
def test_a_visit_becomes_what_the_table_says_and_nothing_else(before, after):
    job = make.job(make.visit(status=before))
    outcome = decide(job, make.request(TO[after]), make.facts())
    if after in ALLOWED[before].split():
        assert isinstance(outcome, Applied)
        assert outcome.job.visits[0].status is after
        assert outcome.events[0].type is TOLD_AS[after]
        assert [(moved.previous, moved.visit.status) for moved in outcome.events[0].visits] == [(before, after)]
    elif (before, after) in STANDS_THERE_ALREADY:
        assert isinstance(outcome, Ignored)
        assert outcome.why == "no_change"
    else:
        assert isinstance(outcome, Refused)
        assert outcome.why == why_not(before, after)


def test_the_table_in_the_code_is_the_table():
    assert {before: set(after) for before, after in VISIT_TRANSITIONS.items()} == {
        VisitStatus(before): {VisitStatus(after) for after in afters.split()} for before, afters in ALLOWED.items()
    }


@pytest.mark.parametrize("status", list(VisitStatus))
def test_a_visit_can_be_changed_until_it_has_ended(status):
    job = make.job(make.visit(status=status))
    outcome = decide(job, make.request(commands.ChangeAppointment(start=make.minutes(5000))), make.facts())
    if status in {VisitStatus.COMPLETE, VisitStatus.CANCELED, VisitStatus.DELETED}:
        assert outcome.why == "appointment_ended"
    else:
        assert outcome.job.visits[0].start == make.minutes(5000)
        assert outcome.job.visits[0].status is status
        assert outcome.events[0].type is EventType.APPOINTMENT_CHANGED


def test_a_new_visit_lasts_two_hours_where_nothing_else_is_said():
    outcome = decide(make.job(), make.request(commands.AddAppointment(make.new_visit()), number=77), make.facts())
    (visit,) = outcome.job.visits
    assert visit.number == 77
    assert visit.duration == DEFAULT_DURATION == timedelta(hours=2)
    assert visit.technician is None
    assert visit.status is VisitStatus.SCHEDULED


def test_a_change_leaves_what_it_does_not_name():
    window = Window(make.minutes(1440), make.minutes(1500))
    job = make.job(make.visit(duration=timedelta(hours=3), window=window, technician=make.TECHNICIAN))
    longer = commands.ChangeAppointment(duration=timedelta(hours=4))
    visit = decide(job, make.request(longer), make.facts()).job.visits[0]
    assert visit == replace(job.visits[0], duration=timedelta(hours=4), latest=visit.latest)


def test_the_arrival_window_moves_along_with_the_start():
    window = Window(make.minutes(1440), make.minutes(1500))
    job = make.job(make.visit(start=make.minutes(1440), window=window))
    outcome = decide(job, make.request(commands.ChangeAppointment(start=make.minutes(1540))), make.facts())
    assert outcome.job.visits[0].window == Window(make.minutes(1540), make.minutes(1600))
    other = Window(make.minutes(9), make.minutes(10))
    far = make.visit(window=Window(make.NOW, datetime.max.replace(tzinfo=UTC)))
    outcome = decide(make.job(far), make.request(commands.ChangeAppointment(start=make.minutes(9999))), make.facts())
    assert outcome.job.visits[0].window == far.window
    both = commands.ChangeAppointment(start=make.minutes(9), window=other)
    assert decide(job, make.request(both), make.facts()).job.visits[0].window == other


def test_a_change_that_changes_nothing_is_ignored():
    job = make.job(make.visit(start=make.minutes(10)))
    outcome = decide(job, make.request(commands.ChangeAppointment(start=make.minutes(10))), make.facts())
    assert isinstance(outcome, Ignored)
    assert outcome.why == "no_change"


def test_adding_a_visit_that_is_known_already_gives_it_the_time_asked_for():
    job = make.job(make.visit())
    again = make.request(commands.AddAppointment(make.new_visit(9000)), appointment=make.VISIT)
    outcome = decide(job, again, make.facts())
    assert [visit.start for visit in outcome.job.visits] == [make.minutes(9000)]
    assert outcome.events[0].type is EventType.APPOINTMENT_CHANGED


def test_a_visit_of_another_job_is_not_found():
    outcome = decide(make.job(make.visit()), make.request(commands.OnMyWay(), appointment=9), make.facts())
    assert (outcome.why, outcome.member) == ("not_your_job", "data.appointment")


def test_a_job_has_at_most_a_hundred_visits():
    visits = [make.visit(number, VisitStatus.CANCELED) for number in range(1, MAX_VISITS + 1)]
    add = make.request(commands.AddAppointment(make.new_visit()))
    assert decide(make.job(*visits), add, make.facts()).why == "too_many_appointments"
    assert isinstance(decide(make.job(*visits[1:]), add, make.facts()), Applied)


def test_a_new_visit_opens_a_completed_job_again():
    job = make.job(make.visit(status=VisitStatus.CANCELED), ended=make.completed())
    outcome = decide(job, make.request(commands.AddAppointment(make.new_visit())), make.facts())
    assert outcome.job.ended is None
    assert outcome.job.status is JobStatus.SCHEDULED


class TestTechnicians:
    def outcome(self, technician, **fields):
        request = make.request(commands.AddAppointment(make.new_visit()), technician=technician)
        return decide(make.job(), request, make.facts(**fields))

    @pytest.mark.parametrize("number", [make.TECHNICIAN, make.BOTH])
    def test_who_does_visits_is_given_one(self, number):
        assert self.outcome(number).job.visits[0].technician == number

    def test_a_dispatcher_is_given_none(self):
        assert self.outcome(make.DISPATCHER).why == "not_a_technician"

    def test_somebody_of_another_organization_is_given_none(self):
        stranger = make.user(99, organization=make.OTHER_ORGANIZATION)
        assert self.outcome(99, users={99: stranger}).why == "not_your_user"
        assert self.outcome(99, users={}).why == "not_your_user"

    def test_a_deactivated_user_is_given_none(self):
        gone = make.team(technician=make.user(active=False, deactivated_at=make.NOW))
        assert self.outcome(make.TECHNICIAN, users=gone).why == "user_deactivated"

    def test_a_visit_that_is_changed_goes_to_nobody_who_does_none(self):
        request = make.request(commands.ChangeAppointment(), technician=make.DISPATCHER)
        assert decide(make.job(make.visit()), request, make.facts()).why == "not_a_technician"

    def test_a_visit_is_reassigned_and_unassigned(self):
        job = make.job(make.visit(technician=make.TECHNICIAN))
        given = make.request(commands.ChangeAppointment(), technician=make.OTHER_TECHNICIAN)
        assert decide(job, given, make.facts()).job.visits[0].technician == make.OTHER_TECHNICIAN
        taken = make.request(commands.ChangeAppointment(unassign=True))
        outcome = decide(job, taken, make.facts())
        assert outcome.job.visits[0].technician is None
        assert not outcome.job.visits[0].unassigned_by_gateway
        assert outcome.job.status is JobStatus.SCHEDULED

    def test_an_enterprise_assigns_only_the_people_of_its_own_branches(self):
        add = commands.AddAppointment(make.new_visit())
        job, branch = make.job(), make.facts(organization=make.organization(branch_of=make.ACCOUNT))
        own = make.request(add, make.enterprise(first_party=True), technician=make.TECHNICIAN)
        assert decide(job, own, branch).job.visits[0].technician == make.TECHNICIAN
        assert decide(job, own, make.facts()).why == "not_your_branch"
        foreign = make.request(add, make.enterprise(), technician=make.TECHNICIAN)
        assert decide(job, foreign, make.facts()).why == "not_allowed"


class TestWhenATechnicianHasLeft:
    gone = make.team(technician=make.user(active=False, deactivated_at=make.minutes(5)))

    def outcome(self, visit, users=None):
        unassign = commands.ChangeAppointment(unassign=True, by_gateway=True)
        request = make.request(unassign, make.CLOCK, at=5)
        return decide(make.job(visit), request, make.facts(users=users or self.gone))

    def test_a_visit_not_begun_becomes_unassigned_and_is_flagged_without_a_word_to_the_customer(self):
        outcome = self.outcome(make.visit(technician=make.TECHNICIAN))
        visit = outcome.job.visits[0]
        assert visit.technician is None
        assert visit.unassigned_by_gateway
        assert [event.type for event in outcome.events] == [EventType.APPOINTMENT_CHANGED]

    @pytest.mark.parametrize("status", [VisitStatus.EN_ROUTE, VisitStatus.STARTED, VisitStatus.PAUSED])
    def test_a_visit_that_has_begun_stays_as_it_is(self, status):
        assert self.outcome(make.visit(status=status, technician=make.TECHNICIAN)).why == "no_change"

    def test_a_visit_that_has_ended_or_went_to_somebody_else_meanwhile_stays_as_it_is(self):
        assert self.outcome(make.visit(status=VisitStatus.CANCELED, technician=make.TECHNICIAN)).why == "no_change"
        assert self.outcome(make.visit(technician=make.OTHER_TECHNICIAN)).why == "no_change"
        assert self.outcome(make.visit()).why == "no_change"

    def test_a_technician_reactivated_meanwhile_keeps_the_visit(self):
        assert self.outcome(make.visit(technician=make.TECHNICIAN), make.team()).why == "no_change"

    def test_the_flag_goes_when_somebody_else_is_assigned(self):
        left = make.visit(unassigned_by_gateway=True)
        later = commands.ChangeAppointment(start=make.minutes(4000))
        assert decide(make.job(left), make.request(later), make.facts()).job.visits[0].unassigned_by_gateway
        given = make.request(commands.ChangeAppointment(), technician=make.BOTH)
        visit = decide(make.job(left), given, make.facts()).job.visits[0]
        assert (visit.technician, visit.unassigned_by_gateway) == (make.BOTH, False)
        assert make.team()[make.BOTH].role is Role.BOTH
