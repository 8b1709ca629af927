"""Makes snapshots: how a job stands now, told whole to one destination, so that nothing old is shown as the present."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.document import event_body
from gateway.core.job import JobStatus
from gateway.core.sandbox import is_test
from gateway.core.values import dataclass, replace
from gateway.core.visibility import Audience
from gateway.inbound.held import find_wait_at
from gateway.mapping.standing import snapshot_of
from gateway.mapping.wanted import Wanted, wants
from gateway.store import codec
from gateway.store.aggregates import load_organizations, lock_jobs, save_sent
from gateway.store.bulk import Writes
from gateway.store.destinations import load_destinations
from gateway.store.operators import Action, write_action
from gateway.store.outbox import NewDelivery, NewEvent, append
from gateway.store.redelivering import BEHIND, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from gateway.core.events import Event
    from gateway.core.job import Job
    from gateway.core.parties import Organization
    from gateway.mapping.profile import Profile
    from gateway.store.database import Transaction
    from gateway.store.deliveries import Operator
    from gateway.store.destinations import Destination


class Verdict(StrEnum):
    """What came of asking for a snapshot. Values are stable."""

    DONE = "done"
    UNKNOWN_JOB = "unknown_job"
    UNKNOWN_DESTINATION = "unknown_destination"
    # The destination is another's, or for test work where the job is none, or takes no jobs.
    NOT_ITS_JOB = "not_its_job"
    # The profile in force tells the destination nothing of a job that stands so.
    NOT_WANTED = "not_wanted"


class Told(NamedTuple):
    """Which job is to be told to which destination."""

    job: int
    destination: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Whose operation it is, the profiles in force by brand, and the numbers that its rows get: one of each a job."""

    operation: int
    operator: Operator
    active: Mapping[str, Profile]
    events: Iterator[int]
    deliveries: Iterator[int]


async def snapshot(connection: Transaction, wanted: Sequence[Told], order: Order, now: datetime) -> dict[Told, Outcome]:
    """Tells each job whole, in the caller's transaction; relays wake up. A constant number of statements.

    The job is locked meanwhile: nothing newer stands before its snapshot, and what comes next follows on it.
    """
    jobs = await lock_jobs(connection, {one.job for one in wanted})
    organizations = await load_organizations(connection, {job.organization for job in jobs.values()})
    destinations = {one.number: one for one in (await load_destinations(connection)).values()}
    events: list[NewEvent] = []
    deliveries: list[NewDelivery] = []
    outcomes: dict[Told, Outcome] = {}
    for one in wanted:
        job, destination = jobs.get(one.job), destinations.get(one.destination)
        if job is None or destination is None:
            outcomes[one] = Outcome(Verdict.UNKNOWN_JOB if job is None else Verdict.UNKNOWN_DESTINATION)
            continue
        organization = organizations[job.organization]
        profile = order.active.get(job.brand) if job.brand else None
        event = snapshot_of(job, now)
        verdict = _judge(job, organization, destination, profile, event)
        outcomes[one] = Outcome(verdict)
        if verdict is Verdict.DONE:
            job = _counted(job)
            events.append(_event_row(job, event, organization, profile, next(order.events), now))
            deliveries.append(_delivery_row(job, events[-1], destination, profile, event, order))
            outcomes[one] = Outcome(verdict, deliveries[-1].number)
            jobs[one.job] = replace(job, last_sent={**job.last_sent, str(destination.number): job.jobversion})
    if deliveries:
        told = sorted({one.lane for one in deliveries})
        writes = Writes(connection)
        save_sent(writes, [jobs[number] for number in told])
        await append(writes, events, deliveries, now)
        await write_action(
            connection, Action(order.operator.author, "snapshot", "job", tuple(told), order.operator.reason), now
        )
    return outcomes


def _judge(
    job: Job, organization: Organization, destination: Destination, profile: Profile | None, event: Event
) -> Verdict:
    if is_test(job.source) is not destination.sandbox:
        return Verdict.NOT_ITS_JOB
    match destination.audience:
        case Audience.ENTERPRISE if profile is not None and destination.owner == job.brand:
            spec = profile.asked.get(destination.name)
            is_wanted = spec is not None and isinstance(wants(profile, spec, event), Wanted)
            return Verdict.DONE if is_wanted else Verdict.NOT_WANTED
        case Audience.PROVIDER if destination.owner == organization.handle:
            # Of an offer that was closed its provider learns no more than that.
            return Verdict.NOT_WANTED if job.status is JobStatus.DECLINED else Verdict.DONE
        case _:
            return Verdict.NOT_ITS_JOB


def _counted(job: Job) -> Job:
    """Its own place among the job's events, and no version: but the first, where nobody was told anything yet."""
    return replace(job, sequence=job.sequence + 1, jobversion=max(job.jobversion, 1))


def _event_row(
    job: Job, event: Event, organization: Organization, profile: Profile | None, number: int, now: datetime
) -> NewEvent:
    return NewEvent(
        number=number,
        type=event.type,
        job=job.number,
        source=job.source,
        position=job.sequence,
        jobversion=job.jobversion,
        brand=job.brand,
        profile_version=profile.version if profile else None,
        record=None,
        occurred_at=event.occurred_at,
        recorded_at=now,
        # Nobody is owed it as what happened: what operations make is counted with them.
        recipients=0,
        body=codec.nested(event_body(event, job, organization.name)),
    )


def _delivery_row(
    job: Job, row: NewEvent, destination: Destination, profile: Profile | None, event: Event, order: Order
) -> NewDelivery:
    waits = find_wait_at(destination, profile, event)
    return NewDelivery(
        number=next(order.deliveries),
        event=row.number,
        destination=destination.number,
        lane=job.number,
        position=row.position,
        # Told to nobody: it is for whoever comes next, should this one not be sent.
        previous=job.last_sent.get(str(destination.number)),
        state="held" if waits is not None else "pending",
        waits_kind=waits.kind if waits is not None else None,
        waits_text=waits.value if waits is not None else None,
        rank=BEHIND,
        operation=order.operation,
    )
