"""The recipient list: which destinations are owed an event, and the rows that the outbox appends for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gateway.core.document import event_body
from gateway.core.events import VERSIONED, Event, EventType, audiences
from gateway.core.visibility import Audience
from gateway.mapping.wanted import Wanted, holds, wants
from gateway.store import codec
from gateway.store.outbox import NewDelivery, NewEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from gateway.core.job import Job
    from gateway.core.parties import Organization
    from gateway.inbound.directory import Directory
    from gateway.inbound.entry import Entry
    from gateway.mapping.profile import Profile
    from gateway.store.destinations import Destination

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
    """Collects what one batch appends to the outbox. `take` hands out event and delivery numbers."""

    directory: Directory
    now: datetime
    take: Callable[[str], int]
    events: list[NewEvent] = field(default_factory=list)
    deliveries: list[NewDelivery] = field(default_factory=list)

    def add(self, job: Job, event: Event, organization: Organization, record: int | None) -> Job:
        """Appends `event` of `job` for everyone it is owed to; returns the job with its counters moved on."""
        profile = self.directory.active.get(job.brand) if job.brand else None
        owed = list(self._recipients(event, organization, profile))
        version = job.jobversion + 1 if owed and event.type in VERSIONED else job.jobversion
        number, position = self.take("event"), job.sequence + 1
        self.events.append(
            NewEvent(
                number=number,
                type=event.type.value,
                job=job.number,
                source=job.source,
                position=position,
                jobversion=version if version != job.jobversion else None,
                brand=job.brand,
                profile_version=profile.version if profile else None,
                record=record,
                note=event.note,
                by_user=event.by.user,
                occurred_at=event.occurred_at,
                recorded_at=self.now,
                recipients=len(owed),
                body=codec.encode(event_body(event, job, organization.name)),
            )
        )
        last_sent = dict(job.last_sent) if owed else job.last_sent
        for destination in owed:
            waits = holds(profile, event.reason) if destination.audience is Audience.ENTERPRISE else None
            self.deliveries.append(
                NewDelivery(
                    number=self.take("delivery"),
                    event=number,
                    destination=destination.number,
                    lane=job.number,
                    position=position,
                    previous=job.last_sent.get(str(destination.number)),
                    state="held" if waits is not None else "pending",
                    waits_text=waits,
                    rank=_rank(event.type),
                )
            )
            if version != job.jobversion and isinstance(last_sent, dict):
                last_sent[str(destination.number)] = version
        return replace(job, sequence=position, jobversion=version, last_sent=last_sent)

    def _recipients(self, event: Event, organization: Organization, profile: Profile | None) -> Iterator[Destination]:
        told = audiences(event)
        if Audience.ENTERPRISE in told and profile is not None:
            asked = {destination.name: destination for destination in profile.destinations}
            for destination in self.directory.feeds.get(profile.brand, ()):
                spec = asked.get(destination.name)
                if spec is not None and isinstance(wants(profile, spec, event), Wanted):
                    yield destination
        if Audience.PROVIDER in told:
            yield from self.directory.work.get(organization.handle, ())
        if Audience.CUSTOMER in told:
            yield from self.directory.notifications

    def add_receipt(self, entry: Entry, destination: Destination, body: dict[str, object]) -> None:
        """Appends the receipt of a record, in a lane of its own."""
        number = self.take("event")
        self.events.append(
            NewEvent(
                number=number,
                type=EventType.RECORD_SETTLED.value,
                job=None,
                source="gateway",
                position=0,
                jobversion=None,
                brand=None,
                profile_version=None,
                record=entry.number,
                occurred_at=self.now,
                recorded_at=self.now,
                recipients=1,
                body=codec.encode(body),
            )
        )
        self.deliveries.append(
            NewDelivery(
                number=self.take("delivery"),
                event=number,
                destination=destination.number,
                lane=-entry.number,
                position=0,
                rank=_rank(EventType.RECORD_SETTLED),
            )
        )


def _rank(kind: EventType) -> int:
    if kind in _URGENT:
        return 0
    return 2 if kind in _PATIENT else 1
