"""The recipient list: which destinations are owed an event, and the rows that the outbox appends for it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from gateway.core.document import event_body
from gateway.core.events import VERSIONED, Event, EventType, audiences
from gateway.core.sandbox import is_test
from gateway.core.values import dataclass, replace
from gateway.core.visibility import Audience
from gateway.inbound.held import find_wait_at
from gateway.inbound.work_topics import asked_for, is_wanted
from gateway.mapping.wanted import Wanted, wants, why_unwanted
from gateway.store import codec
from gateway.store.outbox import NewDelivery, NewEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    import orjson

    from gateway.core.job import Job
    from gateway.core.parties import Organization
    from gateway.inbound.directory import Directory
    from gateway.inbound.entry import Entry
    from gateway.mapping.profile import Profile
    from gateway.store.destinations import Destination, NewDestination

# Decisions, completions and cancellations go before progress, notes and receipts last, where a destination lags.
_URGENT = frozenset(
    {
        EventType.JOB_OFFERED,
        EventType.JOB_ACCEPTED,
        EventType.JOB_DECLINED,
        EventType.JOB_COMPLETED,
        EventType.JOB_CANCELED,
        EventType.JOB_RESTORED,
        EventType.APPOINTMENT_COMPLETED,
    }
)
_PATIENT = frozenset(
    {
        EventType.NOTE_PUBLISHED,
        EventType.NOTE_RETRACTED,
        EventType.REMINDER_SENT,
        EventType.SURVEY_ANSWERED,
        EventType.RECORD_SETTLED,
    }
)


@dataclass(slots=True)
class Appending:
    """Collects what one batch appends to the outbox. `take` hands out event and delivery numbers.

    `published_to` tells by note which destinations its publication was appended for, in this batch too. `owed_to` are
    the destinations that anything is appended for, by their numbers.
    """

    directory: Directory
    now: datetime
    take: Callable[[str], int]
    published_to: dict[int, set[int]] = field(default_factory=dict)
    events: list[NewEvent] = field(default_factory=list)
    deliveries: list[NewDelivery] = field(default_factory=list)
    expected: list[NewDestination] = field(default_factory=list)
    owed_to: dict[int, Destination] = field(default_factory=dict)

    def expect(self, entry: Entry) -> None:
        """Destinations that `entry` asks for are owed what happens from now on: by negative numbers until made."""
        wanted = [one for one in asked_for((entry,)) if not self.directory.knows(one.name, one.owner)]
        if wanted:
            first = len(self.expected) + 1
            self.expected += wanted
            self.directory = self.directory.joined_by(one.as_number(-n) for n, one in enumerate(wanted, first))

    def renumber(self, there: Mapping[str, Destination]) -> dict[int, int]:
        """Puts the numbers of what is there by now in the place of those expected; returns which stands for which."""
        numbers = {-n: there[one.name].number for n, one in enumerate(self.expected, 1)}
        for delivery in self.deliveries:
            delivery.destination = numbers.get(delivery.destination, delivery.destination)
        self.owed_to |= {number: self.owed_to[n] for n, number in numbers.items() if n in self.owed_to}
        return numbers

    def mark(self) -> tuple[int, int]:
        """How far it has come: what `rewind` goes back to."""
        return len(self.events), len(self.deliveries)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forgets what was added since `mark`."""
        events, deliveries = mark
        del self.events[events:], self.deliveries[deliveries:]

    def add(self, job: Job, events: Sequence[Event], organization: Organization, record: int) -> Job:
        """Appends what one decision about `job` made, for everyone it is owed to; the job's counters move on."""
        if not events:
            return job
        profile = self.directory.active.get(job.brand) if job.brand else None
        sequence, version = job.sequence, job.jobversion
        last_sent = dict(job.last_sent)
        test = is_test(job.source)
        for event in events:
            told = self._recipients(event, job.brand, organization, profile)
            # The one gate between test work and real work: nothing else puts an event of a job on a destination.
            owed = [one for one in told if one.sandbox is test]
            is_versioned = bool(owed) and event.type in VERSIONED
            sequence += 1
            version += is_versioned
            self.events.append(
                NewEvent(
                    number=self.take("event"),
                    type=event.type,
                    job=job.number,
                    source=job.source,
                    position=sequence,
                    jobversion=version if is_versioned else None,
                    brand=job.brand,
                    profile_version=profile.version if profile else None,
                    record=record,
                    note=event.note.number if event.note else None,
                    note_revision=event.note.revision if event.note else None,
                    by_user=event.by.user,
                    occurred_at=event.occurred_at,
                    recorded_at=self.now,
                    recipients=len(owed),
                    unmatched=None if owed else self._unmatched(event, profile, test=test),
                    body=codec.nested(event_body(event, job, organization.name)),
                )
            )
            for destination in owed:
                if event.type is EventType.NOTE_PUBLISHED and event.note is not None:
                    self.published_to.setdefault(event.note.number, set()).add(destination.number)
                self._owe(self.events[-1], event, destination, last_sent, profile)
                if is_versioned:
                    last_sent[str(destination.number)] = version
        return replace(job, sequence=sequence, jobversion=version, last_sent=last_sent)

    def _owe(
        self,
        row: NewEvent,
        event: Event,
        destination: Destination,
        last_sent: Mapping[str, int],
        profile: Profile | None,
    ) -> None:
        self.owed_to[destination.number] = destination
        waits = find_wait_at(destination, profile, event)
        self.deliveries.append(
            NewDelivery(
                number=self.take("delivery"),
                event=row.number,
                destination=destination.number,
                lane=row.job or 0,
                position=row.position,
                previous=last_sent.get(str(destination.number)),
                state="held" if waits is not None else "pending",
                waits_kind=waits.kind if waits is not None else None,
                waits_text=waits.value if waits is not None else None,
                rank=_rank(event.type),
            )
        )

    def _recipients(
        self, event: Event, brand: str | None, organization: Organization, profile: Profile | None
    ) -> Iterator[Destination]:
        if event.type is EventType.NOTE_RETRACTED and event.note is not None:
            # Whoever was to get the note is to take it back, whatever the profile asks for by now.
            has_it = self.published_to.get(event.note.number, ())
            yield from (one for one in self.directory.feeds.get(brand or "", ()) if one.number in has_it)
            return
        told = audiences(event)
        if Audience.ENTERPRISE in told and profile is not None:
            for destination in self.directory.feeds.get(profile.brand, ()):
                spec = profile.asked.get(destination.name)
                if spec is not None and isinstance(wants(profile, spec, event), Wanted):
                    yield destination
        if Audience.PROVIDER in told and is_wanted(organization):
            yield from self.directory.work.get(organization.handle, ())
        if Audience.CUSTOMER in told:
            yield from self.directory.notifications

    def _unmatched(self, event: Event, profile: Profile | None, *, test: bool) -> orjson.Fragment | None:
        """Why nobody is owed an event that somebody could be told of: by destination of the brand that has it not.

        Empty where there is no destination at all; None for what only the activity log tells.
        """
        told = audiences(event)
        if not told:
            return None
        feeds = self.directory.feeds.get(profile.brand, ()) if profile and Audience.ENTERPRISE in told else ()
        why = {one.name: why_unwanted(profile, one.name, event) for one in feeds if profile and one.sandbox is test}
        return codec.nested({name: word for name, word in why.items() if word is not None})

    def add_receipt(self, entry: Entry, destination: Destination, body: Mapping[str, object]) -> None:
        """Appends the receipt of a record, in a lane of its own, behind those that it had before."""
        self.owed_to[destination.number] = destination
        number, position = self.take("event"), entry.receipts
        entry.receipts += 1
        self.events.append(
            NewEvent(
                number=number,
                type=EventType.RECORD_SETTLED,
                job=None,
                source="gateway",
                position=position,
                jobversion=None,
                brand=None,
                profile_version=None,
                record=entry.number,
                occurred_at=self.now,
                recorded_at=self.now,
                recipients=1,
                body=codec.nested(body),
            )
        )
        self.deliveries.append(
            NewDelivery(
                number=self.take("delivery"),
                event=number,
                destination=destination.number,
                lane=-entry.number,
                position=position,
                rank=_rank(EventType.RECORD_SETTLED),
            )
        )


def _rank(kind: EventType) -> int:
    if kind in _URGENT:
        return 0
    return 2 if kind in _PATIENT else 1
