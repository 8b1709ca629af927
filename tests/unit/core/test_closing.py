"""A job as a whole: completed, canceled, withdrawn after the accept, restored; and progress that arrives too late."""

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.events import EventType
from gateway.core.job import Closure, EndedHow, JobStatus, ProgressKey, Rank, VisitStatus
from gateway.core.outcomes import Applied, Ignored, Refused, Unmapped
from gateway.core.parties import Side
from gateway.core.reasons import ReasonKind, ReasonLists
from tests import factories as make

ALL_OPEN = (
    make.visit(1, VisitStatus.SCHEDULED),
    make.visit(2, VisitStatus.EN_ROUTE),
    make.visit(3, VisitStatus.STARTED),
    make.visit(4, VisitStatus.PAUSED),
    make.visit(5, VisitStatus.COMPLETE, reason=make.given("WFP")),
    make.visit(6, VisitStatus.DELETED),
)


def statuses(job):
    return [visit.status.value for visit in job.visits]


class TestCompletingTheJob:
    def test_cancels_what_is_scheduled_and_completes_what_has_begun_with_the_same_reason(self):
        outcome = decide(make.job(*ALL_OPEN), make.request(commands.CompleteJob("RPR"), at=9), make.facts())
        job = outcome.job
        assert statuses(job) == ["canceled", "complete", "complete", "complete", "complete", "deleted"]
        assert [visit.reason.code for visit in job.visits[1:5]] == ["RPR", "RPR", "RPR", "WFP"]
        assert (job.status, job.closure, job.ended.how) == (
            JobStatus.COMPLETE,
            Closure.COMPLETED,
            EndedHow.COMPLETED,
        )
        event = outcome.events[0]
        assert event.type is EventType.JOB_COMPLETED
        assert event.reason.code == "RPR"
        assert [moved.visit.number for moved in event.visits] == [1, 2, 3, 4]

    def test_visits_dropped_so_are_not_remembered_for_a_restore(self):
        job = decide(make.job(*ALL_OPEN), make.request(commands.CompleteJob("RPR")), make.facts()).job
        assert all(visit.was is None for visit in job.visits)
        assert decide(job, make.request(commands.RestoreJob()), make.facts()).why == "job_not_canceled"

    def test_needs_no_visit(self):
        assert (
            decide(make.job(), make.request(commands.CompleteJob("RPR")), make.facts()).job.closure == Closure.COMPLETED
        )

    def test_by_a_pausing_reason_completes_what_is_in_progress_and_does_not_end_the_job(self):
        outcome = decide(make.job(*ALL_OPEN[1:]), make.request(commands.CompleteJob("WFP"), at=9), make.facts())
        assert statuses(outcome.job) == ["complete", "complete", "paused", "complete", "deleted"]
        assert outcome.job.ended is None
        assert outcome.job.status is JobStatus.PAUSED

    @pytest.mark.parametrize("standing", ["unscheduled", "scheduled", "paused"])
    def test_by_a_pausing_reason_with_nothing_in_progress_is_refused(self, standing):
        outcome = decide(make.job_in(standing), make.request(commands.CompleteJob("WFP")), make.facts())
        assert outcome.why == "reason_pauses"

    def test_by_a_pausing_reason_leaves_what_is_scheduled(self):
        outcome = decide(make.job(*ALL_OPEN[:2]), make.request(commands.CompleteJob("WFP")), make.facts())
        assert statuses(outcome.job) == ["scheduled", "complete"]
        assert outcome.job.status is JobStatus.SCHEDULED

    def test_without_a_reason_takes_the_only_completing_one(self):
        outcome = decide(make.job_in("in_progress"), make.request(commands.CompleteJob()), make.facts())
        assert outcome.job.ended.reason.code == "RPR"

    def test_without_a_reason_where_several_complete_is_refused(self):
        facts = make.facts(reasons=make.TWO_ENDINGS)
        assert decide(make.job_in("in_progress"), make.request(commands.CompleteJob()), facts).why == "reason_required"

    def test_by_a_reason_of_the_cancel_list_only_cancels_it(self):
        outcome = decide(make.job_in("scheduled"), make.request(commands.CompleteJob("DUP")), make.facts())
        assert outcome.job.closure is Closure.CANCELED
        assert outcome.events[0].type is EventType.JOB_CANCELED
        assert outcome.events[0].reason.kind is ReasonKind.CANCEL

    def test_by_a_reason_of_both_lists_completes_it(self):
        both = ReasonLists(make.BRAND_REASONS.complete, cancel=(make.BRAND_REASONS.complete[0],))
        outcome = decide(make.job_in("scheduled"), make.request(commands.CompleteJob("RPR")), make.facts(reasons=both))
        assert outcome.job.closure is Closure.COMPLETED

    def test_by_an_unknown_reason_waits_for_a_mapping_or_without_a_brand_is_refused(self):
        request = make.request(commands.CompleteJob("Fixed it"), number=80)
        outcome = decide(make.job_in("scheduled"), request, make.facts())
        assert isinstance(outcome, Unmapped)
        assert (outcome.text, outcome.job.held_by, outcome.job.status) == ("Fixed it", 80, JobStatus.SCHEDULED)
        assert decide(make.job_in("scheduled"), request, make.default_facts()).why == "unknown_reason"

    def test_never_takes_the_progress_of_a_visit_back_in_time(self):
        job = make.job(make.visit(status=VisitStatus.STARTED, progress=ProgressKey(make.minutes(9), Rank.STARTED, "x")))
        visit = decide(job, make.request(commands.CompleteJob("RPR"), at=5), make.facts()).job.visits[0]
        assert visit.progress.occurred_at == make.minutes(9)
        assert visit.ended_at == make.minutes(5)


class TestCancelingTheJob:
    def test_cancels_every_visit_not_ended_and_remembers_what_each_was(self):
        outcome = decide(make.job(*ALL_OPEN), make.request(commands.CancelJob("CUST")), make.facts())
        job = outcome.job
        assert statuses(job) == ["canceled", "canceled", "canceled", "canceled", "complete", "deleted"]
        assert [visit.was for visit in job.visits] == [
            "scheduled",
            "en_route",
            "started",
            "paused",
            None,
            None,
        ]
        assert (job.status, job.closure) == (JobStatus.COMPLETE, Closure.CANCELED)
        assert outcome.events[0].reason.label == "Customer canceled"

    def test_needs_no_reason_and_an_unknown_one_decides_at_once(self):
        assert decide(make.job(), make.request(commands.CancelJob()), make.facts()).job.ended.reason is None
        unknown = decide(make.job(), make.request(commands.CancelJob("Moved away")), make.facts())
        assert isinstance(unknown, Applied)
        assert (unknown.events[0].reason.text, unknown.events[0].reason.code) == ("Moved away", None)

    def test_takes_any_words_where_there_is_no_list(self):
        outcome = decide(make.job(), make.request(commands.CancelJob("Moved away")), make.default_facts())
        assert outcome.events[0].reason.code == "Moved away"

    def test_by_withdrawal_after_the_accept_is_the_sources(self):
        outcome = decide(make.job_in("in_progress"), make.request(commands.WithdrawOffer("DUP")), make.facts())
        assert outcome.job.closure is Closure.CANCELED
        assert (outcome.job.ended.by, outcome.job.ended.reason.code) == (Side.ENTERPRISE, "DUP")
        assert outcome.events[0].type is EventType.JOB_CANCELED

    def test_a_withdrawal_again_changes_nothing(self):
        job = make.job(ended=make.canceled(Side.ENTERPRISE))
        outcome = decide(job, make.request(commands.WithdrawOffer()), make.facts())
        assert isinstance(outcome, Ignored)
        assert outcome.why == "no_change"

    def test_a_withdrawal_of_what_the_provider_canceled_is_refused(self):
        assert (
            decide(make.job_in("canceled"), make.request(commands.WithdrawOffer()), make.facts()).why == "job_canceled"
        )

    def test_a_withdrawal_of_a_job_assigned_without_an_offer_cancels_it(self):
        outcome = decide(make.job(offer=None), make.request(commands.WithdrawOffer()), make.facts())
        assert outcome.job.closure is Closure.CANCELED


def cancel_and(job, actor, facts=None, at=9):
    """The job after `actor` canceled it."""
    return decide(job, make.request(commands.CancelJob(), actor, at=at), facts or make.facts()).job


class TestRestoring:
    def test_brings_every_visit_back_to_what_it_was(self):
        job = make.job(*ALL_OPEN)
        outcome = decide(cancel_and(job, make.provider()), make.request(commands.RestoreJob()), make.facts())
        assert statuses(outcome.job) == statuses(job)
        assert all(visit.was is None for visit in outcome.job.visits)
        assert [visit.ended_at for visit in outcome.job.visits[:4]] == [None] * 4
        assert outcome.job.status is job.status
        assert outcome.job.closure is None
        event = outcome.events[0]
        assert event.type is EventType.JOB_RESTORED
        assert [moved.visit.number for moved in event.visits] == [1, 2, 3, 4]
        assert event.previous_status is JobStatus.COMPLETE

    @pytest.mark.parametrize("standing", ["unscheduled", "scheduled", "in_progress", "paused"])
    def test_gives_the_status_that_was(self, standing):
        job = make.job_in(standing)
        after = decide(cancel_and(job, make.provider()), make.request(commands.RestoreJob()), make.facts()).job
        assert after.status is job.status

    def test_leaves_a_visit_that_was_canceled_by_itself(self):
        job = make.job(make.visit(1, VisitStatus.CANCELED), make.visit(2))
        after = decide(cancel_and(job, make.provider()), make.request(commands.RestoreJob()), make.facts()).job
        assert statuses(after) == ["canceled", "scheduled"]

    def test_brings_past_ones_back_too(self):
        job = make.job(make.visit(start=make.minutes(-10_000)))
        outcome = decide(cancel_and(job, make.provider()), make.request(commands.RestoreJob()), make.facts())
        assert outcome.job.status is JobStatus.SCHEDULED
        assert len(outcome.events) == 1

    def test_unassigns_and_flags_visits_whose_technician_is_gone(self):
        job = cancel_and(
            make.job(make.visit(1, technician=make.TECHNICIAN), make.visit(2, technician=make.BOTH)), make.provider()
        )
        gone = make.team(technician=make.user(active=False, deactivated_at=make.minutes(10)))
        after = decide(job, make.request(commands.RestoreJob(), at=12), make.facts(users=gone)).job
        assert [(visit.technician, visit.unassigned_by_gateway) for visit in after.visits] == [
            (None, True),
            (make.BOTH, False),
        ]
        assert after.visits[0].was_of(make.TECHNICIAN, make.minutes(11))

    def test_then_a_new_appointment_is_added_as_usual(self):
        job = make.job_in("canceled")
        add = make.request(commands.AddAppointment(make.new_visit()))
        assert decide(job, add, make.facts()).why == "job_canceled"
        restored = decide(job, make.request(commands.RestoreJob()), make.facts()).job
        assert len(decide(restored, add, make.facts()).job.visits) == 2

    @pytest.mark.parametrize(
        ("canceled_by", "restored_by", "allowed"),
        [
            (make.provider(), make.provider(), True),
            (make.provider(), make.enterprise(), True),
            (make.enterprise(), make.enterprise(), True),
            (make.enterprise(), make.provider(), False),
        ],
    )
    def test_is_for_the_party_that_canceled_and_for_the_source(self, canceled_by, restored_by, allowed):
        job = cancel_and(make.job_in("scheduled"), canceled_by)
        outcome = decide(job, make.request(commands.RestoreJob(), restored_by), make.facts())
        assert isinstance(outcome, Applied) if allowed else outcome.why == "canceled_by_source"

    def test_of_a_job_from_a_brands_page_is_the_enterprises_right(self):
        job = cancel_and(make.job(side=Side.BOOKING_PAGE, source="book-acme"), make.provider())
        outcome = decide(job, make.request(commands.RestoreJob(), make.enterprise()), make.facts())
        assert isinstance(outcome, Applied)

    def test_of_a_job_from_its_own_page_is_the_providers_right(self):
        own = make.job(side=Side.BOOKING_PAGE, source="book-lakeside", account=None, brand=None)
        job = cancel_and(own, make.provider())
        assert isinstance(decide(job, make.request(commands.RestoreJob()), make.default_facts()), Applied)

    def test_of_a_job_that_was_replaced_is_refused(self):
        job = make.job(make.visit(), ended=make.canceled(), replaced_by=2000)
        assert decide(job, make.request(commands.RestoreJob()), make.facts()).why == "job_replaced"


class TestProgressOfAVisitCanceledWithItsJob:
    canceled = cancel_and(make.job(make.visit(status=VisitStatus.STARTED)), make.provider(), at=10)

    def test_that_occurred_before_is_applied_to_what_the_visit_was_and_told_without_moving_the_status(self):
        outcome = decide(
            self.canceled, make.request(commands.CompleteAppointment("RPR"), at=9, arrived=20), make.facts()
        )
        visit = outcome.job.visits[0]
        assert (visit.status, visit.was) == (VisitStatus.CANCELED, VisitStatus.COMPLETE)
        assert outcome.job.status is JobStatus.COMPLETE
        (event,) = outcome.events
        assert event.type is EventType.APPOINTMENT_COMPLETED
        assert (event.previous_status, event.status, event.closure) == (
            JobStatus.COMPLETE,
            JobStatus.COMPLETE,
            Closure.CANCELED,
        )
        assert event.occurred_at == make.minutes(9)
        restored = decide(outcome.job, make.request(commands.RestoreJob(), at=30), make.facts()).job
        assert restored.visits[0].status is VisitStatus.COMPLETE
        assert restored.visits[0].ended_at == make.minutes(9)
        assert restored.closure is Closure.COMPLETED

    def test_that_occurred_after_is_refused(self):
        for moment in (10, 11):
            late = make.request(commands.CompleteAppointment("RPR"), at=moment)
            assert decide(self.canceled, late, make.facts()).why == "job_canceled"

    def test_is_stale_before_what_is_known(self):
        assert decide(self.canceled, make.request(commands.OnMyWay(), at=-1), make.facts()).why == "stale"

    def test_is_judged_by_what_the_visit_was(self):
        late = make.request(commands.OnMyWay(), at=9)
        assert decide(self.canceled, late, make.facts()).why == "transition_not_allowed"
        done = decide(self.canceled, make.request(commands.CompleteAppointment("RPR"), at=7), make.facts()).job
        again = make.request(commands.PauseAppointment(), at=8)
        assert decide(done, again, make.facts()).why == "appointment_ended"

    def test_with_an_unknown_reason_is_held(self):
        late = make.request(commands.CompleteAppointment("Fixed it"), at=9)
        assert isinstance(decide(self.canceled, late, make.facts()), Unmapped)

    @pytest.mark.parametrize(
        "command", [commands.ChangeAppointment(), commands.DeleteAppointment(), commands.CancelAppointment()]
    )
    def test_other_commands_about_it_are_refused_until_the_restore(self, command):
        outcome = decide(self.canceled, make.request(command, at=9), make.facts())
        assert isinstance(outcome, Refused)
        assert outcome.why == "job_canceled"
