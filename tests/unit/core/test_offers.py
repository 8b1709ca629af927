"""Repeats, amendments and revisions of an offer, and what else may arrive under a known id."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core import commands
from gateway.core.decide import decide
from gateway.core.document import event_body, stamp
from gateway.core.events import Change, EventType
from gateway.core.ids import Kind, Ref
from gateway.core.job import JobStatus, OfferState, Revision, Window
from gateway.core.outcomes import Applied, Ignored, Parked, Quarantined, Refused
from gateway.core.parties import Side
from tests import factories as make

ONE, TWO, THREE = (Revision("revision", number) for number in (1, 2, 3))
OTHER = {"title": "Dishwasher leaks"}
NAMED = Ref(Kind.JOB, make.ACME, "A-1")


def held(standing="offered", revision=TWO, **fields):
    return replace(make.job_in(standing), revision=revision, **fields)


def at(minutes):
    return stamp(make.minutes(minutes))


def arrives(known, command, facts=None, **more):
    actor = more.pop("actor", make.enterprise())
    return decide(known, make.request(command, actor, **more), facts or make.facts())


class TestAnOfferThatIsNew:
    def test_holds_what_its_source_said(self):
        command = make.submit(accept_by=make.minutes(30), revision=ONE, brand="acme-home")
        outcome = arrives(None, command, job=NAMED, number=77)
        job = outcome.job
        assert (job.number, job.source, job.side, job.account) == (77, make.ACME, Side.ENTERPRISE, make.ACCOUNT)
        assert (job.external_id, job.brand, job.organization) == ("A-1", "acme-home", make.ORGANIZATION)
        assert (job.revision, job.offer.accept_by, job.customer) == (ONE, make.minutes(30), 77)
        assert job.details == {**make.DETAILS, "customer": make.JORDAN}
        (customer,) = outcome.saved
        assert (customer.number, customer.members) == (77, make.JORDAN)

    def test_never_expires_without_a_term_unless_the_profile_has_one(self):
        assert arrives(None, make.submit()).job.offer.accept_by is None
        outcome = arrives(None, make.submit(), make.facts(accept_within=timedelta(hours=4)), at=-9, arrived=3)
        assert outcome.job.offer.accept_by == make.minutes(243)

    def test_needs_a_customer(self):
        assert arrives(None, make.submit(customer=None)).why == "customer_required"
        facts = make.facts(customer=make.customer())
        known = arrives(None, make.submit(customer=None), facts, customer=make.CUSTOMER)
        assert known.job.customer == make.CUSTOMER
        assert known.job.details["customer"] == make.JORDAN

    @pytest.mark.parametrize("told", [None, {"name": "Mallory"}])
    def test_names_no_customer_of_another_source(self, told):
        anothers = make.facts(customer=make.customer(source=make.OTHER_SOURCE))
        outcome = arrives(None, make.submit(customer=told), anothers, customer=make.CUSTOMER)
        assert outcome == arrives(None, make.submit(customer=told), customer=make.CUSTOMER), "as if there were none"
        assert outcome.why == "unknown_customer"

    def test_that_no_organization_is_named_or_routed_to_is_refused(self):
        assert arrives(None, make.submit(), make.facts(organization=None)).why == "no_provider"

    @pytest.mark.parametrize(("role", "kind"), [("organization", Kind.ORGANIZATION), ("customer", Kind.CUSTOMER)])
    def test_waits_for_an_organization_or_customer_that_nobody_has_named_yet(self, role, kind):
        ref = Ref(kind, make.ACME, "X-1")
        assert arrives(None, make.submit(customer=None), **{role: ref}) == Parked(ref=ref)

    def test_may_bring_its_customer_under_a_new_id(self):
        outcome = arrives(None, make.submit(), customer=Ref(Kind.CUSTOMER, make.ACME, "C-9"))
        assert isinstance(outcome, Applied)


class TestOfAnOpenOfferOrAcceptedJob:
    @pytest.mark.parametrize("standing", ["offered", "unscheduled", "scheduled", "in_progress", "paused", "completed"])
    def test_new_content_with_a_newer_revision_is_an_amendment_and_never_moves_the_status(self, standing):
        job = held(standing)
        outcome = arrives(job, make.submit(details=OTHER, revision=THREE))
        assert outcome.job.status is job.status
        assert outcome.job.details == {**job.details, **OTHER}
        assert outcome.job.revision == THREE
        event = outcome.events[0]
        assert (event.type, event.details, event.changes) == (EventType.JOB_AMENDED, OTHER, (Change.DETAILS,))
        assert event.previous_status is event.status is job.status

    @pytest.mark.parametrize("standing", ["offered", "scheduled", "completed"])
    @pytest.mark.parametrize("revision", [None, TWO])
    def test_the_same_content_again_is_a_repeat(self, standing, revision):
        outcome = arrives(held(standing), make.submit(revision=revision))
        assert isinstance(outcome, Ignored)
        assert outcome.why == "repeat"

    @pytest.mark.parametrize("standing", ["offered", "scheduled", "completed"])
    def test_the_same_content_under_a_newer_revision_is_a_repeat_and_the_revision_advances(self, standing):
        outcome = arrives(held(standing), make.submit(revision=THREE))
        assert (outcome.why, outcome.job.revision) == ("repeat", THREE)

    @pytest.mark.parametrize("details", [make.DETAILS, OTHER])
    @pytest.mark.parametrize("standing", ["offered", "scheduled", "completed"])
    def test_an_older_revision_is_a_regression(self, standing, details):
        outcome = arrives(held(standing), make.submit(details=details, revision=ONE))
        assert isinstance(outcome, Ignored)
        assert outcome.why == "regression"

    @pytest.mark.parametrize("standing", ["offered", "scheduled", "completed"])
    def test_other_content_under_the_same_revision_is_quarantined(self, standing):
        outcome = arrives(held(standing), make.submit(details=OTHER, revision=TWO))
        assert isinstance(outcome, Quarantined)
        assert outcome.why == "revision_conflict"

    def test_without_any_revision_other_content_is_an_amendment(self):
        for revision in (None, TWO):
            outcome = arrives(held(revision=revision), make.submit(details=OTHER))
            assert (outcome.events[0].type, outcome.job.revision) == (EventType.JOB_AMENDED, revision)

    def test_updated_at_orders_content_like_a_revision(self):
        job = held(revision=Revision("updated_at", 50))
        assert isinstance(arrives(job, make.submit(details=OTHER, revision=Revision("updated_at", 51))), Applied)
        assert arrives(job, make.submit(details=OTHER, revision=Revision("updated_at", 49))).why == "regression"

    def test_revisions_of_two_kinds_are_told_by_their_content(self):
        outcome = arrives(held(revision=TWO), make.submit(details=OTHER, revision=Revision("updated_at", 1)))
        assert outcome.job.revision == Revision("updated_at", 1)

    @pytest.mark.parametrize("standing", ["offered", "unscheduled", "paused", "completed"])
    def test_another_organization_is_refused(self, standing):
        outcome = arrives(
            held(standing), make.submit(details=OTHER, revision=THREE), organization=make.OTHER_ORGANIZATION
        )
        assert (outcome.why, outcome.member) == ("organization_fixed", "data.organization")

    def test_a_member_that_is_taken_away_is_told_as_null(self):
        outcome = arrives(held(), make.submit(details={"title": None}, revision=THREE))
        assert "title" not in outcome.job.details
        assert outcome.events[0].details == {"title": None}

    def test_the_customer_is_amended_with_it(self):
        outcome = arrives(held(), make.submit(customer={"phone": "1"}, revision=THREE))
        assert outcome.job.details["customer"] == {"name": "Jordan Ellis", "phone": "1"}
        assert [(saved.number, saved.members["phone"]) for saved in outcome.saved] == [(make.CUSTOMER, "1")]

    def test_the_term_of_an_open_offer_is_amended_that_of_an_accepted_one_is_over(self):
        later = make.submit(accept_by=make.minutes(90), revision=THREE)
        outcome = arrives(held(), later)
        assert outcome.job.offer.accept_by == make.minutes(90)
        body = event_body(outcome.events[0], outcome.job, "Lakeside")
        assert (body["accept_by"], body["revision"]) == ("2026-03-02T16:30:00Z", 3)
        assert arrives(held("scheduled"), later).why == "repeat"

    def test_a_job_assigned_without_an_offer_is_amended_by_the_message_that_made_it(self):
        job = held("scheduled", offer=None)
        assert arrives(job, make.create(details=OTHER, revision=THREE)).events[0].type is EventType.JOB_AMENDED
        assert arrives(job, make.create(revision=TWO)).why == "repeat"


class TestOfADeclinedOrCanceledJob:
    over = pytest.mark.parametrize("standing", ["declined", "expired", "withdrawn", "canceled"])

    @over
    @pytest.mark.parametrize("details", [make.DETAILS, OTHER])
    def test_a_newer_revision_is_a_new_job_under_the_same_external_id(self, standing, details):
        old = held(standing)
        outcome = arrives(old, make.submit(details=details, revision=THREE, accept_by=make.minutes(200)), number=2000)
        job = outcome.job
        assert (job.number, job.status, job.external_id) == (2000, JobStatus.OFFERED, "A-1")
        assert (job.replaces, outcome.replaced.number, outcome.replaced.replaced_by) == (make.JOB, make.JOB, 2000)
        assert (job.visits, job.ended, job.customer, job.brand) == ((), None, make.CUSTOMER, "acme-home")
        assert job.offer.accept_by == make.minutes(200)
        assert outcome.events[0].type is EventType.JOB_OFFERED
        assert event_body(outcome.events[0], job, "Lakeside")["replaces"] == f"job-{make.JOB}"
        assert replace(outcome.replaced, replaced_by=None) == old

    @over
    @pytest.mark.parametrize("revision", [None, ONE, TWO])
    def test_another_organization_is_a_new_job_whatever_the_revision(self, standing, revision):
        outcome = arrives(held(standing), make.submit(revision=revision), organization=make.OTHER_ORGANIZATION)
        assert (outcome.job.organization, outcome.job.replaces) == (make.OTHER_ORGANIZATION, make.JOB)

    @over
    def test_other_content_without_a_revision_is_a_new_job_and_the_same_a_repeat(self, standing):
        assert arrives(held(standing, None), make.submit(details=OTHER)).job.replaces == make.JOB
        assert arrives(held(standing, None), make.submit()).why == "repeat"

    def test_a_later_term_without_a_revision_is_other_content(self):
        job = held("expired", None)
        assert arrives(job, make.submit(accept_by=make.minutes(500))).job.replaces == make.JOB
        assert arrives(job, make.submit(accept_by=make.minutes(60))).why == "repeat"

    @over
    def test_the_rest_of_the_table_holds_for_it(self, standing):
        assert arrives(held(standing), make.submit(revision=TWO)).why == "repeat"
        assert arrives(held(standing), make.submit(details=OTHER, revision=TWO)).why == "revision_conflict"
        assert arrives(held(standing), make.submit(details=OTHER, revision=ONE)).why == "regression"

    @over
    def test_once_replaced_it_is_not_replaced_again_by_its_old_number(self, standing):
        assert arrives(held(standing, replaced_by=2000), make.submit(revision=THREE)).why == "job_replaced"


class TestWhoMayAmend:
    def test_another_enterprise_or_page_may_not(self):
        stranger = make.enterprise(make.OTHER_ACCOUNT, make.OTHER_SOURCE)
        assert arrives(held(), make.submit(revision=THREE), actor=stranger).why == "not_your_job"
        assert arrives(held(), make.submit(), actor=make.booking_page()).why == "not_your_job"

    def test_a_provider_amends_its_own_jobs_only(self):
        own = make.job(side=Side.PROVIDER, source=make.LAKESIDE, account=None, offer=None)
        create = make.create(details=OTHER)
        assert arrives(own, create, actor=make.provider()).events[0].type is EventType.JOB_AMENDED
        assert arrives(held("scheduled"), create, actor=make.provider()).why == "not_your_job"

    def test_a_job_is_not_created_with_a_visit_for_somebody_who_does_none(self):
        create = make.create(visit=make.new_visit())
        assert arrives(None, create, actor=make.provider(), technician=make.DISPATCHER).why == "not_a_technician"

    def test_a_provider_makes_no_job_for_another(self):
        outcome = arrives(None, make.create(), actor=make.provider(), organization=make.OTHER_ORGANIZATION)
        assert (outcome.why, outcome.member) == ("not_allowed", "data.organization")


class TestASuggestedTime:
    add = commands.AddAppointment(make.new_visit(1440))

    def test_of_the_enterprise_for_an_open_offer_is_an_amendment(self):
        outcome = arrives(held(), self.add)
        assert outcome.events[0].type is EventType.JOB_AMENDED
        suggested = {"start": "2026-03-03T15:00:00Z", "end": "2026-03-03T17:00:00Z"}
        assert outcome.events[0].details == {"added_times": [suggested]}
        assert (outcome.job.status, outcome.job.visits) == (JobStatus.OFFERED, ())
        assert arrives(outcome.job, self.add, at=5).why == "no_change"

    def test_is_that_of_its_arrival_window_where_it_has_one(self):
        window = Window(make.minutes(0), make.minutes(30))
        outcome = arrives(held(), commands.AddAppointment(make.new_visit(1440, window=window)))
        assert outcome.events[0].details["added_times"][0]["end"] == "2026-03-02T15:30:00Z"

    def test_under_a_key_that_has_suggested_before_replaces_that_one_and_no_other(self):
        job = held()
        for key, start in (("V-1", 1440), (None, 2000), ("V-2", 3000), ("V-1", 4000)):
            job = arrives(job, commands.AddAppointment(make.new_visit(start, external_id=key))).job
        starts = [(one.get("id"), one["start"]) for one in job.details["added_times"]]
        assert starts == [(None, at(2000)), ("V-2", at(3000)), ("V-1", at(4000))]

    def test_is_taken_back_by_the_key_that_suggested_it(self):
        job = arrives(held(), commands.AddAppointment(make.new_visit(1440, external_id="V-1"))).job
        unknown = Ref(Kind.APPOINTMENT, make.ACME, "V-2")
        assert arrives(job, commands.CancelAppointment(), appointment=unknown) == Parked(ref=unknown)
        outcome = arrives(job, commands.CancelAppointment(), appointment=unknown._replace(external_id="V-1"))
        assert (outcome.events[0].type, outcome.events[0].details) == (EventType.JOB_AMENDED, {"added_times": None})
        assert outcome.job.details == held().details

    def test_of_which_there_are_four_the_newest_three_count(self):
        job = held()
        for start in (1440, 2000, 3000, 4000):
            job = arrives(job, commands.AddAppointment(make.new_visit(start))).job
        assert [one["start"] for one in job.details["added_times"]] == [at(2000), at(3000), at(4000)]

    def test_does_not_make_the_offer_that_is_sent_again_another(self):
        job = arrives(held(), self.add).job
        assert arrives(job, make.submit(revision=TWO)).why == "repeat"

    def test_is_taken_by_accepting_with_it(self):
        job = arrives(held(), self.add).job
        accept = commands.AcceptOffer(visit=make.new_visit(1440), revision=TWO)
        outcome = decide(job, make.request(accept), make.facts())
        assert outcome.job.visits[0].start == make.minutes(1440)

    def test_is_no_providers_to_make(self):
        assert decide(held(), make.request(self.add), make.facts()).why == "offer_open"


class TestAcceptingARevision:
    def accept(self, job, revision):
        return decide(job, make.request(commands.AcceptOffer(revision=revision)), make.facts())

    def test_that_is_held_or_none_is_fine(self):
        assert isinstance(self.accept(held(), TWO), Applied)
        assert isinstance(self.accept(held(), None), Applied)

    def test_that_has_changed_since_is_refused_with_the_new_terms(self):
        job = arrives(held(), make.submit(details=OTHER, revision=THREE, accept_by=make.minutes(90))).job
        outcome = self.accept(job, TWO)
        assert isinstance(outcome, Refused)
        assert outcome.why == "offer_changed"
        assert outcome.about == {
            "details": {**make.DETAILS, **OTHER, "customer": make.JORDAN},
            "accept_by": "2026-03-02T16:30:00Z",
            "revision": 3,
        }

    def test_whose_content_was_only_repeated_since_is_fine(self):
        job = arrives(held(), make.submit(revision=THREE)).job
        job = arrives(job, make.submit(revision=Revision("revision", 5)), at=2).job
        for seen in (TWO, THREE, Revision("revision", 4), Revision("revision", 5)):
            assert isinstance(self.accept(job, seen), Applied)
        for other in (ONE, Revision("revision", 6), Revision("updated_at", 3)):
            assert self.accept(job, other).why == "offer_changed"
        changed = arrives(job, make.submit(details=OTHER, revision=Revision("revision", 7)), at=3).job
        assert self.accept(changed, THREE).why == "offer_changed"


def test_a_decline_needs_a_reason_where_the_brand_has_a_list_and_an_unknown_one_decides_too():
    job = make.job_in("offered")
    assert decide(job, make.request(commands.DeclineOffer()), make.facts()).why == "reason_required"
    assert isinstance(decide(job, make.request(commands.DeclineOffer()), make.default_facts()), Applied)
    unknown = decide(job, make.request(commands.DeclineOffer("Holiday")), make.facts())
    assert (unknown.job.offer.state, unknown.events[0].reason.code) == (OfferState.DECLINED, None)
    assert (unknown.events[0].reason.text, unknown.job.offer.reason.text) == ("Holiday", "Holiday")
