"""A receiver in miniature: feeds requests through `decide` one at a time and keeps what it must, checking as it goes.

First sight by (source, message id), parked records behind a held completion, and everything that is true after each
decision whatever was asked.
"""

import json
from dataclasses import dataclass, field, replace
from itertools import pairwise

from gateway.core.commands import Request
from gateway.core.decide import decide
from gateway.core.document import event_body
from gateway.core.events import CUSTOMER_EVENTS, LOG_ONLY, VERSIONED, Event, EventType, audiences
from gateway.core.job import MAX_VISITS, Job, JobStatus, OfferState, standing
from gateway.core.notes import Note
from gateway.core.outcomes import Applied, Ignored, Outcome, Parked, Quarantined, Refused, Unmapped, Why
from gateway.core.parties import Customer, Organization, User
from gateway.core.reasons import ReasonLists
from gateway.core.visibility import Audience
from tests import factories as make

DECISIONS = {EventType.JOB_ACCEPTED, EventType.JOB_DECLINED}
NEVER_OUTSIDE = ("Robin Vega", "555-0199", "4711", "usr-")


@dataclass
class World:
    """Jobs by number; `known` is the one that the external id means now. `log` holds each job's events with versions."""

    reasons: ReasonLists = make.BRAND_REASONS
    jobs: dict[int, Job] = field(default_factory=dict)
    known: int | None = None
    organization: Organization = field(default_factory=make.organization)
    users: dict[int, User] = field(default_factory=make.team)
    customers: dict[int, Customer] = field(default_factory=dict)
    notes: dict[int, Note] = field(default_factory=dict)
    seen: dict[tuple[str, str], str] = field(default_factory=dict)
    waiting: list[Request] = field(default_factory=list)
    held: dict[int, Request] = field(default_factory=dict)
    log: dict[int, list[tuple[Event, int | None]]] = field(default_factory=dict)

    @classmethod
    def with_job(cls, job: Job, **fields) -> "World":
        return cls(jobs={job.number: job}, known=job.number, **fields)

    @property
    def job(self) -> Job | None:
        return self.jobs.get(self.known) if self.known is not None else None

    def tell(self, request: Request) -> Outcome:
        """What becomes of a record taken in: first sight, then the decision."""
        key = (request.actor.source, request.message_id)
        if request.message_id is not None and key in self.seen:
            same = self.seen[key] == request.digest
            return Ignored(why=Why.REPEAT) if same else Quarantined(why=Why.MESSAGE_CONFLICT)
        outcome = self.settle(request)
        repeat = isinstance(outcome, Ignored) and outcome.why is Why.REPEAT
        if request.message_id is not None and not repeat and not isinstance(outcome, Refused | Quarantined):
            self.seen[key] = request.digest
        return outcome

    def settle(self, request: Request) -> Outcome:
        """Decides and keeps what came of it. The job is the one the request numbers, else the one known."""
        number = request.refs.job
        job = self.jobs.get(number) if isinstance(number, int) else None
        facts = make.facts(
            now=request.arrived_at,
            reasons=self.reasons,
            organization=self.organization,
            users=self.users,
            note=self.notes.get(request.refs.note) if isinstance(request.refs.note, int) else None,
        )
        outcome = decide(job, request, facts)
        match outcome:
            case Applied():
                self._apply(job, outcome)
            case Ignored(job=kept, events=events):
                assert {event.type for event in events} <= LOG_ONLY
                if job is not None:
                    self._keep(job, kept or job, events)
            case Unmapped(job=kept):
                assert kept == replace(job, held_by=request.number)
                self.jobs[kept.number] = kept
                self.held[kept.number] = request
            case Parked(ref=None):
                self.waiting.append(request)
            case Refused(job=kept):
                if kept is not None:
                    self._keep(job, kept, ())
            case _:
                pass
        return outcome

    def learn(self, reasons: ReasonLists) -> None:
        """The brand's profile has these reasons now: what was held and what waited behind is decided, in order."""
        self.reasons = reasons
        for number, holder in list(self.held.items()):
            del self.held[number]
            self.settle(holder)
            if self.jobs[number].held_by is None:
                behind = [request for request in self.waiting if request.refs.job == number]
                self.waiting = [request for request in self.waiting if request.refs.job != number]
                for request in behind:
                    self.settle(request)

    def _apply(self, job: Job | None, outcome: Applied) -> None:
        for saved in outcome.saved:
            kinds = {Organization: None, User: self.users, Customer: self.customers, Note: self.notes}
            kept = kinds[type(saved)]
            if kept is None:
                self.organization = saved
            else:
                kept[saved.number] = saved
        assert (outcome.job is not None) is bool(outcome.events)
        if outcome.job is None:
            return
        main, *texts = outcome.events
        assert main.type not in CUSTOMER_EVENTS
        assert {event.type for event in texts} <= CUSTOMER_EVENTS
        is_new = job is None or outcome.job.number != job.number
        assert (outcome.replaced is not None) is (is_new and job is not None)
        if outcome.replaced is not None:
            assert replace(outcome.replaced, replaced_by=job.replaced_by) == job
            self._keep(job, outcome.replaced, ())
        self._keep(None if is_new else job, outcome.job, outcome.events)
        if is_new:
            self.known = outcome.job.number

    def _keep(self, before: Job | None, after: Job, events: tuple[Event, ...]) -> None:
        for event in events:
            if event.type not in CUSTOMER_EVENTS:
                assert event.previous_status is (before.status if before else None)
                assert (event.status, event.closure) == standing(after)
            version = None
            if event.type in VERSIONED and audiences(event) & {Audience.ENTERPRISE, Audience.PROVIDER}:
                after = replace(after, jobversion=after.jobversion + 1)
                version = after.jobversion
            self.log.setdefault(after.number, []).append((event, version))
            body = json.dumps(event_body(event, after, self.organization.name))
            assert not any(secret in body for secret in NEVER_OUTSIDE)
        check(before, after)
        self.jobs[after.number] = replace(after, version=after.version + 1)


def check(before: Job | None, after: Job) -> None:
    """What holds of any job after any decision."""
    assert after.status is standing(after)[0]
    assert len(after.visits) <= MAX_VISITS
    assert len({visit.number for visit in after.visits}) == len(after.visits)
    assert all((visit.was is not None) <= after.canceled for visit in after.visits)
    assert all((visit.ended_at is not None) is visit.has_ended for visit in after.visits)
    if after.canceled:
        assert all(visit.has_ended for visit in after.visits)
    if not after.accepted:
        assert after.visits == ()
        assert after.ended is None
    if before is not None:
        assert (after.number, after.organization, after.account) == (before.number, before.organization, before.account)
        assert [visit.number for visit in before.visits] == [visit.number for visit in after.visits][
            : len(before.visits)
        ]
        if before.offer is not None and before.offer.state is not OfferState.OPEN:
            assert after.offer == before.offer


def check_log(world: World) -> None:
    """What holds of each job's events: no gap in versions, no jump in statuses, one decision per offer."""
    for number, entries in world.log.items():
        job = world.jobs[number]
        versions = [version for _, version in entries if version is not None]
        assert versions == list(range(job.jobversion - len(versions) + 1, job.jobversion + 1))
        moves = [event for event, _ in entries if event.type not in CUSTOMER_EVENTS]
        for earlier, later in pairwise(moves):
            assert later.previous_status is earlier.status
        assert moves[-1].status is job.status
        decisions = [event for event in moves if event.type in DECISIONS]
        began_open = moves[0].type is EventType.JOB_OFFERED or moves[0].previous_status is JobStatus.OFFERED
        closed = job.offer is not None and job.offer.state is not OfferState.OPEN
        assert len(decisions) == int(began_open and closed)
