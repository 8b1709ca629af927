"""What holds for every order of a visit's progress, and for any commands in any state."""

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.core import commands
from gateway.core.clocks import read_clock
from gateway.core.ids import Kind, Ref
from gateway.core.job import VISIT_TRANSITIONS, Revision, VisitStatus
from gateway.core.outcomes import Parked, Quarantined, Refused, Unmapped
from gateway.core.parties import Position, Role
from gateway.core.reasons import Ending, Reason, ReasonLists
from gateway.core.visibility import Private, Visibility
from tests import factories as make
from tests.unit.core.world import World, check_log

PROGRESS = {
    VisitStatus.SCHEDULED: [commands.UndoOnMyWay()],
    VisitStatus.EN_ROUTE: [commands.OnMyWay()],
    VisitStatus.STARTED: [commands.StartAppointment()],
    VisitStatus.PAUSED: [commands.PauseAppointment(), commands.PauseAppointment("WFP"), commands.PauseAppointment("?")],
    VisitStatus.COMPLETE: [commands.CompleteAppointment("RPR"), commands.CompleteAppointment("NSH")],
}
FORWARD = [VisitStatus.EN_ROUTE, VisitStatus.STARTED, VisitStatus.PAUSED, VisitStatus.COMPLETE]
LEARNED = ReasonLists(
    (*make.BRAND_REASONS.complete, Reason("OTH", "Fixed it", Ending.COMPLETES)),
    make.BRAND_REASONS.decline,
    make.BRAND_REASONS.cancel,
)


@st.composite
def runs(draw, *, forward=False):
    """Progress of one visit in the order in which it occurred, legal at every step; `forward` without turning back."""
    status, moment, told = VisitStatus.SCHEDULED, 0, []
    for number in range(draw(st.integers(1, 7))):
        onward = VISIT_TRANSITIONS[status] & set(PROGRESS)
        if forward:
            onward &= set(FORWARD[FORWARD.index(status) + 1 :] if status in FORWARD else FORWARD)
        if not onward:
            break
        status = draw(st.sampled_from(sorted(onward)))
        moment += draw(st.integers(0 if forward else 1, 9))
        command = draw(st.sampled_from(PROGRESS[status]))
        told.append(make.request(command, at=moment, arrived=99, number=100 + number, message_id=f"m-{number}"))
    return told


@st.composite
def repeated_and_shuffled(draw, run):
    again = draw(st.lists(st.sampled_from(run), max_size=5))
    return draw(st.permutations([*run, *again]))


def end_of(order, job=None):
    """The world after `order`, and whether anything was refused."""
    world = World.with_job(job or make.job(make.visit(), make.visit(make.SECOND_VISIT, VisitStatus.DELETED)))
    outcomes = [world.tell(request) for request in order]
    check_log(world)
    return world, any(isinstance(outcome, Refused | Quarantined) for outcome in outcomes)


def state(world):
    """What matters of the job in the end: not how often it was saved or who was told."""
    visits = tuple(replace(visit, latest={}) for visit in world.job.visits)
    return replace(world.job, version=0, jobversion=0, latest={}, surveyed_at=None, visits=visits)


@given(st.data())
def test_any_order_of_progress_that_only_goes_forward_ends_the_same(data):
    run = data.draw(runs(forward=True))
    orderly, refused = end_of(run)
    assert not refused
    shuffled, _ = end_of(data.draw(repeated_and_shuffled(run)))
    assert state(shuffled) == state(orderly)


@given(st.data())
def test_any_order_in_which_nothing_is_refused_ends_as_the_orderly_run(data):
    run = data.draw(runs())
    orderly, refused = end_of(run)
    assert not refused
    shuffled, refused = end_of(data.draw(repeated_and_shuffled(run)))
    assume(not refused)
    assert state(shuffled) == state(orderly)


@given(st.data())
def test_so_it_does_where_the_job_was_canceled_meanwhile_once_it_is_restored(data):
    run = data.draw(runs(forward=True))
    canceled = make.job(make.visit(status=VisitStatus.CANCELED, was=VisitStatus.SCHEDULED), ended=make.canceled(at=98))
    restore = make.request(commands.RestoreJob(), at=98.5, number=300)
    orderly, _ = end_of(run, make.job(make.visit()))
    late, refused = end_of([*data.draw(repeated_and_shuffled(run)), restore], canceled)
    assert not refused
    assert state(late) == state(orderly)


# ------------------------------------------------------------------------------------------- any command in any state

TEXTS = st.sampled_from(["RPR", "WFP", "NSH", "DUP", "AREA", "Fixed it", "nobody knows", None])
START = st.integers(-500, 9000).map(make.minutes)
VISITS = st.builds(commands.NewVisit, start=START)
REVISIONS = st.none() | st.builds(Revision, st.sampled_from(["revision", "updated_at"]), st.integers(1, 6))
DETAILS = st.dictionaries(st.sampled_from(["title", "po", "address"]), st.sampled_from(["a", "b", None, {"x": 1}]))
CUSTOMERS = st.none() | st.just(make.JORDAN) | st.just({"name": "Sam"})
ACCEPT_BY = st.none() | st.integers(0, 400).map(make.minutes)

OF_THE_SOURCE = st.one_of(
    st.builds(commands.SubmitOffer, details=DETAILS, customer=CUSTOMERS, accept_by=ACCEPT_BY, revision=REVISIONS),
    st.builds(commands.CreateJob, details=DETAILS, customer=CUSTOMERS, visit=st.none() | VISITS, revision=REVISIONS),
    st.builds(commands.WithdrawOffer, TEXTS),
    st.builds(commands.SendReminder, st.sampled_from(["Well?", None])),
)
OF_THE_JOB = st.one_of(
    st.builds(commands.AcceptOffer, visit=st.none() | VISITS, revision=st.none()),
    st.builds(commands.AcceptOffer, visit=st.none() | VISITS, revision=REVISIONS),
    st.builds(commands.DeclineOffer, TEXTS),
    st.just(commands.ExpireOffer()),
    st.builds(commands.CompleteJob, TEXTS),
    st.builds(commands.CancelJob, TEXTS),
    st.just(commands.RestoreJob()),
    st.builds(commands.AnswerSurvey, rating=st.integers(0, 5)),
)
OF_A_VISIT = st.one_of(
    st.builds(commands.ChangeAppointment, start=st.none() | START, unassign=st.booleans(), by_gateway=st.booleans()),
    st.just(commands.DeleteAppointment()),
    st.builds(commands.CancelAppointment, TEXTS),
    st.builds(commands.OnMyWay, st.none() | st.integers(0, 90)),
    st.just(commands.UndoOnMyWay()),
    st.just(commands.StartAppointment()),
    st.builds(commands.PauseAppointment, TEXTS),
    st.builds(commands.CompleteAppointment, TEXTS),
)
OF_NOTES = st.one_of(
    st.builds(
        commands.AddNote, text=st.just(Private("Gate code 4711")), visibility=st.none() | st.sampled_from(Visibility)
    ),
    st.just(commands.EditNote(Private("Gate code 47110"))),
    st.builds(commands.SetNoteVisibility, st.sampled_from(Visibility)),
)
OF_PEOPLE = st.one_of(
    st.just(commands.PutOrganization({"notes_public": True})),
    st.builds(commands.PutUser, members=st.just({"city": "Duluth"}), role=st.none() | st.sampled_from(Role)),
    st.just(commands.DeactivateUser()),
    st.just(commands.ReactivateUser()),
    st.builds(commands.ReportPosition, st.builds(Position, START, st.just(46.0), st.just(-92.0))),
)
ADD = st.builds(commands.AddAppointment, VISITS)
ANY_COMMAND = st.one_of(OF_THE_SOURCE, OF_THE_JOB, OF_A_VISIT, OF_NOTES, OF_PEOPLE, ADD)
LATER = st.integers(0, 40)
PEOPLE = [make.DISPATCHER, make.TECHNICIAN, make.OTHER_TECHNICIAN, make.BOTH]


class AnybodySaysAnything(RuleBasedStateMachine):
    """One job of an enterprise, told whatever comes to mind by whoever, in whatever order."""

    @initialize(standing=st.sampled_from([None, *make.STANDINGS, "scheduled", "in_progress", "paused"]))
    def begin(self, standing):
        self.clock, self.number, self.told = 0, 5000, []
        self.world = World.with_job(make.job_in(standing)) if standing else World()
        if standing is None:
            self.say(make.submit(accept_by=make.minutes(120)), make.enterprise(), job=None)

    def say(self, command, actor, *, claimed=None, message_id="", **refs):
        self.number += 1
        occurred_at, ahead = read_clock(None if claimed is None else make.minutes(claimed), make.minutes(self.clock))
        request = make.request(
            command, actor, number=self.number, arrived=self.clock, message_id=message_id, clock_ahead=ahead, **refs
        )
        request = replace(request, occurred_at=occurred_at)
        self.told.append(request)
        return self.world.tell(request)

    def usually(self, command, later, *, claimed=None, **refs):
        """Said by whoever may, about the job that the external id means now."""
        self.clock += later
        return self.say(command, make.usual_actor(command), claimed=claimed, job=self.world.known, **refs)

    @rule(command=OF_THE_SOURCE, later=LATER)
    def the_source_says(self, command, later):
        self.usually(command, later)

    @rule(command=OF_THE_JOB, later=LATER)
    def something_is_done_to_the_job(self, command, later):
        self.usually(command, later)

    @rule(command=ADD, later=LATER, technician=st.sampled_from([None, make.TECHNICIAN, make.BOTH]))
    def a_visit_is_added(self, command, later, technician):
        self.usually(command, later, technician=technician)

    @precondition(lambda self: self.world.job.visits)
    @rule(data=st.data(), command=OF_A_VISIT, later=LATER, ago=st.sampled_from([0, 0, 0, 5, 30, 100]))
    def something_is_done_to_a_visit(self, data, command, later, ago):
        visit = data.draw(st.sampled_from([visit.number for visit in self.world.job.visits]), "visit")
        self.usually(command, later, claimed=self.clock + later - ago, appointment=visit)

    @rule(data=st.data(), command=OF_NOTES)
    def something_is_noted(self, data, command):
        self.usually(command, 1, note=data.draw(st.sampled_from([9, *self.world.notes]), "note"))

    @rule(command=OF_PEOPLE, about=st.sampled_from(PEOPLE), later=LATER)
    def somebody_comes_or_goes(self, command, about, later):
        self.usually(command, later, technician=about)

    @rule(data=st.data(), command=ANY_COMMAND, later=LATER)
    def anybody_says_anything(self, data, command, later):
        self.clock += later
        acting = data.draw(st.none() | st.sampled_from(PEOPLE).map(self.world.users.get), "acting")
        strangers = [
            make.enterprise(),
            make.enterprise(first_party=True),
            make.enterprise(make.OTHER_ACCOUNT, make.OTHER_SOURCE),
            make.provider(acting, own_credential=data.draw(st.booleans(), "own")),
            make.provider(organization=make.OTHER_ORGANIZATION, source="other"),
            make.booking_page(),
            make.CLOCK,
            make.SURVEYS,
        ]
        jobs = list(self.world.jobs.values())
        visits = [visit.number for job in jobs for visit in job.visits]
        unknown = Ref(Kind.APPOINTMENT, make.LAKESIDE, "V-9")
        refs = {
            "job": data.draw(st.sampled_from([job.number for job in jobs]), "job"),
            "appointment": data.draw(st.sampled_from([*visits, None, 9, unknown]), "appointment"),
            "technician": data.draw(st.none() | st.sampled_from([*PEOPLE, 99]), "technician"),
            "organization": data.draw(st.sampled_from([None, make.OTHER_ORGANIZATION]), "organization"),
            "note": data.draw(st.sampled_from([None, 9, *self.world.notes]), "note"),
        }
        claimed = data.draw(st.none() | st.integers(-60, self.clock + 20), "claimed")
        message_id = data.draw(st.sampled_from(["", None]), "id")
        self.say(
            command, data.draw(st.sampled_from(strangers), "actor"), claimed=claimed, message_id=message_id, **refs
        )

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def somebody_says_it_again(self, data):
        before = dict(self.world.jobs)
        again = data.draw(st.sampled_from(self.told), "again")
        first_seen = (again.actor.source, again.message_id) in self.world.seen
        self.number += 1
        outcome = self.world.tell(replace(again, number=self.number))
        if first_seen:
            assert outcome.why == "repeat"
            assert self.world.jobs == before

    @rule()
    def the_brand_maps_what_is_held(self):
        self.world.learn(LEARNED)

    @rule()
    def the_brand_forgets_it(self):
        self.world.reasons = make.BRAND_REASONS

    @invariant()
    def the_log_tells_the_truth(self):
        if hasattr(self, "world"):
            check_log(self.world)


AnybodySaysAnything.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestAnybodySaysAnything = AnybodySaysAnything.TestCase


def test_a_held_completion_and_all_that_waited_behind_it_are_decided_in_the_order_received():
    world = World.with_job(make.job(make.visit(status=VisitStatus.STARTED)))
    complete = make.request(commands.CompleteAppointment("Fixed it"), at=1, number=70)
    add = make.request(commands.AddAppointment(make.new_visit()), at=2, number=71)
    start = make.request(commands.StartAppointment(), at=3, number=72, appointment=71)
    note = make.request(commands.AddNote(text=Private("Gate code 4711")), at=4)
    assert isinstance(world.tell(complete), Unmapped)
    assert [type(world.tell(request)) for request in (add, start)] == [Parked, Parked]
    world.tell(note)
    assert len(world.notes) == 1
    assert world.job.status == "in_progress"
    world.learn(LEARNED)
    assert [visit.status for visit in world.job.visits] == [VisitStatus.COMPLETE, VisitStatus.STARTED]
    assert (world.job.held_by, world.waiting) == (None, [])
    check_log(world)
