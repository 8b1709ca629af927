"""Organizations and their users: who may change them, and how."""

from dataclasses import replace

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.ids import Kind, Ref
from gateway.core.outcomes import Applied, Ignored, Parked
from gateway.core.parties import Position, Role
from tests import factories as make

DISPATCHER, TECHNICIAN = make.user(make.DISPATCHER, Role.DISPATCHER), make.user()
FIRST_PARTY = make.enterprise(first_party=True)
BRANCH = make.organization(branch_of=make.ACCOUNT)
NEW_NAME = commands.PutOrganization({"name": "Lakeside & Sons", "city": None})


def put(organization, command=NEW_NAME, actor=None, **more):
    return decide(None, make.request(command, actor or make.provider(), **more), make.facts(organization=organization))


def tell(command, actor=None, about=make.TECHNICIAN, users=None, organization=None, **more):
    facts = make.facts(users=make.team() if users is None else users, organization=organization or make.organization())
    return decide(None, make.request(command, actor or make.provider(), technician=about, **more), facts)


class TestOrganizations:
    def test_that_are_new_are_made_under_their_handle_as_branches_of_a_first_party_account(self):
        command = commands.PutOrganization({"handle": "duluth", "name": "Duluth Repair"})
        (made,) = put(None, command, FIRST_PARTY, number=70).saved
        assert (made.number, made.handle, made.branch_of, made.name) == (70, "duluth", make.ACCOUNT, "Duluth Repair")
        (other,) = put(None, NEW_NAME, make.enterprise(), number=71).saved
        assert (other.handle, other.branch_of) == ("org-71", None)

    def test_are_changed_member_by_member_by_themselves_and_by_whose_branch_they_are(self):
        held = replace(BRANCH, members={"name": "Old", "city": "Duluth", "phone": "1"})
        for actor in (make.provider(), make.provider(DISPATCHER), FIRST_PARTY):
            (saved,) = put(held, actor=actor).saved
            assert saved.members == {"name": "Lakeside & Sons", "phone": "1"}

    def test_are_matched_and_never_changed_by_another_account(self):
        for held, actor in (
            (BRANCH, make.enterprise(make.OTHER_ACCOUNT, make.OTHER_SOURCE, first_party=True)),
            (make.organization(), make.enterprise()),
            (make.organization(), FIRST_PARTY),
        ):
            (saved,) = put(held, actor=actor).saved
            assert (saved.members, saved.branch_of) == (held.members, held.branch_of)

    @pytest.mark.parametrize("message_id", [None, "m-1", "m-2"])
    def test_put_equal_to_that_sources_last_put_are_a_repeat_with_or_without_an_id(self, message_id):
        first = put(make.organization(), digest="d", message_id="m-1").saved[0]
        assert put(first, digest="d", message_id=message_id).why == "repeat"
        other = put(first, digest="d", actor=make.enterprise()).saved[0]
        between = put(other, digest="e", message_id=message_id).saved[0]
        assert isinstance(put(between, digest="d", message_id=message_id), Applied)

    def test_are_not_for_others_to_change(self):
        other = make.organization(make.OTHER_ORGANIZATION)
        assert put(other).why == "not_allowed"
        assert put(None).why == "not_allowed"
        assert isinstance(put(None, actor=make.provider(organization=None)), Applied)
        assert put(make.organization(), actor=make.booking_page()).why == "not_allowed"
        assert put(make.organization(), actor=make.provider(TECHNICIAN)).why == "role_not_allowed"
        gone = replace(DISPATCHER, active=False, deactivated_at=make.NOW)
        assert put(make.organization(), actor=make.provider(gone)).why == "user_deactivated"


class TestPuttingUsers:
    def test_makes_a_technician_where_nothing_else_is_said(self):
        (made,) = tell(commands.PutUser(members={"name": "Sam"}), about=None, number=72).saved
        assert (made.number, made.organization, made.role, made.active) == (72, make.ORGANIZATION, "technician", True)
        ref = Ref(Kind.USER, make.LAKESIDE, "u-1")
        (named,) = tell(commands.PutUser(members={}, role=Role.BOTH), about=ref).saved
        assert named.role is Role.BOTH

    def test_changes_them_member_by_member_and_leaves_the_role_where_none_is_given(self):
        (saved,) = tell(commands.PutUser(members={"phone": None, "email": "a@b"})).saved
        assert saved.members == {"name": f"Robin Vega {make.TECHNICIAN}", "email": "a@b"}
        assert saved.role is Role.TECHNICIAN

    def test_again_is_a_repeat(self):
        (saved,) = tell(commands.PutUser(members={}), digest="d").saved
        users = make.team(technician=saved)
        assert tell(commands.PutUser(members={}), digest="d", users=users, message_id=None).why == "repeat"

    def test_reactivates_nobody(self):
        users = make.team(technician=make.user(active=False, deactivated_at=make.NOW))
        (saved,) = tell(commands.PutUser(members={"name": "Sam"}, role=Role.BOTH), users=users).saved
        assert not saved.active

    def test_of_another_organization_is_refused(self):
        assert tell(commands.PutUser(members={}), about=99).why == "not_your_user"
        stranger = {99: make.user(99, organization=make.OTHER_ORGANIZATION)}
        assert tell(commands.PutUser(members={}), about=99, users=stranger).why == "not_your_user"

    def test_demotes_no_last_dispatcher(self):
        demote = commands.PutUser(members={}, role=Role.TECHNICIAN)
        assert isinstance(tell(demote, about=make.DISPATCHER), Applied)
        alone = {make.DISPATCHER: DISPATCHER, make.TECHNICIAN: TECHNICIAN}
        assert tell(demote, about=make.DISPATCHER, users=alone).why == "last_dispatcher"
        promoted = commands.PutUser(members={}, role=Role.BOTH)
        assert isinstance(tell(promoted, about=make.DISPATCHER, users=alone), Applied)


class TestDeactivating:
    def test_and_reactivating(self):
        (gone,) = tell(commands.DeactivateUser(), at=4).saved
        assert (gone.active, gone.deactivated_at) == (False, make.minutes(4))
        users = make.team(technician=gone)
        assert tell(commands.DeactivateUser(), users=users).why == "no_change"
        (back,) = tell(commands.ReactivateUser(), users=users).saved
        assert (back.active, back.deactivated_at) == (True, None)
        assert tell(commands.ReactivateUser()).why == "no_change"

    def test_spares_the_last_dispatcher(self):
        inactive = make.user(make.BOTH, Role.BOTH, active=False, deactivated_at=make.NOW)
        users = make.team(both=inactive)
        assert tell(commands.DeactivateUser(), about=make.DISPATCHER, users=users).why == "last_dispatcher"
        assert isinstance(tell(commands.DeactivateUser(), about=make.DISPATCHER), Applied)
        assert isinstance(tell(commands.DeactivateUser(), users=users), Applied)

    def test_of_somebody_unknown_waits_for_them(self):
        ref = Ref(Kind.USER, make.LAKESIDE, "u-1")
        for command in (commands.DeactivateUser(), commands.ReactivateUser()):
            assert tell(command, about=ref) == Parked(ref=ref)
        assert tell(commands.DeactivateUser(), about=None).why == "not_your_user"

    def test_by_somebody_unknown_waits_for_them_too(self):
        ref = Ref(Kind.USER, make.LAKESIDE, "u-1")
        assert tell(commands.DeactivateUser(), user=ref) == Parked(ref=ref)
        assert put(make.organization(), user=ref) == Parked(ref=ref)

    def test_in_an_organization_unknown_waits_for_that(self):
        ref = Ref(Kind.ORGANIZATION, make.ACME, "o-1")
        facts = make.facts(organization=None)
        request = make.request(commands.DeactivateUser(), FIRST_PARTY, organization=ref, technician=1)
        assert decide(None, request, facts) == Parked(ref=ref)
        nowhere = make.request(commands.DeactivateUser(), FIRST_PARTY, technician=1)
        assert decide(None, nowhere, facts).why == "no_provider"


class TestWhoMayChangeUsers:
    @pytest.mark.parametrize("command", [commands.PutUser(members={"name": "x"}), commands.DeactivateUser()])
    def test_dispatchers_the_organizations_system_and_whose_branch_it_is(self, command):
        both = make.user(make.BOTH, Role.BOTH)
        for actor in (make.provider(), make.provider(DISPATCHER), make.provider(both)):
            assert isinstance(tell(command, actor), Applied)
        assert isinstance(tell(command, FIRST_PARTY, organization=BRANCH), Applied)

    @pytest.mark.parametrize("command", [commands.PutUser(members={"name": "x"}), commands.DeactivateUser()])
    def test_and_nobody_else(self, command):
        assert tell(command, make.provider(TECHNICIAN)).why == "role_not_allowed"
        assert tell(command, FIRST_PARTY).why == "not_your_branch"
        assert tell(command, make.enterprise(), organization=make.organization()).why == "not_your_branch"
        other = make.enterprise(make.OTHER_ACCOUNT, make.OTHER_SOURCE, first_party=True)
        assert tell(command, other, organization=BRANCH).why == "not_your_branch"
        assert tell(command, make.provider(organization=make.OTHER_ORGANIZATION)).why == "not_allowed"
        assert tell(command, make.booking_page()).why == "not_allowed"
        gone = make.user(make.DISPATCHER, Role.DISPATCHER, active=False, deactivated_at=make.NOW)
        assert tell(command, make.provider(gone, own_credential=True)).why == "user_deactivated"


class TestPositions:
    def report(self, at, actor=None, users=None, about=make.TECHNICIAN, **fields):
        position = Position(make.minutes(at), **{"latitude": 46.0, "longitude": -92.0, **fields})
        return tell(commands.ReportPosition(position), actor, about, users, at=at)

    def test_the_latest_is_kept(self):
        (saved,) = self.report(5).saved
        assert saved.position.at == make.minutes(5)
        users = make.team(technician=saved)
        stale = self.report(4, users=users)
        assert isinstance(stale, Ignored)
        assert stale.why == "stale"
        (none,) = self.report(6, users=users, latitude=None, longitude=None, why_none="sharing_off").saved
        assert none.position.why_none == "sharing_off"

    def test_a_moment_yet_to_come_is_read_as_arrival(self):
        ahead = commands.ReportPosition(Position(make.minutes(600), latitude=46.0, longitude=-92.0))
        (saved,) = tell(ahead, at=5).saved
        assert saved.position.at == make.minutes(5)

    def test_technicians_report_their_own(self):
        assert isinstance(self.report(5, make.provider(TECHNICIAN)), Applied)
        assert self.report(5, make.provider(TECHNICIAN), about=make.BOTH).why == "role_not_allowed"

    def test_of_somebody_who_has_left_is_refused(self):
        users = make.team(technician=make.user(active=False, deactivated_at=make.NOW))
        assert self.report(5, users=users).why == "user_deactivated"
