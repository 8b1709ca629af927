"""The chart of job statuses, row by row, and everything that is not in it."""

from dataclasses import replace
from typing import get_args

import pytest

from gateway.core import commands
from gateway.core.commands import JobCommand
from gateway.core.decide import decide
from gateway.core.events import EventType
from gateway.core.job import JOB_TRANSITIONS, Closure, JobAction, JobStatus, VisitStatus, find_last_worked, standing
from gateway.core.outcomes import Applied, Ignored, Refused
from gateway.core.parties import Side
from tests import factories as make

COMMANDS = {
    "accept": commands.AcceptOffer(),
    "accept with a visit": commands.AcceptOffer(visit=make.new_visit()),
    "decline": commands.DeclineOffer("AREA"),
    "expire": commands.ExpireOffer(),
    "withdraw": commands.WithdrawOffer("DUP"),
    "complete the job": commands.CompleteJob("RPR"),
    "cancel the job": commands.CancelJob("CUST"),
    "restore": commands.RestoreJob(),
    "add": commands.AddAppointment(make.new_visit()),
    "change": commands.ChangeAppointment(start=make.minutes(3000)),
    "delete": commands.DeleteAppointment(),
    "cancel": commands.CancelAppointment("CUST"),
    "on my way": commands.OnMyWay(),
    "undo": commands.UndoOnMyWay(),
    "start": commands.StartAppointment(),
    "pause": commands.PauseAppointment("WFP"),
    "complete": commands.CompleteAppointment("RPR"),
    "complete, waiting": commands.CompleteAppointment("WFP"),
}

# What each command makes of a job in each standing: its status afterwards, `!` why it is refused, `~` why ignored.
# The visit is one that stands as the job does: scheduled, started, paused, complete, or canceled with the job.
CHART = """
                    | offered       | unscheduled   | scheduled    | in_progress             | paused                  | completed          | canceled
accept              | unscheduled   | !offer_closed | !offer_closed| !offer_closed           | !offer_closed           | !offer_closed      | !offer_closed
accept with a visit | scheduled     | !offer_closed | !offer_closed| !offer_closed           | !offer_closed           | !offer_closed      | !offer_closed
decline             | declined      | !offer_closed | !offer_closed| !offer_closed           | !offer_closed           | !offer_closed      | !offer_closed
expire              | expired       | ~no_change    | ~no_change   | ~no_change              | ~no_change              | ~no_change         | ~no_change
withdraw            | withdrawn     | canceled      | canceled     | canceled                | canceled                | !job_closed        | !job_canceled
complete the job    | !offer_open   | completed     | completed    | completed               | completed               | !job_closed        | !job_canceled
cancel the job      | !offer_open   | canceled      | canceled     | canceled                | canceled                | !job_closed        | !job_canceled
restore             | !job_not_canceled | !job_not_canceled | !job_not_canceled | !job_not_canceled | !job_not_canceled  | !job_not_canceled  | scheduled
add                 | !offer_open   | scheduled     | scheduled    | in_progress             | scheduled               | scheduled          | !job_canceled
change              | !offer_open   | !not_your_job | scheduled    | in_progress             | paused                  | !appointment_ended | !job_canceled
delete              | !offer_open   | !not_your_job | unscheduled  | !appointment_begun      | !appointment_begun      | !appointment_ended | !job_canceled
cancel              | !offer_open   | !not_your_job | unscheduled  | unscheduled             | unscheduled             | !appointment_ended | !job_canceled
on my way           | !offer_open   | !not_your_job | in_progress  | !transition_not_allowed | in_progress             | !appointment_ended | !job_canceled
undo                | !offer_open   | !not_your_job | ~no_change   | !transition_not_allowed | !transition_not_allowed | !appointment_ended | !job_canceled
start               | !offer_open   | !not_your_job | in_progress  | ~no_change              | in_progress             | !appointment_ended | !job_canceled
pause               | !offer_open   | !not_your_job | paused       | paused                  | ~no_change              | !appointment_ended | !job_canceled
complete            | !offer_open   | !not_your_job | completed    | completed               | completed               | !appointment_ended | !job_canceled
complete, waiting   | !offer_open   | !not_your_job | paused       | paused                  | paused                  | !appointment_ended | !job_canceled
"""


def rows():
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in CHART.strip("\n").splitlines()]
    for name, *cells in lines:
        for standing_before, cell in zip(head[1:], cells, strict=True):
            yield name, standing_before, cell
        for closed in ("declined", "expired", "withdrawn"):
            closed_why = {"expire": "~no_change", "restore": "!job_not_canceled"}.get(name, "!offer_closed")
            yield name, closed, closed_why


@pytest.mark.parametrize(("name", "before", "expected"), list(rows()))
def test_each_command_does_to_each_standing_what_the_chart_says(name, before, expected):
    job = make.job_in(before)
    outcome = decide(job, make.request(COMMANDS[name]), make.facts(now=make.minutes(61)))
    if expected.startswith("!"):
        assert isinstance(outcome, Refused)
        assert outcome.why == expected[1:]
    elif expected.startswith("~"):
        assert isinstance(outcome, Ignored)
        assert outcome.why == expected[1:]
        assert (outcome.job or job).status is job.status
    else:
        assert isinstance(outcome, Applied)
        assert outcome.job.status is make.STANDINGS[expected]
        assert outcome.job.closure == (Closure(expected) if expected in set(Closure) else None)
        assert outcome.events[0].previous_status is job.status
        assert (outcome.events[0].status, outcome.events[0].closure) == standing(outcome.job)


def test_the_chart_asks_about_every_command_that_may_move_a_job():
    cannot_move = {commands.AddNote, commands.EditNote, commands.SetNoteVisibility}
    cannot_move |= {commands.SendReminder, commands.AnswerSurvey, commands.ConfirmApplied}
    begins = {commands.SubmitOffer, commands.CreateJob}
    assert {type(command) for command in COMMANDS.values()} == set(get_args(JobCommand)) - cannot_move - begins


def test_every_action_of_the_table_in_the_code_is_allowed_where_the_chart_allows_it():
    actions = {
        "accept": JobAction.ACCEPT,
        "decline": JobAction.DECLINE,
        "expire": JobAction.EXPIRE,
        "withdraw": JobAction.WITHDRAW,
        "complete the job": JobAction.COMPLETE_JOB,
        "cancel the job": JobAction.CANCEL_JOB,
        "restore": JobAction.RESTORE,
        "add": JobAction.ADD_APPOINTMENT,
    }
    allowed = {action: set() for action in actions.values()}
    for name, before, expected in rows():
        if name in actions and expected[0] not in "!~":
            allowed[actions[name]].add(make.STANDINGS[before])
    may_reopen = {JobAction.ADD_APPOINTMENT, JobAction.RESTORE}
    for action, statuses in allowed.items():
        assert statuses == JOB_TRANSITIONS[action], action
        assert (JobStatus.COMPLETE in statuses) is (action in may_reopen)


@pytest.mark.parametrize(
    ("command", "actor", "status", "kind"),
    [
        (make.create(), make.provider(), JobStatus.UNSCHEDULED, EventType.JOB_CREATED),
        (make.create(visit=make.new_visit()), make.provider(), JobStatus.SCHEDULED, EventType.JOB_CREATED),
        (make.create(), make.enterprise(), JobStatus.UNSCHEDULED, EventType.JOB_CREATED),
        (make.create(visit=make.new_visit()), make.enterprise(), JobStatus.SCHEDULED, EventType.JOB_CREATED),
        (make.submit(), make.enterprise(), JobStatus.OFFERED, EventType.JOB_OFFERED),
        (make.submit(), make.booking_page(), JobStatus.OFFERED, EventType.JOB_OFFERED),
    ],
)
def test_a_job_begins_with_an_offer_or_is_created_with_a_date_or_without(command, actor, status, kind):
    outcome = decide(None, make.request(command, actor, job=None), make.facts())
    assert outcome.job.status is status
    assert outcome.events[0].type is kind
    assert outcome.events[0].previous_status is None


def test_answering_a_job_that_was_never_offered_is_refused():
    job = make.job(offer=None)
    for command in (commands.AcceptOffer(), commands.DeclineOffer("AREA")):
        assert decide(job, make.request(command), make.facts()).why == "transition_not_allowed"


def test_deleting_one_of_two_visits_leaves_the_job_scheduled():
    job = make.job(make.visit(), make.visit(make.SECOND_VISIT))
    after = decide(job, make.request(commands.DeleteAppointment()), make.facts()).job
    assert after.status is JobStatus.SCHEDULED


def test_deleting_the_last_visit_after_another_has_ended_goes_by_that_other():
    for done, status in (("RPR", JobStatus.COMPLETE), ("WFP", JobStatus.PAUSED)):
        ended = make.visit(make.SECOND_VISIT, VisitStatus.COMPLETE, reason=make.given(done))
        after = decide(make.job(make.visit(), ended), make.request(commands.DeleteAppointment()), make.facts()).job
        assert after.status is status


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "unscheduled"),
        (["canceled"], "unscheduled"),
        (["deleted"], "unscheduled"),
        (["scheduled"], "scheduled"),
        (["scheduled", "paused"], "scheduled"),
        (["scheduled", "complete"], "scheduled"),
        (["en_route", "scheduled"], "in_progress"),
        (["started", "complete", "paused"], "in_progress"),
        (["paused"], "paused"),
        (["paused", "canceled"], "paused"),
        (["complete", "deleted"], "complete"),
    ],
)
def test_the_status_of_an_accepted_job_follows_from_its_visits(statuses, expected):
    visits = [make.visit(100 + place, VisitStatus(status)) for place, status in enumerate(statuses)]
    assert make.job(*visits).status == expected


def test_an_end_of_the_job_as_a_whole_outweighs_its_visits():
    assert make.job(make.visit(), ended=make.canceled()).closure is Closure.CANCELED
    assert make.job(make.visit(), ended=make.completed()).closure is Closure.COMPLETED


@pytest.mark.parametrize(
    ("paused_at", "completed_at", "expected"), [(1, 2, JobStatus.COMPLETE), (2, 1, JobStatus.PAUSED)]
)
def test_of_paused_and_complete_visits_the_latest_by_its_moment_decides(paused_at, completed_at, expected):
    def at(visit, moment):
        return replace(visit, progress=replace(visit.progress, occurred_at=make.minutes(moment)))

    paused = at(make.visit(1, VisitStatus.PAUSED), paused_at)
    complete = at(make.visit(2, VisitStatus.COMPLETE), completed_at)
    assert make.job(paused, complete).status is expected
    assert make.job(complete, paused).status is expected


def test_at_the_same_moment_the_greater_message_id_decides():
    paused, complete = make.visit(1, VisitStatus.PAUSED), make.visit(2, VisitStatus.COMPLETE)
    paused = replace(paused, progress=replace(paused.progress, message_id="b"))
    complete = replace(complete, progress=replace(complete.progress, message_id="a"))
    assert find_last_worked((paused, complete)) is paused
    assert make.job(complete, paused).status is JobStatus.PAUSED


def test_a_visit_complete_with_a_pausing_reason_or_none_leaves_the_job_paused():
    assert make.job(make.visit(status=VisitStatus.COMPLETE, reason=make.given("WFP"))).status is JobStatus.PAUSED
    assert make.job(make.visit(status=VisitStatus.PAUSED, reason=None)).status is JobStatus.PAUSED


def test_completing_one_visit_while_another_is_scheduled_leaves_the_job_scheduled():
    job = make.job(make.visit(), make.visit(make.SECOND_VISIT))
    after = decide(job, make.request(commands.CompleteAppointment("RPR")), make.facts()).job
    assert after.status is JobStatus.SCHEDULED


def test_a_second_visit_while_one_is_under_way_is_ordinary():
    after = decide(
        make.job_in("in_progress"), make.request(commands.AddAppointment(make.new_visit())), make.facts()
    ).job
    assert [visit.status for visit in after.visits] == [VisitStatus.STARTED, VisitStatus.SCHEDULED]
    assert after.status is JobStatus.IN_PROGRESS


def test_labels_and_colours_are_the_same_for_everybody():
    labels = {status: (status.label, status.colour) for status in JobStatus}
    assert labels[JobStatus.OFFERED] == ("Offered", "green")
    assert labels[JobStatus.UNSCHEDULED] == ("Unscheduled", "red")
    assert labels[JobStatus.SCHEDULED] == ("Scheduled", "blue")
    assert labels[JobStatus.IN_PROGRESS] == ("In Progress", "orange")
    assert labels[JobStatus.PAUSED] == ("Paused", "yellow")
    assert labels[JobStatus.COMPLETE] == ("Complete", "gray")


def test_the_enterprise_cancels_its_own_job_too():
    outcome = decide(make.job_in("scheduled"), make.request(commands.CancelJob("DUP"), make.enterprise()), make.facts())
    assert outcome.job.ended.by is Side.ENTERPRISE
    assert outcome.events[0].type is EventType.JOB_CANCELED
