"""Notes: who sees them, how they become public and private again, and that their text does not get out by accident."""

import copy
import json
import pickle
from dataclasses import asdict, replace

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.document import event_body
from gateway.core.events import Change, EventType, audiences
from gateway.core.outcomes import Applied, Ignored
from gateway.core.parties import Role
from gateway.core.visibility import Audience, Private, Visibility, Withheld, may_see, open_for, open_for_storage
from tests import factories as make

SECRET = "Gate code 4711"
PUBLIC, PRIVATE = Visibility.PUBLIC, Visibility.PRIVATE
DISPATCHER = make.user(make.DISPATCHER, Role.DISPATCHER)


def add(visibility=None, actor=None, facts=None, job=None):
    command = commands.AddNote(text=Private(SECRET), visibility=visibility)
    return decide(job or make.job_in("scheduled"), make.request(command, actor, number=88), facts or make.facts())


def tell(note, command, actor=None, **more):
    return decide(make.job_in("scheduled"), make.request(command, actor, **more), make.facts(note=note))


class TestAdding:
    def test_is_private_unless_something_else_is_said(self):
        outcome = add()
        (note,) = outcome.saved
        assert (note.number, note.job, note.visibility, note.revision, note.published) == (
            88,
            make.JOB,
            PRIVATE,
            1,
            False,
        )
        (event,) = outcome.events
        assert (event.type, event.note.number, event.note.revision) == (EventType.NOTE_ADDED, 88, 1)
        assert event.changes == (Change.NOTE,)
        assert audiences(event) == frozenset()

    def test_publishes_at_once_where_the_sender_or_the_organization_says_so(self):
        by_default = make.facts(organization=make.organization(members={"notes_public": True}))
        for outcome in (add(PUBLIC), add(facts=by_default)):
            assert outcome.events[0].type is EventType.NOTE_PUBLISHED
            assert outcome.saved[0].published
            assert audiences(outcome.events[0]) == {Audience.ENTERPRISE}
        assert add(PRIVATE, facts=by_default).saved[0].visibility is PRIVATE

    def test_by_an_enterprise_is_for_the_provider(self):
        for visibility in (None, PRIVATE):
            outcome = add(visibility, make.enterprise())
            assert outcome.saved[0].by_enterprise
            assert outcome.events[0].type is EventType.NOTE_PUBLISHED
            assert audiences(outcome.events[0]) == {Audience.PROVIDER}

    @pytest.mark.parametrize("standing", ["offered", "unscheduled", "in_progress", "paused", "completed", "canceled"])
    def test_touches_no_status(self, standing):
        job = make.job_in(standing)
        outcome = add(PUBLIC, job=job)
        assert outcome.job.status is outcome.events[0].status is outcome.events[0].previous_status is job.status
        assert outcome.events[0].changes == (Change.NOTE,)

    @pytest.mark.parametrize("standing", ["declined", "expired", "withdrawn"])
    def test_to_a_job_that_nobody_has_is_refused(self, standing):
        assert add(job=make.job_in(standing)).why == "offer_closed"

    def test_names_the_user_for_the_organization_only(self):
        outcome = add(PUBLIC, make.provider(DISPATCHER))
        assert outcome.saved[0].user == make.DISPATCHER
        assert outcome.events[0].by.name == "Lakeside Appliance Repair"


class TestEditing:
    command = commands.EditNote(Private("Ring twice"))

    def test_a_private_one_is_logged_and_a_public_one_published_again(self):
        for visibility, kind in ((PRIVATE, EventType.NOTE_EDITED), (PUBLIC, EventType.NOTE_PUBLISHED)):
            outcome = tell(make.note(visibility=visibility), self.command)
            assert (outcome.saved[0].revision, outcome.events[0].note.revision) == (2, 2)
            assert outcome.events[0].type is kind
            assert outcome.saved[0].visibility is visibility

    def test_to_the_same_text_changes_nothing(self):
        outcome = tell(make.note(), commands.EditNote(Private(SECRET)))
        assert isinstance(outcome, Ignored)
        assert outcome.why == "no_change"

    def test_is_for_the_side_that_wrote_it(self):
        assert tell(make.note(by_enterprise=True), self.command).why == "not_your_note"

    def test_a_technician_edits_their_own(self):
        job = make.job(make.visit(technician=make.TECHNICIAN))
        request = make.request(self.command, make.provider(make.user()))
        assert isinstance(decide(job, request, make.facts(note=make.note(user=make.TECHNICIAN))), Applied)
        assert decide(job, request, make.facts(note=make.note(user=make.BOTH))).why == "not_your_note"

    def test_a_note_of_another_job_is_not_found(self):
        assert tell(make.note(job=9), self.command).why == "not_your_job"
        assert tell(None, self.command).why == "not_your_job"


class TestPublishingAndRetracting:
    def test_making_a_private_note_public_publishes_it_then(self):
        outcome = tell(make.note(), commands.SetNoteVisibility(PUBLIC), make.provider(DISPATCHER))
        assert outcome.events[0].type is EventType.NOTE_PUBLISHED
        assert (outcome.saved[0].revision, outcome.saved[0].published) == (2, True)

    def test_making_a_public_note_private_retracts_it(self):
        outcome = tell(make.note(visibility=PUBLIC, published=True), commands.SetNoteVisibility(PRIVATE))
        assert outcome.events[0].type is EventType.NOTE_RETRACTED
        assert audiences(outcome.events[0]) == {Audience.ENTERPRISE}
        assert (outcome.saved[0].revision, outcome.saved[0].published) == (2, True)

    @pytest.mark.parametrize("visibility", [PUBLIC, PRIVATE])
    def test_what_is_so_already_is_ignored(self, visibility):
        assert tell(make.note(visibility=visibility), commands.SetNoteVisibility(visibility)).why == "no_change"

    def test_is_a_dispatchers_and_never_for_an_enterprises_note(self):
        publish = commands.SetNoteVisibility(PUBLIC)
        assert tell(make.note(), publish, make.provider(make.user())).why == "role_not_allowed"
        assert tell(make.note(by_enterprise=True), publish).why == "not_your_note"
        assert tell(make.note(), publish, make.enterprise()).why == "not_allowed"

    def test_said_again_without_an_id_is_a_repeat(self):
        publish = commands.SetNoteVisibility(PUBLIC)
        (note,) = tell(make.note(), publish, message_id=None).saved
        assert tell(note, publish, message_id=None).why == "repeat"


@pytest.mark.parametrize(
    ("audience", "assigned", "private", "public", "enterprises"),
    [
        (Audience.CUSTOMER, True, False, False, False),
        (Audience.OPS, True, False, False, False),
        (Audience.ENTERPRISE, False, False, True, True),
        (Audience.PROVIDER, False, True, True, True),
        (Audience.TECHNICIAN, True, True, True, True),
        (Audience.TECHNICIAN, False, False, False, False),
    ],
)
def test_each_audience_sees_what_the_table_says(audience, assigned, private, public, enterprises):
    notes = (make.note(), make.note(visibility=PUBLIC), make.note(by_enterprise=True))
    for note, visible in zip(notes, (private, public, enterprises), strict=True):
        assert may_see(note, audience, assigned=assigned) is visible
        opened = open_for(note, audience, revision=1, assigned=assigned)
        assert opened == (SECRET if visible else Withheld())


def test_a_revision_that_is_not_the_present_one_is_withheld():
    note = make.note(visibility=PUBLIC, revision=3)
    for revision in (1, 2, 4):
        assert open_for(note, Audience.PROVIDER, revision=revision) == Withheld("withheld")
    assert open_for(replace(note, visibility=PRIVATE), Audience.ENTERPRISE, revision=3) == Withheld()


class TestPrivateText:
    note = make.note(SECRET)

    @pytest.mark.parametrize(
        "leak",
        [
            str,
            "{}".format,
            lambda text: f"{text}",
            lambda text: "%s" % text,  # noqa: UP031 - one of the ways out
            lambda text: "".join([text]),  # noqa: FLY002 - one of the ways out
            lambda text: "" + text,
            json.dumps,
            pickle.dumps,
            copy.deepcopy,
            bytes,
        ],
    )
    def test_does_not_become_a_string_by_itself(self, leak):
        with pytest.raises(TypeError):
            leak(self.note.text)

    def test_is_not_in_what_a_debugger_or_a_log_prints(self):
        assert SECRET not in repr(self.note)
        assert SECRET not in repr(commands.AddNote(text=self.note.text))
        assert not hasattr(self.note.text, "__dict__")
        with pytest.raises(TypeError):
            asdict(self.note)

    def test_is_equal_to_the_same_text_only(self):
        assert self.note.text == Private(SECRET)
        assert hash(self.note.text) == hash(Private(SECRET))
        assert self.note.text != Private("Ring twice")
        assert self.note.text != SECRET

    def test_is_opened_for_storage(self):
        assert open_for_storage(self.note.text) == SECRET


def test_no_event_of_a_note_holds_its_text_or_who_wrote_it():
    writer = make.provider(make.user(make.DISPATCHER, Role.DISPATCHER))
    outcomes = [
        add(PUBLIC, writer),
        add(PRIVATE, writer),
        add(None, make.enterprise()),
        tell(make.note(visibility=PUBLIC), commands.EditNote(Private(SECRET + "!")), writer),
        tell(make.note(visibility=PUBLIC), commands.SetNoteVisibility(PRIVATE), writer),
    ]
    for outcome in outcomes:
        for event in outcome.events:
            body = json.dumps(event_body(event, outcome.job, "Lakeside"))
            assert "4711" not in body
            assert "Robin Vega" not in body
            assert f"note-{event.note.number}" in body
