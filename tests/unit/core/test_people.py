"""Who may do what: sides, owners, roles, deactivation, and what is sent for somebody who has left."""

from dataclasses import replace

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.ids import Kind, Ref
from gateway.core.outcomes import Applied, Parked, Refused
from gateway.core.parties import Actor, Role, Side
from gateway.core.visibility import Private, Visibility
from tests import factories as make

SAYS = {
    "offer.submit": make.submit(),
    "offer.withdraw": commands.WithdrawOffer(),
    "offer.accept": commands.AcceptOffer(),
    "offer.decline": commands.DeclineOffer(),
    "expire": commands.ExpireOffer(),
    "job.create": make.create(),
    "job.complete": commands.CompleteJob(),
    "job.cancel": commands.CancelJob(),
    "job.restore": commands.RestoreJob(),
    "appointment.add": commands.AddAppointment(make.new_visit()),
    "appointment.change": commands.ChangeAppointment(start=make.NOW),
    "appointment.delete": commands.DeleteAppointment(),
    "appointment.cancel": commands.CancelAppointment(),
    "appointment.on_my_way": commands.OnMyWay(),
    "appointment.undo_on_my_way": commands.UndoOnMyWay(),
    "appointment.start": commands.StartAppointment(),
    "appointment.pause": commands.PauseAppointment(),
    "appointment.complete": commands.CompleteAppointment(),
    "note.add": commands.AddNote(text=Private("x")),
    "note.edit": commands.EditNote(Private("x")),
    "note.set_visibility": commands.SetNoteVisibility(Visibility.PUBLIC),
    "reminder.send": commands.SendReminder(),
    "survey.answer": commands.AnswerSurvey(rating=4),
}
FIELD = "appointment.on_my_way appointment.undo_on_my_way appointment.start appointment.pause appointment.complete"
MAY = {
    "enterprise": "offer.submit offer.withdraw job.create job.cancel job.restore appointment.add appointment.change"
    f" appointment.cancel {FIELD} reminder.send note.add",
    "provider": "offer.accept offer.decline job.create job.complete job.cancel job.restore appointment.add"
    f" appointment.change appointment.delete appointment.cancel {FIELD} note.add note.edit note.set_visibility",
    "booking_page": "offer.submit",
    "surveys": "survey.answer",
    "gateway": "expire appointment.change",
}
ACTORS = {
    "enterprise": make.enterprise(),
    "provider": make.provider(),
    "booking_page": make.booking_page(),
    "surveys": make.SURVEYS,
    "gateway": make.CLOCK,
}


@pytest.mark.parametrize("side", list(MAY))
@pytest.mark.parametrize("name", list(SAYS))
def test_each_side_says_only_what_is_its_to_say(side, name):
    outcome = decide(make.job_in("scheduled"), make.request(SAYS[name], ACTORS[side]), make.facts(note=make.note()))
    allowed = name in MAY[side].split()
    assert (isinstance(outcome, Refused) and outcome.why == "not_allowed") is not allowed


@pytest.mark.parametrize("name", sorted(set(SAYS) - {"expire", "survey.answer", "offer.submit", "job.create"}))
def test_nobody_acts_on_the_jobs_of_others(name):
    strangers = {
        "enterprise": make.enterprise(make.OTHER_ACCOUNT, make.OTHER_SOURCE),
        "provider": make.provider(organization=make.OTHER_ORGANIZATION),
    }
    for side, stranger in strangers.items():
        if name in MAY[side].split():
            outcome = decide(make.job_in("scheduled"), make.request(SAYS[name], stranger), make.facts())
            assert (outcome.why, outcome.member) == ("not_your_job", "subject")


def test_a_job_of_no_enterprise_is_no_enterprises():
    own = make.job(account=None, side=Side.PROVIDER, source=make.LAKESIDE)
    nobody = Actor(side=Side.ENTERPRISE, source="nobody")
    for actor in (make.enterprise(), nobody):
        assert decide(own, make.request(commands.CancelJob(), actor), make.facts()).why == "not_your_job"


class TestWhatIsNotKnownYet:
    @pytest.mark.parametrize("name", sorted(set(SAYS) - {"offer.submit", "job.create"}))
    def test_a_job_by_a_senders_id_is_waited_for_and_one_by_number_is_not_there(self, name):
        side = next(side for side, said in MAY.items() if name in said.split())
        ref = Ref(Kind.JOB, make.ACME, "A-9")
        assert decide(None, make.request(SAYS[name], ACTORS[side], job=ref), make.facts()) == Parked(ref=ref)
        outcome = decide(None, make.request(SAYS[name], ACTORS[side], job=9), make.facts())
        assert (outcome.why, outcome.member) == ("not_your_job", "subject")

    @pytest.mark.parametrize(
        ("role", "command"),
        [
            ("appointment", commands.OnMyWay()),
            ("appointment", commands.ChangeAppointment(start=make.NOW)),
            ("technician", commands.AddAppointment(make.new_visit())),
            ("user", commands.OnMyWay()),
            ("note", commands.EditNote(Private("x"))),
            ("organization", commands.CancelJob()),
        ],
    )
    def test_so_is_everything_else_it_refers_to(self, role, command):
        ref = Ref(Kind.USER, make.LAKESIDE, "U-9")
        outcome = decide(make.job_in("scheduled"), make.request(command, **{role: ref}), make.facts(note=make.note()))
        assert outcome == Parked(ref=ref)

    def test_but_not_what_the_command_makes(self):
        add = make.request(
            commands.AddAppointment(make.new_visit()), appointment=Ref(Kind.APPOINTMENT, make.LAKESIDE, "V-1")
        )
        assert isinstance(decide(make.job(), add, make.facts()), Applied)
        note = make.request(SAYS["note.add"], note=Ref(Kind.NOTE, make.LAKESIDE, "N-1"))
        assert isinstance(decide(make.job(), note, make.facts()), Applied)

    def test_nobody_waits_who_may_not_in_any_case(self):
        ref = Ref(Kind.JOB, make.ACME, "A-9")
        accept = make.request(commands.AcceptOffer(), make.enterprise(), job=ref)
        assert decide(None, accept, make.facts()).why == "not_allowed"
        gone = make.provider(make.user(active=False, deactivated_at=make.NOW), own_credential=True)
        assert decide(None, make.request(commands.OnMyWay(), gone, job=ref), make.facts()).why == "user_deactivated"


class TestRoles:
    job = make.job(make.visit(technician=make.TECHNICIAN), make.visit(make.SECOND_VISIT))

    def outcome(self, name, user, appointment=make.VISIT, **more):
        note = make.note(user=make.TECHNICIAN)
        request = make.request(SAYS[name], make.provider(user, **more), appointment=appointment)
        return decide(self.job, request, make.facts(note=note, reasons=make.BRAND_REASONS))

    @pytest.mark.parametrize("name", sorted(MAY["provider"].split()))
    def test_a_technician_does_field_work_and_writes_notes(self, name):
        outcome = self.outcome(name, make.user())
        may = name in {*FIELD.split(), "note.add", "note.edit"}
        assert (isinstance(outcome, Refused) and outcome.why == "role_not_allowed") is not may

    @pytest.mark.parametrize("role", [Role.DISPATCHER, Role.BOTH])
    def test_dispatchers_and_those_who_are_both_act_on_every_job_and_visit(self, role):
        for name in MAY["provider"].split():
            for appointment in (make.VISIT, make.SECOND_VISIT):
                outcome = self.outcome(name, make.user(30, role), appointment)
                assert getattr(outcome, "why", None) not in {"role_not_allowed", "not_assigned"}

    @pytest.mark.parametrize("name", ["appointment.on_my_way", "appointment.start", "appointment.complete"])
    def test_a_technician_acts_on_visits_of_their_own_only(self, name):
        assert isinstance(self.outcome(name, make.user()), Applied)
        assert self.outcome(name, make.user(), make.SECOND_VISIT).why == "not_assigned"
        assert self.outcome(name, make.user(make.OTHER_TECHNICIAN)).why == "not_assigned"

    def test_a_technician_writes_notes_on_jobs_with_a_visit_of_theirs_only(self):
        assert isinstance(self.outcome("note.add", make.user()), Applied)
        assert self.outcome("note.add", make.user(make.OTHER_TECHNICIAN)).why == "not_assigned"

    def test_a_user_of_another_organization_is_nobody_here(self):
        assert self.outcome("job.cancel", make.user(organization=make.OTHER_ORGANIZATION)).why == "not_your_user"


class TestAfterADeactivation:
    gone = make.user(active=False, deactivated_at=make.minutes(10))
    left = make.job(make.visit(technician=make.TECHNICIAN).assigned_to(None, make.minutes(10)))

    def start(self, *, at, arrived, own, user=None):
        actor = make.provider(user or self.gone, own_credential=own)
        return decide(self.left, make.request(commands.StartAppointment(), actor, at=at, arrived=arrived), make.facts())

    def test_their_own_actions_are_judged_at_arrival(self):
        assert self.start(at=9, arrived=11, own=True).why == "user_deactivated"
        assert self.start(at=9, arrived=10, own=True).why == "user_deactivated"
        assert isinstance(self.start(at=8, arrived=9, own=True), Applied)

    def test_what_the_organizations_system_sends_counts_if_it_occurred_before(self):
        assert isinstance(self.start(at=9, arrived=90, own=False), Applied)
        assert self.start(at=10, arrived=90, own=False).why == "user_deactivated"

    def test_a_dispatcher_repeats_it_in_their_own_name_with_the_same_moment(self):
        outcome = self.start(at=9, arrived=90, own=True, user=make.user(make.DISPATCHER, Role.DISPATCHER))
        assert outcome.events[0].occurred_at == make.minutes(9)

    def test_one_who_is_back_does_everything_but_has_not_those_visits(self):
        back = make.user()
        assert self.start(at=20, arrived=20, own=True, user=back).why == "not_assigned"

    def test_one_without_a_moment_of_leaving_can_do_nothing(self):
        ghost = make.user(active=False)
        assert self.start(at=1, arrived=1, own=False, user=ghost).why == "user_deactivated"


class TestAfterAReassignment:
    def reassigned(self, *moments):
        """The technician's visit, given away at each of `moments` to the next one."""
        job = make.job(make.visit(technician=make.TECHNICIAN))
        for moment, technician in zip(moments, (make.OTHER_TECHNICIAN, make.BOTH), strict=False):
            change = make.request(commands.ChangeAppointment(), at=moment, technician=technician)
            job = decide(job, change, make.facts()).job
        return job

    def start(self, job, *, at, own=False, who=make.TECHNICIAN, arrived=99):
        actor = make.provider(make.user(who), own_credential=own)
        return decide(job, make.request(commands.StartAppointment(), actor, at=at, arrived=arrived), make.facts())

    def test_what_occurred_before_it_counts_from_the_organizations_system_only(self):
        job = self.reassigned(10)
        assert isinstance(self.start(job, at=9), Applied)
        assert self.start(job, at=10).why == "not_assigned"
        assert self.start(job, at=9, own=True).why == "not_assigned"

    def test_what_arrived_before_it_counts_from_anybody_however_late_it_is_decided(self):
        assert isinstance(self.start(self.reassigned(10), at=8, arrived=9, own=True), Applied)

    def test_so_it_does_after_another(self):
        job = self.reassigned(10, 20)
        assert isinstance(self.start(job, at=9), Applied)
        assert self.start(job, at=15).why == "not_assigned"
        assert isinstance(self.start(job, at=15, who=make.OTHER_TECHNICIAN), Applied)
        assert self.start(job, at=25, who=make.OTHER_TECHNICIAN).why == "not_assigned"

    def test_the_one_who_has_it_now_acts_on_it(self):
        assert isinstance(self.start(self.reassigned(10), at=11, own=True, who=make.OTHER_TECHNICIAN), Applied)


def test_a_reassignment_keeps_who_had_the_visit_before():
    visit = make.visit(technician=1).assigned_to(2, make.minutes(1)).assigned_to(2, make.minutes(2))
    visit = visit.assigned_to(None, make.minutes(3)).assigned_to(1, make.minutes(4))
    assert visit.was_of(1, make.NOW)
    assert not visit.was_of(1, make.minutes(1))
    assert visit.was_of(2, make.minutes(2))
    assert not replace(visit, earlier=()).was_of(2, make.minutes(2))
