"""What one batch works on: all that its records point at, loaded by a fixed number of statements, and what changed."""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.core.commands import (
    AcceptOffer,
    AddNote,
    CreateJob,
    DeactivateUser,
    PutOrganization,
    PutUser,
    ReactivateUser,
    Refs,
    RestoreJob,
    SetNoteVisibility,
)
from gateway.core.ids import Kind, Ref
from gateway.core.notes import Note
from gateway.core.outcomes import Parked
from gateway.core.parties import Customer, Organization, Side, User
from gateway.core.values import dataclass, replace
from gateway.inbound.entry import Entry, entry_of, set_aside
from gateway.inbound.pointing import (
    USER_COMMANDS,
    organization_named,
    organization_pointer,
    pointers,
    routes,
    sender_pointer,
)
from gateway.inbound.translated import Translated
from gateway.store import aggregates, notes, references, waiting
from gateway.store.references import Target
from gateway.store.waiting import Ready, Turn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from gateway.core.commands import Command
    from gateway.core.job import Job
    from gateway.core.visibility import Private
    from gateway.inbound.directory import Directory
    from gateway.inbound.doors import Doors
    from gateway.store.bulk import Writes
    from gateway.store.database import Transaction

_ABOUT_ALL_USERS = (PutUser, DeactivateUser, ReactivateUser)
# What waits for one of these is about one job.
_OF_A_JOB = frozenset({Kind.JOB, Kind.APPOINTMENT, Kind.NOTE})
WAKES_AT_MOST = 500
SAME_TEXT_WITHIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Waking:
    """How many parked records one transaction may decide besides its own; `ready` are those it is about.

    `refusal`: the database refused the one that is woken, with this code.
    """

    at_most: int = WAKES_AT_MOST
    ready: Ready = field(default_factory=Ready)
    refusal: str | None = None


@dataclass(slots=True)
class Known:
    """The working set of one transaction: as loaded (`before`), and as it stands after what was decided so far.

    `targets` is what references stand for; `absent` are those that have no row. `parked` are records that wait for a
    reference or behind a held job, woken when that changes; where there are too many at once, the first that is left is
    in `left` or `left_jobs`, and what came later waits behind it. `backlog`: references of more than one job that this
    is so of. `released`: what was waited for in vain. `texts`: which record last said what of which job, where repeats
    are told by that. `published_to` are the destinations that a note's publication was appended for: of notes whose
    visibility may change.
    """

    targets: dict[Ref, Target] = field(default_factory=dict)
    absent: set[Ref] = field(default_factory=set)
    before: dict[int, Job] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    jobs_of_visits: dict[int, int] = field(default_factory=dict)
    organizations: dict[int, Organization] = field(default_factory=dict)
    users: dict[int, User] = field(default_factory=dict)
    customers: dict[int, Customer] = field(default_factory=dict)
    notes: dict[int, Note] = field(default_factory=dict)
    published_to: dict[int, set[int]] = field(default_factory=dict)
    parked: dict[int, Entry] = field(default_factory=dict)
    changed: dict[tuple[type, int], Organization | User | Customer | Note] = field(default_factory=dict)
    retargeted: dict[Ref, Target] = field(default_factory=dict)
    left: dict[Ref, Turn] = field(default_factory=dict)
    left_jobs: dict[int, Turn] = field(default_factory=dict)
    backlog: set[Ref] = field(default_factory=set)
    released: frozenset[Ref] = frozenset()
    texts: dict[tuple[int, str, Private], Turn] = field(default_factory=dict)

    def number(self, pointer: Ref | int | None) -> int | None:
        """The number that a pointer stands for, if it is known."""
        if not isinstance(pointer, Ref):
            return pointer
        target = self.targets.get(pointer)
        return target.number if target else None

    def job_of(self, refs: Refs) -> int | None:
        """The job of a request: named, or implied by the visit or note that is."""
        if refs.job is not None:
            return self.number(refs.job)
        visit = self.number(refs.appointment)
        if visit in self.jobs_of_visits:
            return self.jobs_of_visits[visit]
        for part in (refs.appointment, refs.note):
            target = self.targets.get(part) if isinstance(part, Ref) else None
            if target is not None and target.job is not None:
                return target.job
        note = self.notes.get(refs.note) if isinstance(refs.note, int) else None
        return note.job if note else None

    def names_anothers_visit(self, command: Command, new_visit: Ref | None, job: Job | None) -> bool:
        """Whether the id given to a first visit is that of one of another job, which could not be named any more."""
        held = self.targets.get(new_visit) if new_visit is not None else None
        if held is None or held.number is None or not isinstance(command, AcceptOffer | CreateJob):
            return False
        return held.job not in ({job.number, job.replaces} if job is not None else set())

    def retarget(self, ref: Ref, target: Target) -> None:
        """From now on `ref` stands for `target`."""
        self.targets[ref] = target
        self.retargeted[ref] = target

    def find_same_text(self, entry: Entry) -> int | None:
        """The record of the same source that said the same of the same job, less than a day before `entry`."""
        said = self._said(entry)
        received_at, number = self.texts.get(said, (None, None)) if said is not None else (None, None)
        return number if received_at is not None and entry.received_at - received_at < SAME_TEXT_WITHIN else None

    def keep_text(self, entry: Entry) -> None:
        """`entry` has said it: what says the same from now on repeats it."""
        said = self._said(entry)
        if said is not None:
            self.texts[said] = (entry.received_at, entry.number)

    def _said(self, entry: Entry) -> tuple[int, str, Private] | None:
        reading = entry.reading
        if not isinstance(reading, Translated) or not isinstance(reading.command, AddNote):
            return None
        job = self.job_of(reading.refs)
        return None if job is None else (job, reading.source, reading.command.text)

    def renumber(self, destinations: Mapping[int, int]) -> None:
        """What jobs remember of destinations by a number that was expected they remember by the real one."""
        names = {str(expected): str(number) for expected, number in destinations.items()}
        for number, job in self.jobs.items():
            if names.keys() & job.last_sent.keys():
                sent = {names.get(name, name): version for name, version in job.last_sent.items()}
                self.jobs[number] = replace(job, last_sent=sent)

    def find_backlog(self, entry: Entry) -> Ref | None:
        """A reference that is known, and that earlier records still wait on: a new one waits behind them."""
        if not self.backlog or entry.kept is not None:
            return None
        return next((ref for ref in _refs(entry) if ref in self.backlog and self.number(ref) is not None), None)

    def hold_left(self, before: Turn | None = None) -> None:
        """Jobs are held that records are left for which came before: what is decided now waits behind these."""
        first = dict(self.left_jobs)
        for ref, number in self.jobs_left().items():
            first[number] = min(self.left[ref], first.get(number, self.left[ref]))
        for number, turn in first.items():
            job = self.jobs.get(number)
            if job is not None and job.held_by is None and (before is None or turn < before):
                self.jobs[number] = replace(job, held_by=turn[1])

    def jobs_left(self) -> dict[Ref, int]:
        """The references that records are left on and that are known by now, each with its job."""
        targets = {ref: self.targets[ref] for ref in self.left if ref.kind in _OF_A_JOB}
        jobs = {ref: one.number if ref.kind is Kind.JOB else one.job for ref, one in targets.items()}
        return {ref: job for ref, job in jobs.items() if job is not None and job in self.jobs}


def _refs(entry: Entry) -> Iterator[Ref]:
    return (pointer for pointer in pointers(entry) if isinstance(pointer, Ref))


def waits_for(entry: Entry) -> Ref | None:
    """The reference that a parked entry waits for; None for one that waits behind a held job."""
    if isinstance(entry.outcome, Parked):
        return entry.outcome.ref
    return entry.kept.waits_for if entry.kept is not None else None


async def load(
    connection: Transaction, entries: Collection[Entry], doors: Doors, directory: Directory, waking: Waking
) -> Known:
    """Loads and locks what `entries` are about, and the parked records that they may wake.

    Locks are taken in one order everywhere: held jobs that are released, references (sorted), jobs (sorted), users.
    """
    ready = waking.ready
    known = Known(released=ready.refs)
    held = {entry.kept.job for entry in entries if entry.kept and entry.kept.job and entry.kept.waits_text}
    # Before looking for what waits behind them: whoever parks there holds the job's lock until its row can be seen.
    locked = await aggregates.lock_jobs(connection, held | ready.jobs.keys())
    free = {number for number, job in locked.items() if number not in held and job.held_by == ready.jobs[number]}
    waking = replace(waking, ready=Ready(ready.refs, dict.fromkeys(held | free)))
    found = await _load_references(connection, known, list(entries), doors, directory, waking)
    readings = [(entry, entry.reading) for entry in found if isinstance(entry.reading, Translated)]
    await _load_jobs(connection, known, found, [reading for _, reading in readings])
    await _load_texts(connection, known, readings)
    known.jobs |= {number: replace(job, held_by=None) for number, job in known.jobs.items() if number in free}
    await _load_parties(connection, known, [reading for _, reading in readings])
    return known


async def _load_references(
    connection: Transaction, known: Known, entries: list[Entry], doors: Doors, directory: Directory, waking: Waking
) -> list[Entry]:
    """Resolves references, round by round while parked records join in: they point at things of their own."""
    found, fresh = list(entries), list(entries)
    ready, held = set(waking.ready.refs), set(waking.ready.jobs)
    seen = {entry.number for entry in entries}
    while fresh or ready or held:
        refs = {ref for entry in fresh for ref in _refs(entry)}
        refs |= {ref for entry in fresh for ref in routes(entry, directory)} | ready
        refs -= known.targets.keys() | known.absent
        targets = await references.find_targets(connection, refs)
        known.targets |= targets
        known.absent |= refs - targets.keys()
        waited_on = {ref for ref, target in targets.items() if target.waiting}
        awaited = {ref for ref in waited_on if known.number(ref) is None} | ready
        known.backlog |= waited_on - awaited
        limit = waking.at_most - len(known.parked)
        rows = await waiting.find_waiting(connection, awaited, held, limit)
        fresh = [entry_of(row, doors, directory) for row in rows if row.number not in seen]
        if waking.refusal is not None:
            set_aside(fresh, waking.refusal)
        seen |= {entry.number for entry in fresh}
        known.parked |= {entry.number: entry for entry in fresh}
        found += fresh
        if len(rows) >= limit and (awaited or held):
            left = await waiting.find_left(connection, awaited, held, seen)
            known.left |= left.refs
            known.left_jobs |= left.jobs
            known.backlog |= {ref for ref in left.refs if ref.kind not in _OF_A_JOB}
        ready, held = set(), set()
    return found


async def _load_jobs(
    connection: Transaction, known: Known, found: Iterable[Entry], readings: Collection[Translated]
) -> None:
    numbers = {entry.kept.job for entry in found if entry.kept and entry.kept.job}
    note_numbers = {number for one in readings if (number := known.number(one.refs.note)) is not None}
    known.notes = await notes.load_notes(connection, note_numbers)
    if any(isinstance(one.command, SetNoteVisibility) for one in readings):
        known.published_to = await notes.find_published_to(connection, known.notes.values())
    bare = set()
    for reading in readings:
        job = known.job_of(reading.refs)
        if job is not None:
            numbers.add(job)
        elif isinstance(reading.refs.appointment, int):
            bare.add(reading.refs.appointment)
    if bare:
        known.jobs_of_visits = await aggregates.find_jobs_of_appointments(connection, bare)
        numbers |= set(known.jobs_of_visits.values())
    known.before = await aggregates.lock_jobs(connection, numbers)
    await _follow_replaced(connection, known)
    known.jobs = dict(known.before)
    known.jobs_of_visits |= {visit.number: job.number for job in known.jobs.values() for visit in job.visits}


async def _load_texts(connection: Transaction, known: Known, readings: Collection[tuple[Entry, Translated]]) -> None:
    told = [(entry, known.job_of(reading.refs)) for entry, reading in readings if reading.repeat_by_text]
    if told:
        first = min(entry.received_at for entry, _ in told)
        jobs = {job for _, job in told if job is not None}
        known.texts = await notes.find_texts(connection, jobs, first - SAME_TEXT_WITHIN)


async def _follow_replaced(connection: Transaction, known: Known) -> None:
    """An external id that was given to a new job while its old one's lock was waited for means the new one."""
    replaced = {number for number, job in known.before.items() if job.replaced_by is not None}
    stale = {ref for ref, target in known.targets.items() if ref.kind is Kind.JOB and target.number in replaced}
    if not stale:
        return
    known.targets |= await references.find_targets(connection, stale)
    present = {number for ref in stale if (number := known.targets[ref].number) is not None}
    known.before |= await aggregates.lock_jobs(connection, present - known.before.keys())


async def _load_parties(connection: Transaction, known: Known, readings: list[Translated]) -> None:
    organizations = {job.organization for job in known.jobs.values()}
    users, customers, whole, changing = set(), set(), set(), set()
    # A put or a position writes a user's whole row; who is given a visit must not be deactivated meanwhile.
    changes = any(isinstance(reading.command, USER_COMMANDS) for reading in readings)
    assigns = any(one.refs.technician is not None or isinstance(one.command, RestoreJob) for one in readings)
    for reading in readings:
        refs = reading.refs
        named = {known.number(organization_pointer(reading))}
        if reading.side is Side.PROVIDER:
            named.add(known.number(sender_pointer(reading)))
        organizations |= {number for number in named if number is not None}
        named |= {known.number(organization_named(reading))}
        if isinstance(reading.command, _ABOUT_ALL_USERS):
            whole |= {number for number in named if number is not None}
        if isinstance(reading.command, PutOrganization):
            changing |= {number for number in named if number is not None}
        users |= {
            number
            for each in (refs.user, refs.technician, reading.credential)
            if (number := known.number(each)) is not None
        }
        customer = known.number(refs.customer)
        customers |= {customer} if customer is not None else set()
    organizations |= {known.number(ref) or 0 for ref in known.targets if ref.kind is Kind.ORGANIZATION} - {0}
    users |= {visit.technician for job in known.jobs.values() for visit in job.visits if visit.technician is not None}
    known.organizations = await aggregates.load_organizations(connection, organizations, changing)
    known.users = await aggregates.load_users(connection, users, whole, lock=changes, keep=assigns)
    known.customers = await aggregates.load_customers(connection, customers)


async def save(writes: Writes, known: Known, settled: Iterable[Entry], now: datetime) -> None:
    """Plans to write what changed: jobs with their visits, parties, notes, what references stand for or are awaited."""
    jobs = [job for number, job in known.jobs.items() if job is not known.before.get(number)]
    aggregates.save_jobs(writes, known.before, jobs, now)
    changed = known.changed.values()
    aggregates.save_organizations(writes, [one for one in changed if isinstance(one, Organization)])
    aggregates.save_users(writes, [one for one in changed if isinstance(one, User)])
    aggregates.save_customers(writes, [one for one in changed if isinstance(one, Customer)])
    notes.save_notes(writes, [one for one in changed if isinstance(one, Note)])
    moved = known.jobs_left()
    await waiting.leave_behind(writes.connection, moved)
    known_now = {ref: known.targets[ref] for ref in known.released} | known.retargeted
    left = known.left.keys() - moved.keys()
    targets = {ref: replace(target, waiting=ref in left) for ref, target in known_now.items()}
    for entry in settled:
        ref = entry.outcome.ref if isinstance(entry.outcome, Parked) else None
        if ref is not None:
            held = targets.get(ref) or known.targets.get(ref) or Target(None)
            targets[ref] = Target(held.number, held.job, waiting=True)
    references.save_targets(writes, targets, known.absent)
