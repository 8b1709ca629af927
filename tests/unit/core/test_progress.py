"""Progress of one visit: the last writer wins, clocks are not trusted, and reasons are the brand's own words."""

import pytest

from gateway.core import commands
from gateway.core.clocks import read_clock
from gateway.core.decide import decide
from gateway.core.events import EventType
from gateway.core.job import JobStatus, ProgressKey, Rank, VisitStatus
from gateway.core.outcomes import Applied, Ignored, Parked, Refused, Unmapped
from gateway.core.reasons import Ending, Reason, ReasonKind, ReasonLists
from tests import factories as make


def after(job, *told, facts=None):
    """The job after `told`, pairs of a command and the moment it occurred, whatever becomes of each."""
    for command, moment in told:
        outcome = decide(job, make.request(command, at=moment, arrived=99), facts or make.facts())
        if isinstance(outcome, Applied | Ignored):
            job = outcome.job or job
    return job


class TestStaleness:
    def test_a_late_on_my_way_after_complete_is_logged_at_its_own_time_and_moves_nothing(self):
        job = after(make.job(make.visit()), (commands.CompleteAppointment("RPR"), 10))
        outcome = decide(job, make.request(commands.OnMyWay(), at=5, arrived=12), make.facts())
        assert isinstance(outcome, Ignored)
        assert outcome.why == "stale"
        (event,) = outcome.events
        assert event.type is EventType.PROGRESS_STALE
        assert event.occurred_at == make.minutes(5)
        assert event.previous_status is event.status is JobStatus.COMPLETE
        assert event.details == {"appointment": f"apt-{make.VISIT}", "status": "en_route"}
        assert event.visits == ()

    def test_forward_jumps_are_legal(self):
        for command in (commands.StartAppointment(), commands.PauseAppointment(), commands.CompleteAppointment("RPR")):
            assert isinstance(decide(make.job(make.visit()), make.request(command), make.facts()), Applied)

    def test_at_the_same_moment_the_higher_rank_wins(self):
        job = make.job(make.visit())
        forward = after(job, (commands.OnMyWay(), 5), (commands.StartAppointment(), 5))
        backward = after(job, (commands.StartAppointment(), 5), (commands.OnMyWay(), 5))
        assert forward.visits[0].status is backward.visits[0].status is VisitStatus.STARTED

    def test_at_the_same_moment_and_rank_the_greater_message_id_wins(self):
        def complete(job, reason, message_id):
            request = make.request(commands.CompleteAppointment(reason), at=5, message_id=message_id)
            return decide(job, request, make.facts())

        job = complete(make.job(make.visit()), "RPR", "b").job
        assert complete(job, "WFP", "a").why == "stale"

    def test_what_stands_already_is_ignored_but_makes_what_occurred_before_stale(self):
        job = after(make.job(make.visit()), (commands.OnMyWay(), 1))
        again = decide(job, make.request(commands.OnMyWay(), at=3), make.facts())
        assert isinstance(again, Ignored)
        assert again.why == "no_change"
        assert decide(again.job, make.request(commands.UndoOnMyWay(), at=2), make.facts()).why == "stale"

    def test_an_undo_that_overtook_its_on_my_way_wins(self):
        job = after(make.job(make.visit()), (commands.UndoOnMyWay(), 2), (commands.OnMyWay(), 1))
        assert job.status is JobStatus.SCHEDULED

    def test_progress_from_before_a_visit_was_canceled_or_deleted_is_stale_and_from_after_it_refused(self):
        for status in (VisitStatus.CANCELED, VisitStatus.DELETED):
            job = make.job(make.visit(status=status, ended_at=make.minutes(10)))
            assert decide(job, make.request(commands.StartAppointment(), at=9), make.facts()).why == "stale"
            later = decide(job, make.request(commands.StartAppointment(), at=11), make.facts())
            assert later.why == "appointment_ended"

    def test_without_a_message_id_the_digest_breaks_the_tie(self):
        request = make.request(commands.OnMyWay(), message_id=None, digest="d1")
        visit = decide(make.job(make.visit()), request, make.facts()).job.visits[0]
        assert visit.progress == ProgressKey(make.minutes(1), Rank.EN_ROUTE, "d1")


class TestUndo:
    def test_takes_on_my_way_back(self):
        job = after(make.job(make.visit()), (commands.OnMyWay(), 1))
        assert job.status is JobStatus.IN_PROGRESS
        outcome = decide(job, make.request(commands.UndoOnMyWay(), at=2), make.facts())
        assert outcome.job.status is JobStatus.SCHEDULED
        assert [event.type for event in outcome.events] == [EventType.APPOINTMENT_CHANGED]

    def test_leaves_no_visit_with_somebody_who_was_deactivated_on_the_way(self):
        job = after(make.job(make.visit(technician=make.TECHNICIAN)), (commands.OnMyWay(), 1))
        gone = make.team(technician=make.user(active=False, deactivated_at=make.minutes(2)))
        outcome = decide(job, make.request(commands.UndoOnMyWay(), at=3), make.facts(users=gone))
        (visit,) = outcome.job.visits
        assert (visit.status, visit.technician, visit.unassigned_by_gateway) == (VisitStatus.SCHEDULED, None, True)

    def test_of_what_has_started_is_refused(self):
        job = after(make.job(make.visit()), (commands.StartAppointment(), 1))
        assert decide(job, make.request(commands.UndoOnMyWay(), at=2), make.facts()).why == "transition_not_allowed"


class TestClocks:
    def test_an_earlier_moment_is_believed_and_none_is_the_arrival(self):
        assert read_clock(make.minutes(-900), make.NOW) == (make.minutes(-900), False)
        assert read_clock(None, make.NOW) == (make.NOW, False)

    @pytest.mark.parametrize(("ahead", "flagged"), [(1, False), (5, False), (5.1, True), (600, True)])
    def test_a_later_moment_is_read_as_arrival_and_flagged_beyond_five_minutes(self, ahead, flagged):
        assert read_clock(make.minutes(ahead), make.NOW) == (make.NOW, flagged)

    def test_the_flag_stands_on_the_event(self):
        request = make.request(commands.OnMyWay(), clock_ahead=True)
        assert decide(make.job(make.visit()), request, make.facts()).events[0].clock_ahead


class TestReasons:
    def outcome(self, command, reasons=make.BRAND_REASONS, status=VisitStatus.STARTED):
        return decide(make.job(make.visit(status=status)), make.request(command), make.facts(reasons=reasons))

    @pytest.mark.parametrize("text", ["RPR", "Repaired – job completed"])
    def test_are_found_by_code_and_by_label(self, text):
        reason = self.outcome(commands.CompleteAppointment(text)).events[0].reason
        assert (reason.text, reason.code, reason.outcome) == (text, "RPR", Ending.COMPLETES)

    def test_a_code_outweighs_the_label_of_another(self):
        lists = ReasonLists((Reason("1", "2", Ending.COMPLETES), Reason("2", "1", Ending.PAUSES)))
        assert lists.find(ReasonKind.COMPLETE, "2").outcome is Ending.PAUSES
        assert lists.find(ReasonKind.COMPLETE, "3") is None
        assert lists.find(ReasonKind.CANCEL, "1") is None

    def test_a_pausing_reason_pauses_the_job_though_the_visit_is_complete(self):
        outcome = self.outcome(commands.CompleteAppointment("WFP"))
        assert outcome.job.visits[0].status is VisitStatus.COMPLETE
        assert outcome.job.status is JobStatus.PAUSED

    def test_a_completion_without_one_takes_the_only_completing_one(self):
        assert self.outcome(commands.CompleteAppointment()).events[0].reason.code == "RPR"

    def test_a_completion_without_one_where_several_complete_is_refused(self):
        assert self.outcome(commands.CompleteAppointment(), make.TWO_ENDINGS).why == "reason_required"

    def test_an_unknown_one_is_not_guessed(self):
        request = make.request(commands.CompleteAppointment("repaired"), number=81)
        job = make.job_in("in_progress")
        outcome = decide(job, request, make.facts())
        assert isinstance(outcome, Unmapped)
        assert (outcome.text, outcome.job.held_by) == ("repaired", 81)
        assert outcome.job.visits == job.visits

    def test_an_unknown_one_is_refused_where_there_is_no_brand(self):
        outcome = decide(
            make.job_in("in_progress"), make.request(commands.CompleteAppointment("RPR")), make.default_facts()
        )
        assert (outcome.why, outcome.member) == ("unknown_reason", "data.reason")

    @pytest.mark.parametrize(("code", "status"), [("done", JobStatus.COMPLETE), ("needs_follow_up", JobStatus.PAUSED)])
    def test_without_a_brand_there_are_two(self, code, status):
        request = make.request(commands.CompleteAppointment(code))
        assert decide(make.job_in("in_progress"), request, make.default_facts()).job.status is status

    def test_an_illegal_completion_is_refused_though_its_reason_is_unknown(self):
        assert self.outcome(commands.CompleteAppointment("?"), status=VisitStatus.COMPLETE).why == "appointment_ended"


class TestPausing:
    outcome = TestReasons.outcome

    @pytest.mark.parametrize("reason", ["NSH", "No show", None])
    def test_takes_a_pausing_reason_or_none(self, reason):
        outcome = self.outcome(commands.PauseAppointment(reason))
        assert outcome.job.status is JobStatus.PAUSED
        assert (outcome.events[0].reason.code if reason else outcome.events[0].reason) == ("NSH" if reason else None)

    def test_refuses_a_completing_one(self):
        assert self.outcome(commands.PauseAppointment("RPR")).why == "reason_completes"

    def test_decides_at_once_by_an_unknown_one(self):
        outcome = self.outcome(commands.PauseAppointment("dog in the yard"))
        assert isinstance(outcome, Applied)
        assert outcome.job.status is JobStatus.PAUSED
        assert outcome.events[0].reason.code is None

    def test_refuses_an_unknown_one_where_there_is_no_brand(self):
        request = make.request(commands.PauseAppointment("dog in the yard"))
        assert decide(make.job_in("in_progress"), request, make.default_facts()).why == "unknown_reason"

    def test_again_with_another_reason_is_refused(self):
        outcome = self.outcome(commands.PauseAppointment("NSH"), status=VisitStatus.PAUSED)
        assert isinstance(outcome, Refused)
        assert outcome.why == "transition_not_allowed"


class TestWhatWaitsBehindAHeldCompletion:
    held = make.job(make.visit(status=VisitStatus.STARTED), held_by=500)

    @pytest.mark.parametrize(
        "command",
        [
            commands.OnMyWay(),
            commands.CompleteAppointment("RPR"),
            commands.AddAppointment(make.new_visit()),
            commands.ChangeAppointment(start=make.minutes(9)),
            commands.CancelAppointment(),
            commands.CancelJob(),
            commands.CompleteJob("RPR"),
            commands.WithdrawOffer(),
            commands.RestoreJob(),
        ],
    )
    def test_what_could_move_the_job_or_a_visit(self, command):
        outcome = decide(self.held, make.request(command), make.facts())
        assert outcome == Parked(ref=None, why="job_held")

    @pytest.mark.parametrize(
        ("command", "actor"),
        [
            (make.submit(details={"title": "Other"}), make.enterprise()),
            (make.create(details={"title": "Other"}), make.enterprise()),
            (commands.AddNote(text=make.note().text), make.provider()),
            (commands.SendReminder("How is it going?"), make.enterprise()),
            (commands.AnswerSurvey(rating=5), make.SURVEYS),
        ],
    )
    def test_but_not_notes_amendments_reminders_and_surveys(self, command, actor):
        assert isinstance(decide(self.held, make.request(command, actor), make.facts()), Applied)

    def test_and_who_may_not_is_told_at_once(self):
        stranger = make.provider(organization=make.OTHER_ORGANIZATION)
        assert decide(self.held, make.request(commands.CancelJob(), stranger), make.facts()).why == "not_your_job"

    def test_the_holder_itself_does_not_wait_when_it_is_decided_again(self):
        mapped = make.request(commands.CompleteAppointment("RPR"), number=500)
        outcome = decide(self.held, mapped, make.facts())
        assert isinstance(outcome, Applied)
        assert outcome.job.held_by is None
        assert outcome.job.status is JobStatus.COMPLETE

    def test_the_holder_goes_on_holding_while_its_reason_is_unknown(self):
        again = make.request(commands.CompleteAppointment("Fixed it"), number=500)
        assert decide(self.held, again, make.facts()).job.held_by == 500

    @pytest.mark.parametrize("reason", ["WFP", "RPR"])
    def test_the_holder_lets_go_though_it_is_refused_or_stale_in_the_end(self, reason):
        held = make.job(make.visit(), held_by=500)
        refused = decide(held, make.request(commands.CompleteJob("WFP"), number=500), make.facts())
        assert (refused.why, refused.job.held_by) == ("reason_pauses", None)
        late = make.request(commands.CompleteAppointment(reason), number=500, at=-1)
        stale = decide(self.held, late, make.facts())
        assert (stale.why, stale.job.held_by) == ("stale", None)


def test_what_is_said_again_without_a_message_id_is_a_repeat_only_of_the_latest_word():
    def tell(job, command, **refs):
        outcome = decide(job, make.request(command, message_id=None, **refs), make.facts())
        return outcome, getattr(outcome, "job", None) or job

    complete, add = commands.CompleteJob("RPR"), commands.AddAppointment(make.new_visit())
    first, job = tell(make.job(), complete)
    again, job = tell(job, complete)
    visit, job = tell(job, add)
    third, job = tell(job, complete)
    assert [type(outcome) for outcome in (first, again, visit, third)] == [Applied, Ignored, Applied, Applied]
    assert again.why == "repeat"


def test_a_word_about_a_visit_between_two_equal_ones_about_its_job_makes_them_two_happenings():
    def tell(job, command, **more):
        return decide(job, make.request(command, message_id=None, **more), make.facts()).job

    job = tell(make.job(make.visit(status=VisitStatus.STARTED)), commands.CompleteJob("WFP"))
    job = tell(job, commands.AddAppointment(make.new_visit()), number=90)
    job = tell(job, commands.StartAppointment(), appointment=90)
    assert job.status is JobStatus.IN_PROGRESS
    assert tell(job, commands.CompleteJob("WFP")).status is JobStatus.PAUSED


def test_a_new_visit_sent_again_under_its_own_id_without_a_message_id_is_a_repeat():
    add = make.request(commands.AddAppointment(make.new_visit()), number=90, message_id=None, digest="d1")
    job = decide(make.job(), add, make.facts()).job
    again = make.request(commands.AddAppointment(make.new_visit()), message_id=None, digest="d1", appointment=90)
    assert decide(job, again, make.facts()).why == "repeat"
    with_id = make.request(commands.AddAppointment(make.new_visit()), digest="d1", appointment=90)
    assert decide(job, with_id, make.facts()).why == "no_change"


def test_another_sources_equal_word_is_no_repeat():
    job = decide(make.job(make.visit()), make.request(commands.CancelJob(), message_id=None, digest="d"), make.facts())
    other = make.request(commands.CancelJob(), make.enterprise(), message_id=None, digest="d")
    assert decide(job.job, other, make.facts()).why == "job_canceled"


class TestANewTimeInTheSameRecord:
    later = commands.ChangeAppointment(start=make.minutes(5000))

    @pytest.mark.parametrize(
        ("command", "becomes", "told"),
        [
            (commands.OnMyWay(change=later), "en_route", "customer.on_my_way"),
            (commands.StartAppointment(later), "started", "customer.arrived"),
            (commands.PauseAppointment("WFP", later), "paused", "customer.appointment_changed"),
            (commands.CompleteAppointment("RPR", later), "complete", "customer.survey_requested"),
            (commands.CancelAppointment(None, later), "canceled", "customer.appointment_canceled"),
        ],
    )
    def test_is_one_decision_with_the_word_and_tells_the_customer_once(self, command, becomes, told):
        outcome = decide(make.job(make.visit()), make.request(command), make.facts())
        event, *texts = outcome.events
        (moved,) = event.visits
        assert (moved.previous, moved.visit.status, moved.visit.start) == ("scheduled", becomes, make.minutes(5000))
        assert [text.type for text in texts] == [told]
        assert texts[0].visits[0].visit.start == make.minutes(5000)

    def test_goes_with_taking_on_my_way_back(self):
        job = make.job(make.visit(status=VisitStatus.EN_ROUTE))
        outcome = decide(job, make.request(commands.UndoOnMyWay(self.later), at=5), make.facts())
        assert [event.type for event in outcome.events] == ["appointment.changed", "customer.appointment_changed"]
        assert outcome.job.visits[0].start == make.minutes(5000)
        plain = decide(job, make.request(commands.UndoOnMyWay(), at=5), make.facts())
        assert [event.type for event in plain.events] == ["appointment.changed"]

    def test_is_a_change_where_the_visit_stands_there_already(self):
        job = after(make.job(make.visit()), (commands.StartAppointment(), 1))
        outcome = decide(job, make.request(commands.StartAppointment(self.later), at=3), make.facts())
        assert outcome.events[0].type is EventType.APPOINTMENT_CHANGED
        assert outcome.job.visits[0].start == make.minutes(5000)
        assert decide(outcome.job, make.request(commands.PauseAppointment(), at=2), make.facts()).why == "stale"
        again = decide(outcome.job, make.request(commands.StartAppointment(self.later), at=4), make.facts())
        assert again.why == "no_change"

    def test_is_as_stale_as_its_word_and_comes_too_late_for_what_has_ended(self):
        job = after(make.job(make.visit()), (commands.CompleteAppointment("RPR"), 10))
        assert decide(job, make.request(commands.OnMyWay(change=self.later), at=5), make.facts()).job is None
        late = decide(job, make.request(commands.StartAppointment(self.later), at=11), make.facts())
        assert late.why == "appointment_ended"

    def test_may_come_with_another_technician_who_must_be_one(self):
        job = make.job(make.visit(technician=make.TECHNICIAN))
        command = commands.StartAppointment(commands.ChangeAppointment())
        outcome = decide(job, make.request(command, technician=make.OTHER_TECHNICIAN), make.facts())
        assert outcome.job.visits[0].technician == make.OTHER_TECHNICIAN
        refused = decide(job, make.request(command, technician=make.DISPATCHER), make.facts())
        assert refused.why == "not_a_technician"

    def test_from_a_technician_who_left_is_still_taken(self):
        left = make.user(active=False, deactivated_at=make.minutes(3))
        facts = make.facts(users=make.team(technician=left))
        job = make.job(make.visit(status=VisitStatus.STARTED, technician=make.TECHNICIAN))
        command = commands.CompleteAppointment("RPR", self.later)
        outcome = decide(job, make.request(command, technician=make.TECHNICIAN, at=5), facts)
        assert outcome.job.visits[0].status is VisitStatus.COMPLETE

    def test_waits_with_its_word_for_a_reason_that_nobody_maps_yet(self):
        command = commands.CompleteAppointment("ALIEN", self.later)
        outcome = decide(make.job(make.visit()), make.request(command), make.facts())
        assert isinstance(outcome, Unmapped)
        assert outcome.job.visits[0].start != make.minutes(5000)
