"""Every command needs exactly one scope, by what it is about."""

from typing import get_args

import pytest

from gateway.core import commands
from gateway.core.commands import JobCommand, PartyCommand
from gateway.core.ids import Kind, Ref
from gateway.core.sandbox import as_test, is_test, owner_of, source_of_tests
from gateway.core.scopes import Scope, scope_of

OFFERS = {"SubmitOffer", "WithdrawOffer", "AcceptOffer", "DeclineOffer", "SendReminder"}
NOTES = {"AddNote", "EditNote", "SetNoteVisibility"}
CONFIRMS = {"ConfirmApplied"}
NOBODYS = {"ExpireOffer", "AnswerSurvey"}
SENT = sorted({one.__name__ for one in (*get_args(JobCommand), *get_args(PartyCommand))} - NOBODYS)


@pytest.mark.parametrize("name", SENT)
def test_a_command_needs_the_scope_of_what_it_is_about(name):
    command = object.__new__(getattr(commands, name))
    wanted = Scope.OFFERS if name in OFFERS else Scope.NOTES if name in NOTES else Scope.ACTIONS
    if name in CONFIRMS:
        wanted = Scope.FEED
    if name in {one.__name__ for one in get_args(PartyCommand)}:
        wanted = Scope.USERS
    assert scope_of(command) is wanted


def test_tests_are_told_by_the_source():
    assert is_test(source_of_tests("acme"))
    assert source_of_tests(source_of_tests("acme")) == source_of_tests("acme")
    assert owner_of(source_of_tests("acme")) == owner_of("acme") == "acme"
    assert not is_test("acme")


@pytest.mark.parametrize("named", ["acme", "acme~test"])
def test_a_test_points_at_test_work_and_at_real_parties(named):
    work, parties = ("job", "appointment", "customer", "note"), ("organization", "technician", "user")
    kinds = dict.fromkeys((*work, *parties), Kind.JOB)
    found = as_test(commands.Refs(**{name: Ref(kind, named, "1") for name, kind in kinds.items()}))
    assert {getattr(found, name).source for name in work} == {"acme~test"}
    assert {getattr(found, name).source for name in parties} == {"acme"}
    assert as_test(commands.Refs(job=7, user=8)) == commands.Refs(job=7, user=8)
