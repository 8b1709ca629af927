"""What an enterprise can be told of, against a walk through everything that the core decides."""

from collections import defaultdict

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.events import Change, EventType, audiences
from gateway.core.job import Job, JobStatus, OfferState
from gateway.core.outcomes import Applied, Ignored, Unmapped
from gateway.core.reasons import DEFAULT_COMPLETE, Ending, Reason, ReasonLists
from gateway.core.values import replace
from gateway.core.visibility import Audience, Private, Visibility
from gateway.mapping.codes import PRODUCIBLE, Standing, standing_of
from gateway.mapping.happenings import ANY_OTHER, COMPLETIONS, Happening, changes_of_status, happenings, standings
from gateway.mapping.standing import snapshot_of
from tests import factories as make

LISTED = ReasonLists(
    (Reason("OK", "All good", Ending.COMPLETES), Reason("PART", "Waiting for parts", Ending.PAUSES)),
    (Reason("FAR", "Too far"),),
    (Reason("GONE", "Customer moved"),),
)
FREE = ReasonLists(DEFAULT_COMPLETE)
MOST_VISITS = 2


def moments_of(job):
    """When what still counts occurred, in order."""
    progress = {visit.progress.occurred_at for visit in job.visits if visit.progress}
    return sorted(progress | ({job.ended.at} if job.ended else set()))


class Walk:
    """Every decision on every job that commands can lead to, jobs that differ in nothing that matters taken as one."""

    def __init__(self, reasons):
        self.reasons = reasons
        self.facts = make.facts(reasons=reasons, note=make.note(visibility=Visibility.PUBLIC))
        self.told = defaultdict(set)
        self.unmapped = set()
        self.seen = set()
        self.ahead = []
        complete, decline, cancel = (
            [each.code for each in kind] for kind in (reasons.complete, reasons.decline, reasons.cancel)
        )
        self.complete, self.decline, self.cancel = ([*kind, ANY_OTHER] for kind in (complete, decline, cancel))
        self.tell(None, make.submit(accept_by=make.minutes(9_000)), 0, number=make.JOB)
        self.tell(None, make.create(), 0, number=make.JOB, actor=make.enterprise())
        self.tell(None, make.create(visit=make.new_visit()), 0, number=make.JOB, actor=make.enterprise())
        while self.ahead:
            job, at = self.ahead.pop()
            for command, moment, refs in self.possible(job, at):
                self.tell(job, command, moment, arrived=at, **refs)

    def possible(self, job: Job, at):
        """What can be asked now; some of it also as what occurred before the latest word and arrives after it."""
        late = (max(moments_of(job), default=make.NOW) - make.NOW).total_seconds() / 60 - 1
        yield make.submit(details={"title": "other"}), at, {}
        yield commands.AnswerSurvey(rating=5), at, {}
        yield commands.EditNote(Private("other")), at, {}
        yield commands.SetNoteVisibility(Visibility.PRIVATE), at, {}
        if job.status is JobStatus.OFFERED:
            yield commands.AcceptOffer(), at, {}
            yield commands.AcceptOffer(visit=make.new_visit()), at, {"number": make.VISIT}
            yield commands.ExpireOffer(), 10_000, {}
            yield from ((commands.DeclineOffer(text), at, {}) for text in (None, *self.decline))
        yield from ((commands.WithdrawOffer(text), at, {}) for text in (None, *self.cancel))
        yield from ((commands.CancelJob(text), at, {}) for text in (None, *self.cancel))
        yield from (
            (commands.CompleteJob(text), moment, {}) for text in (None, *self.complete) for moment in (at, late)
        )
        yield commands.RestoreJob(), at, {}
        if len(job.visits) < MOST_VISITS:
            yield (
                commands.AddAppointment(make.new_visit()),
                at,
                {"number": make.VISIT + len(job.visits), "appointment": None},
            )
        for visit in (each for each in job.visits if not each.has_ended or each.was):
            yield from (
                (command, moment, {"appointment": visit.number}) for command, moment in self.of_a_visit(at, late)
            )

    def of_a_visit(self, at, late):
        yield commands.ChangeAppointment(start=make.minutes(at)), at
        yield commands.DeleteAppointment(), at
        yield from ((commands.CancelAppointment(text), at) for text in (None, *self.cancel))
        for moment in (at, late):
            yield commands.OnMyWay(), moment
            yield commands.UndoOnMyWay(), moment
            yield commands.StartAppointment(), moment
            yield from ((commands.PauseAppointment(text), moment) for text in (None, *self.complete))
            yield from ((commands.CompleteAppointment(text), moment) for text in (None, *self.complete))

    def tell(self, job, command, moment, arrived=0, **refs):
        request = make.request(command, at=moment, arrived=max(arrived, moment), **refs)
        facts = replace(self.facts, now=request.arrived_at)
        outcome = decide(job, request, facts)
        if isinstance(outcome, Unmapped):
            self.unmapped.add(type(command))
        if isinstance(outcome, Applied | Ignored) and outcome.job is not None:
            for event in (*outcome.events, snapshot_of(outcome.job, facts.now)):
                self.note(event)
            self.reach(outcome.job, arrived)

    def note(self, event):
        if Audience.ENTERPRISE in audiences(event):
            happening = Happening(event.type, standing_of(event), event.reason)
            self.told[happening].add(Change.STATUS in event.changes)

    def reach(self, job, at):
        moments = moments_of(job)
        visits = sorted(
            (
                visit.status,
                visit.was or "",
                visit.outcome or "",
                moments.index(visit.progress.occurred_at) if visit.progress else -1,
            )
            for visit in job.visits
        )
        ended = (job.ended.how, moments.index(job.ended.at), job.ended.by) if job.ended else None
        key = (job.offer.state if job.offer else OfferState.ACCEPTED, ended, tuple(visits))
        if key not in self.seen:
            self.seen.add(key)
            self.ahead.append((job, at + 10))


@pytest.fixture(scope="module", params=[LISTED, FREE], ids=["lists", "no-lists"])
def walk(request):
    return Walk(request.param)


def test_what_can_happen_is_what_the_core_decides(walk):
    expected = {each for each in happenings(walk.reasons) if not (each.type in COMPLETIONS and each.is_any_other)}
    assert set(walk.told) - expected == set()
    assert expected - set(walk.told) == set()


def test_each_combination_is_named_once(walk):
    named = list(happenings(walk.reasons))
    assert len(named) == len(set(named))


def test_whether_the_status_changes_is_as_the_core_has_it(walk):
    for happening, changes in walk.told.items():
        assert changes <= set(changes_of_status(happening)), happening
        if len(changes_of_status(happening)) == 1:
            assert changes == set(changes_of_status(happening)), happening


def test_what_comes_after_its_job_was_canceled_changes_no_status(walk):
    afterwards = [each for each in walk.told if each.standing == Standing("complete", "canceled", "canceled")]
    assert {changes_of_status(each) for each in afterwards} == {(False,)}


def test_completions_with_an_unknown_reason_are_not_decided(walk):
    assert walk.unmapped == {commands.CompleteJob, commands.CompleteAppointment}


def test_the_standings_are_those_that_profiles_have_to_know():
    assert {standing for kind in EventType for standing in standings(kind)} == set(PRODUCIBLE)
