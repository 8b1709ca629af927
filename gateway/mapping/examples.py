"""Example events of every kind, made by the core's own decisions: what a profile is checked against before it is used.

With a profile its own reasons are given; without one, the default pair.
"""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import orjson

from gateway.core import commands
from gateway.core.commands import NewVisit, Refs, Request
from gateway.core.decide import decide
from gateway.core.document import StoredEvent, event_body
from gateway.core.events import VERSIONED, By, Event, EventType, VisitMoved
from gateway.core.facts import Facts
from gateway.core.ids import Kind, Ref
from gateway.core.job import Job, Revision, Window
from gateway.core.notes import Note
from gateway.core.outcomes import Applied
from gateway.core.parties import Actor, Organization, Role, Side, User
from gateway.core.reasons import DEFAULT_REASONS, Ending, ReasonLists
from gateway.core.values import dataclass, replace
from gateway.core.visibility import Audience, Private, Visibility, open_for
from gateway.mapping.receipts import example_receipts, receipt_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.core.commands import Command
    from gateway.core.parties import Json
    from gateway.core.visibility import Withheld
    from gateway.mapping.profile import Profile

_BEGIN = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
_ACCOUNT, _JOB, _VISIT, _SECOND_VISIT, _NOTE = 42, 1041, 2071, 2072, 3011
_ORGANIZATION = Organization(number=7, handle="lakeside-appliance", members={"name": "Lakeside Appliance Repair"})
_TECHNICIAN = User(number=19, organization=7, role=Role.BOTH, members={"name": "Robin Vega"})
_DETAILS: dict[str, Json] = {
    "title": "Dishwasher does not drain",
    "service_type": "dishwasher",
    "description": "Water stands in the tub after each cycle.",
    "address": {
        "street_1": "214 Alder Street",
        "city": "Duluth",
        "state": "MN",
        "postal_code": "55802",
        "country": "US",
    },
}
_CUSTOMER: dict[str, Json] = {
    "name": "Jordan Ellis",
    "email": "jordan.ellis@example.org",
    "phones": [{"number": "(218) 555-0142", "type": "mobile", "primary": True}],
}


@dataclass(frozen=True, slots=True)
class Example:
    """`name` tells examples of one type apart; `event` is the core's, `stored` what the outbox would keep of it."""

    name: str
    event: Event
    stored: StoredEvent
    audience: Audience
    note_text: str | Withheld | None = None


@dataclass(slots=True)
class _Story:
    """One job, told by decisions; each step keeps the events it made under its name."""

    source: str
    brand: str | None
    version: int | None
    reasons: ReasonLists
    job: Job | None = None
    note: Note | None = None
    now: datetime = _BEGIN
    versions: int = 0
    number: int = 5000
    told: list[Example] = field(default_factory=list)

    def branch(self) -> _Story:
        """The same job, told differently from here on."""
        return replace(self, told=[])

    def step(self, name: str, side: Side, command: Command, *, number: int = _JOB, **refs: int) -> _Story:
        """Decides `command`; an example that the core does not apply would be a mistake in this module."""
        self.now += timedelta(minutes=20)
        outcome = decide(self.job, self._request(side, command, number, refs), self._facts())
        if not isinstance(outcome, Applied):
            raise TypeError(f"example {name}: {outcome}")
        self.job = outcome.job or self.job
        self.note = next((saved for saved in outcome.saved if isinstance(saved, Note)), self.note)
        for event in outcome.events:
            self.keep(name, event)
        return self

    def keep(self, name: str, event: Event) -> None:
        if self.job is None:
            raise TypeError("an event is about a job")
        versioned = event.type in VERSIONED
        self.versions += versioned
        self.number += 1
        audience = _audience(event)
        stored = StoredEvent(
            number=self.number,
            type=event.type.value,
            job=self.job.number,
            source=self.source,
            brand=self.brand,
            jobversion=self.versions if versioned or event.type is EventType.JOB_SNAPSHOT else None,
            profile_version=self.version,
            occurred_at=event.occurred_at,
            recorded_at=event.occurred_at,
            # As it is read back: plain JSON, no words of enumerations.
            body=orjson.loads(orjson.dumps(event_body(event, self.job, _ORGANIZATION.name))),
            note=event.note,
        )
        note = self.note if event.type is EventType.NOTE_PUBLISHED else None
        text = open_for(note, audience, revision=note.revision) if note else None
        self.told.append(Example(name, event, stored, audience, text))

    def _facts(self) -> Facts:
        return Facts(
            now=self.now,
            reasons=self.reasons,
            accept_within=timedelta(hours=24),
            organization=_ORGANIZATION,
            users={_TECHNICIAN.number: _TECHNICIAN},
            note=self.note,
        )

    def _request(self, side: Side, command: Command, number: int, refs: dict[str, int]) -> Request:
        job = self.job.number if self.job else Ref(Kind.JOB, self.source, "WO-88213")
        return Request(
            number=number,
            actor=self._actor(side),
            message_id=f"m-{self.number}",
            digest="",
            occurred_at=self.now,
            arrived_at=self.now,
            command=command,
            refs=Refs(job=job, organization=_ORGANIZATION.number, **refs),
        )

    def _actor(self, side: Side) -> Actor:
        if side is Side.PROVIDER:
            return Actor(side=side, source=_ORGANIZATION.handle, organization=_ORGANIZATION.number)
        enterprise = side is Side.ENTERPRISE
        return Actor(
            side=side, source=self.source if enterprise else side.value, account=_ACCOUNT if enterprise else None
        )


def _audience(event: Event) -> Audience:
    if event.type.value.startswith("customer."):
        return Audience.CUSTOMER
    provider_only = event.type is EventType.REMINDER_SENT or (
        event.type is EventType.NOTE_PUBLISHED and event.by.side is Side.ENTERPRISE
    )
    return Audience.PROVIDER if provider_only else Audience.ENTERPRISE


def examples(profile: Profile | None = None, *, source: str = "example-account") -> tuple[Example, ...]:
    """Every kind of event, in the standings that a profile has to know; one more for each reason of its lists."""
    found: dict[tuple[str, str], Example] = {}
    stories = tuple(_stories(profile, source))
    for example in (each for story in stories for each in story.told):
        # One text message of a kind is enough, whatever led to it.
        name = "" if example.audience is Audience.CUSTOMER else example.name
        found.setdefault((example.stored.type, name), example)
    return (*(found[key] for key in sorted(found)), *_receipts(stories[0].source))


def _receipts(source: str) -> Iterator[Example]:
    settled = Event(type=EventType.RECORD_SETTLED, by=By(side=Side.GATEWAY, name="gateway"), occurred_at=_BEGIN)
    for number, (name, receipt) in enumerate(example_receipts(_BEGIN).items(), start=6001):
        stored = StoredEvent(
            number=number,
            type=settled.type.value,
            job=receipt.job,
            source=source,
            brand=None,
            jobversion=None,
            profile_version=None,
            occurred_at=_BEGIN,
            recorded_at=_BEGIN,
            body=receipt_body(receipt),
        )
        yield Example(name, settled, stored, Audience.ENTERPRISE)


def _stories(profile: Profile | None, source: str) -> Iterator[_Story]:
    reasons = profile.reasons if profile else DEFAULT_REASONS
    begin = _Story(
        source=profile.account if profile else source,
        brand=profile.brand if profile else None,
        version=profile.version if profile else None,
        reasons=reasons,
    )
    offered = _offered(begin)
    yield offered
    yield from _closed_offers(offered, reasons)
    yield _assigned(begin)
    yield _sparse(begin)
    accepted = _accepted(offered)
    yield accepted
    yield from _appointments(accepted)
    yield from _progress(accepted, reasons)
    yield from _endings(accepted, reasons)
    yield _notes(accepted)


def _visit_at(hours: int, *, window: bool = False) -> NewVisit:
    start = _BEGIN + timedelta(hours=hours)
    return NewVisit(start=start, window=Window(start, start + timedelta(hours=4)) if window else None)


def _offered(begin: _Story) -> _Story:
    story = begin.branch()
    first = commands.SubmitOffer(
        details=_DETAILS, customer=_CUSTOMER, brand=story.brand, revision=Revision("revision", 1)
    )
    story.step("new", Side.ENTERPRISE, first)
    second = commands.SubmitOffer(
        details={"description": "Water stands in the tub; the pump hums."}, revision=Revision("revision", 2)
    )
    return story.step("description", Side.ENTERPRISE, second)


def _closed_offers(offered: _Story, reasons: ReasonLists) -> Iterator[_Story]:
    for reason in reasons.decline:
        yield offered.branch().step(f"reason_{reason.code}", Side.PROVIDER, commands.DeclineOffer(reason.code))
    if not reasons.decline:
        yield offered.branch().step("reason_in_free_words", Side.PROVIDER, commands.DeclineOffer("Out of area"))
    withdrawn = reasons.cancel[0].code if reasons.cancel else "Covered elsewhere"
    yield offered.branch().step("withdrawn", Side.ENTERPRISE, commands.WithdrawOffer(withdrawn))
    late = offered.branch()
    late.now += timedelta(days=2)
    yield late.step("expired", Side.GATEWAY, commands.ExpireOffer())


def _assigned(begin: _Story) -> _Story:
    created = commands.CreateJob(details=_DETAILS, customer=_CUSTOMER, brand=begin.brand, visit=_visit_at(20))
    story = begin.branch().step("with_a_date", Side.ENTERPRISE, created)
    without = commands.CreateJob(details=_DETAILS, customer=_CUSTOMER, brand=begin.brand)
    other = begin.branch().step("without_a_date", Side.ENTERPRISE, without)
    story.told += other.told
    return story


def _sparse(begin: _Story) -> _Story:
    """A job of which little is known, told as it stands."""
    created = commands.CreateJob(
        details={"address": {"postal_code": "55802", "country": "US"}}, customer={"name": "J. Ellis"}, brand=begin.brand
    )
    story = begin.branch().step("", Side.ENTERPRISE, created)
    return _snapshot("with_little_known", story.branch())


def _accepted(offered: _Story) -> _Story:
    story = offered.branch()
    with_visit = offered.branch().step(
        "with_an_appointment", Side.PROVIDER, commands.AcceptOffer(visit=_visit_at(20)), technician=_TECHNICIAN.number
    )
    story.step("plain", Side.PROVIDER, commands.AcceptOffer())
    story.told += with_visit.told
    return story


def _appointments(accepted: _Story) -> Iterator[_Story]:
    story = _scheduled(accepted)
    yield story
    new_time = commands.ChangeAppointment(start=_BEGIN + timedelta(hours=44))
    yield story.branch().step("new_time", Side.PROVIDER, new_time, appointment=_VISIT)
    yield story.branch().step("only_one", Side.PROVIDER, commands.DeleteAppointment(), appointment=_VISIT)
    yield story.branch().step("only_one", Side.PROVIDER, commands.CancelAppointment(), appointment=_VISIT)
    more = story.branch()
    more.step(
        "second",
        Side.PROVIDER,
        commands.AddAppointment(_visit_at(60)),
        number=_SECOND_VISIT,
        technician=_TECHNICIAN.number,
    )
    more.step("another_scheduled", Side.PROVIDER, commands.DeleteAppointment(), appointment=_SECOND_VISIT)
    yield more


def _scheduled(accepted: _Story) -> _Story:
    return accepted.branch().step(
        "first",
        Side.PROVIDER,
        commands.AddAppointment(_visit_at(20, window=True)),
        number=_VISIT,
        technician=_TECHNICIAN.number,
    )


def _progress(accepted: _Story, reasons: ReasonLists) -> Iterator[_Story]:
    on_the_way = _scheduled(accepted).branch()
    on_the_way.step("on_my_way", Side.PROVIDER, commands.OnMyWay(minutes=25), appointment=_VISIT)
    yield on_the_way
    yield on_the_way.branch().step("undo_on_my_way", Side.PROVIDER, commands.UndoOnMyWay(), appointment=_VISIT)
    started = on_the_way.branch().step("arrived", Side.PROVIDER, commands.StartAppointment(), appointment=_VISIT)
    yield started
    yield started.branch().step("without_reason", Side.PROVIDER, commands.PauseAppointment(), appointment=_VISIT)
    for reason in reasons.complete:
        complete = commands.CompleteAppointment(reason.code)
        done = started.branch().step(f"reason_{reason.code}", Side.PROVIDER, complete, appointment=_VISIT)
        yield done
        if reason.outcome is Ending.PAUSES:
            pause = commands.PauseAppointment(reason.code)
            yield started.branch().step(f"reason_{reason.code}", Side.PROVIDER, pause, appointment=_VISIT)
        else:
            yield _surveyed(done.branch())
    both = _one_of_two(started, reasons)
    yield both
    yield _waiting(both.branch(), reasons)


def _waiting(both: _Story, reasons: ReasonLists) -> _Story:
    """A job that waits after the second of two visits, told as it stands."""
    why = next((each.code for each in reasons.complete if each.outcome is Ending.PAUSES), None)
    both.step("second_of_two", Side.PROVIDER, commands.StartAppointment(), appointment=_SECOND_VISIT)
    both.step("second_of_two", Side.PROVIDER, commands.PauseAppointment(why), appointment=_SECOND_VISIT)
    return _snapshot("with_two_visits", both.branch())


def _one_of_two(started: _Story, reasons: ReasonLists) -> _Story:
    """One visit is complete while another is still scheduled."""
    story = started.branch()
    story.step("second_of_two", Side.PROVIDER, commands.AddAppointment(_visit_at(60)), number=_SECOND_VISIT)
    complete = commands.CompleteAppointment(reasons.complete[0].code)
    return story.step("another_scheduled", Side.PROVIDER, complete, appointment=_VISIT)


def _surveyed(story: _Story) -> _Story:
    return story.step("five_stars", Side.SURVEYS, commands.AnswerSurvey(rating=5, message="On time and thorough."))


def _endings(accepted: _Story, reasons: ReasonLists) -> Iterator[_Story]:
    yield accepted.branch().step("how_does_it_stand", Side.ENTERPRISE, commands.SendReminder("Is there a date yet?"))
    scheduled = _scheduled(accepted)
    yield _snapshot("scheduled", scheduled.branch())
    for reason in (each for each in reasons.complete if each.outcome is Ending.COMPLETES):
        complete = commands.CompleteJob(reason.code)
        yield scheduled.branch().step(f"reason_{reason.code}", Side.PROVIDER, complete)
    texts = {f"reason_{reason.code}": reason.code for reason in reasons.cancel}
    for name, text in (texts or {"reason_in_free_words": "Customer bought a new one"}).items():
        canceled = scheduled.branch().step(name, Side.PROVIDER, commands.CancelJob(text))
        yield canceled
        yield canceled.branch().step("by_the_provider", Side.PROVIDER, commands.RestoreJob())
    by_source = scheduled.branch().step(
        "by_the_source", Side.ENTERPRISE, commands.WithdrawOffer(next(iter(texts.values()), None))
    )
    yield by_source


def _snapshot(name: str, story: _Story) -> _Story:
    if story.job is not None:
        event = Event(
            type=EventType.JOB_SNAPSHOT,
            by=By(side=Side.GATEWAY, name="gateway"),
            occurred_at=story.now,
            status=story.job.status,
            closure=story.job.closure,
            visits=tuple(VisitMoved(visit, None) for visit in story.job.visits),
        )
        story.keep(name, event)
    return story


def _notes(accepted: _Story) -> _Story:
    story = accepted.branch()
    public = commands.AddNote(text=Private("Drain pump replaced, tested for two cycles."), visibility=Visibility.PUBLIC)
    story.step("by_the_provider", Side.PROVIDER, public, number=_NOTE)
    story.step("taken_back", Side.PROVIDER, commands.SetNoteVisibility(Visibility.PRIVATE), note=_NOTE)
    enterprise = commands.AddNote(text=Private("The customer is home after four."))
    return story.step("by_the_enterprise", Side.ENTERPRISE, enterprise, number=_NOTE + 1)
