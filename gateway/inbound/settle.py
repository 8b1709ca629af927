"""Settles the records of one transaction, one after the other: repeat? · who? · what about? · decide · what follows.

Works on a loaded `Known` and only in memory; nothing here awaits. Every entry ends with an outcome of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.clocks import read_clock
from gateway.core.commands import CreateJob, PutOrganization, Refs, Request, SubmitOffer
from gateway.core.decide import decide
from gateway.core.ids import Kind, Ref, canonical_id
from gateway.core.notes import Note
from gateway.core.outcomes import Applied, Ignored, Outcome, Parked, Quarantined, Refused, Unmapped, Why
from gateway.core.parties import Actor, Customer, Organization, Side, User
from gateway.core.permissions import is_theirs
from gateway.core.values import dataclass, replace
from gateway.inbound import words
from gateway.inbound.entry import log_bug
from gateway.inbound.facts import facts_for
from gateway.inbound.folding import find_folded, folded, is_undecided
from gateway.inbound.known import Known, waits_for
from gateway.inbound.names import refuse_brand, takes_an_accounts_name
from gateway.inbound.pointing import USER_COMMANDS, find_brand, organization_named, organization_pointer, route
from gateway.inbound.receipts import find_receipt
from gateway.inbound.senders import find_actor
from gateway.inbound.translated import Translated
from gateway.store.inbox import Seen
from gateway.store.numbers import NumbersExhausted
from gateway.store.references import Target

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.core.commands import Command
    from gateway.core.job import Job
    from gateway.inbound.directory import Directory
    from gateway.inbound.entry import Entry
    from gateway.inbound.folding import Companions
    from gateway.inbound.recipients import Appending

_NAMES_ORGANIZATION = (SubmitOffer, CreateJob, PutOrganization, *USER_COMMANDS)


@dataclass(slots=True)
class Settlement:
    """The invariant: after each `settle`, `known`, `held_ids` and `appending` agree with every outcome so far."""

    known: Known
    held_ids: dict[tuple[str, str], Seen]
    directory: Directory
    appending: Appending
    now: datetime
    companions: Companions
    bugs: int = 0

    def settle(self, entry: Entry) -> list[Entry]:
        """Gives `entry` its outcome; returns it and every parked entry that was decided because of it.

        What wakes at the same time, or because of one another, is decided in the order received.
        """
        return self._settle_all([entry])

    def wake(self) -> list[Entry]:
        """Decides the parked entries that wait for nothing any more, and what these wake."""
        return self._settle_all(sorted(self._find_woken(), key=_received))

    def _settle_all(self, due: list[Entry]) -> list[Entry]:
        settled = []
        while due:
            one = due.pop(0)
            if not is_undecided(one, self.known):
                continue
            if self.known.left or self.known.left_jobs:
                self.known.hold_left(before=_received(one))
            pair = find_folded(one, self.companions, self.known)
            if pair is None or self._find_repeat(pair[1]) is not None:
                self._settle_guarded(one)
                settled.append(one)
            else:
                self._settle_as_one(*pair)
                settled += pair
            self.appending.expect(one)
            woken = self._find_woken()
            if woken:
                due = sorted((*due, *woken), key=_received)
        return settled

    def _settle_guarded(self, entry: Entry) -> None:
        mark = self.appending.mark()
        try:
            self._settle(entry)
            self._check_waits(entry)
        except NumbersExhausted:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            # A bug in translation or decision takes one record aside, not the batch.
            log_bug(entry.number, error)
            self.appending.rewind(mark)
            entry.outcome = Quarantined(why=Why.BUG, detail="the gateway failed on this record")
        if isinstance(entry.outcome, Quarantined) and entry.outcome.why is Why.BUG:
            self.bugs += 1
        self._conclude(entry)

    def _conclude(self, entry: Entry) -> None:
        """What follows from an outcome besides what it did to its job."""
        outcome = entry.outcome
        if isinstance(outcome, Parked):
            self.known.parked[entry.number] = entry
        if isinstance(outcome, Refused | Quarantined):
            self._hold_no_longer(entry)
        self._hold_id(entry)
        receipt = find_receipt(entry, self.appending.directory)
        if receipt is not None:
            self.appending.add_receipt(entry, *receipt)

    def _settle_as_one(self, accept: Entry, appointment: Entry) -> None:
        """Both end alike, by the one decision; where there turns out to be nothing to accept, each by its own."""
        plain, accept.reading = accept.reading, folded(accept, appointment)
        self._settle_guarded(accept)
        accept.reading = plain
        outcome = accept.outcome
        if not isinstance(outcome, Applied | Refused | Parked):
            self._settle_guarded(appointment)
            return
        appointment.outcome = Applied() if isinstance(outcome, Applied) else outcome
        appointment.job, appointment.brand = accept.job, accept.brand
        self._conclude(appointment)

    def _settle(self, entry: Entry) -> None:
        reading = entry.reading
        if not isinstance(reading, Translated):
            entry.outcome = reading
            return
        repeat = self._find_repeat(entry)
        if repeat is not None:
            entry.outcome = repeat
            return
        behind = self.known.find_backlog(entry)
        if behind is not None:
            entry.outcome = Parked(ref=behind)
            return
        # Told even of what waits for somebody else: a parked answer holds up its offer's expiry.
        entry.job = self.known.job_of(reading.refs)
        job = self.known.jobs.get(entry.job) if entry.job is not None else None
        entry.brand = job.brand if job is not None else entry.raw.brand
        actor = find_actor(reading, self.known, self.directory)
        if not isinstance(actor, Actor):
            entry.outcome = actor
            self._hide_job(entry)
            return
        if job is not None and entry.raw.brand not in {None, job.brand}:
            entry.brand = entry.raw.brand
            entry.outcome = Refused(why=Why.NOT_YOUR_JOB, member="subject", detail="the key is for another brand")
            return
        self._decide(entry, reading, actor, job)
        if job is not None and not is_theirs(job, actor, reading.command):
            self._hide_job(entry)

    @staticmethod
    def _hide_job(entry: Entry) -> None:
        """The record stays its key's. Who is refused for what it is, and not for whose the job is, learns of none."""
        entry.brand = entry.raw.brand
        if isinstance(entry.outcome, Refused) and entry.outcome.why is not Why.NOT_YOUR_JOB:
            entry.job = None

    def _check_waits(self, entry: Entry) -> None:
        if isinstance(entry.outcome, Parked) and self._is_due(entry):
            raise LookupError(f"record {entry.number} would wait for what is there")

    def _hold_no_longer(self, entry: Entry) -> None:
        """A job is not held by a record that turned out to be nothing."""
        job = self.known.jobs.get(entry.kept.job) if entry.kept is not None and entry.kept.job is not None else None
        if job is not None and job.held_by == entry.number:
            self.known.jobs[job.number] = replace(job, held_by=None)

    def _find_repeat(self, entry: Entry) -> Outcome | None:
        """Told by its message id: the same content again, or other content under an id that is taken.

        Or by its text, where it is a note without one.
        """
        if isinstance(entry.reading, Translated) and entry.reading.repeat_by_text:
            entry.first = self.known.find_same_text(entry)
            return Ignored(why=Why.REPEAT) if entry.first is not None else None
        if entry.message_id is None or entry.source is None or (entry.kept is not None and entry.kept.holds_id):
            return None
        seen = self.held_ids.get((entry.source, entry.message_id))
        if seen is None or seen.number == entry.number:
            return None
        entry.first = seen.number
        if seen.digest == entry.digest:
            return Ignored(why=Why.REPEAT)
        return Quarantined(why=Why.MESSAGE_CONFLICT, member="id", detail=f"{canonical_id(Kind.RECORD, seen.number)}")

    def _bind(self, reading: Translated, made: Organization | None) -> Refs:
        """Numbers in the place of references that are known; what is not stays a reference, for the core to judge."""
        refs = reading.refs
        return Refs(
            job=self._resolved(refs.job),
            # What would be made under an id that is taken is a word about the visit that has it.
            appointment=self._resolved(refs.appointment) or self.known.number(reading.new_visit),
            organization=made.number if made is not None else self._matched(reading),
            technician=self._resolved(refs.technician),
            user=self._resolved(refs.user),
            customer=self._resolved(refs.customer),
            note=self._resolved(refs.note),
        )

    def _resolved(self, pointer: Ref | int | None) -> Ref | int | None:
        if not isinstance(pointer, Ref):
            return pointer
        number = self.known.number(pointer)
        return pointer if number is None else number

    def _matched(self, reading: Translated) -> Ref | int | None:
        """The organization that is meant: by its id, or by what is said of it, else by the handle it is to have."""
        pointer = self._resolved(organization_pointer(reading))
        if not isinstance(pointer, Ref):
            return pointer
        numbers = map(self.known.number, (organization_named(reading), *reading.organization_names))
        return next((number for number in numbers if number is not None), pointer)

    def _new_organization(self, entry: Entry, reading: Translated) -> Organization | None:
        """The one that an offer brings with it and nobody knows: matched by id or by its members, else made."""
        members = reading.organization_members
        if members is None or not isinstance(self._matched(reading), Ref):
            return None
        handle = canonical_id(Kind.ORGANIZATION, entry.number)
        return Organization(number=entry.number, handle=handle, members=dict(members))

    def _decide(self, entry: Entry, reading: Translated, actor: Actor, job: Job | None) -> None:
        made = self._new_organization(entry, reading)
        command, refs = reading.command, self._bind(reading, made)
        if reading.word is not None:
            # What a word means tells how the job stands.
            if job is not None and not is_theirs(job, actor, command):
                entry.outcome = Refused(why=Why.NOT_YOUR_JOB, member="subject")
                return
            meant = words.settle(reading, job, refs)
            if not isinstance(meant, Translated):
                entry.outcome = meant
                return
            command, refs = meant.command, meant.refs
        if isinstance(command, SubmitOffer | CreateJob) and job is None:
            brand = find_brand(reading, self.directory)
            refusal = refuse_brand(brand, reading, actor, self.directory, entry.raw.brand)
            if refusal is not None:
                entry.outcome = refusal
                return
            if command.brand != brand:
                command = replace(command, brand=brand)
        if self.known.names_anothers_visit(command, reading.new_visit, job):
            entry.outcome = Refused(why=Why.ALREADY_EXISTS, member="data.appointment.id")
            return
        occurred_at, clock_ahead = read_clock(reading.occurred_at, entry.raw.arrival)
        request = Request(
            number=entry.number,
            actor=actor,
            # Its repeats have been told above: the core is to look for none.
            message_id=canonical_id(Kind.RECORD, entry.number) if reading.repeat_by_text else reading.message_id,
            digest=reading.digest,
            occurred_at=occurred_at,
            arrived_at=entry.raw.arrival,
            command=command,
            refs=refs,
            clock_ahead=clock_ahead,
        )
        organization = made or self._organization(reading, command, actor, refs, job)
        if organization is None and takes_an_accounts_name(reading, self.directory):
            entry.outcome = Refused(why=Why.ALREADY_EXISTS, member="data.handle", detail="the name is another's")
            return
        facts = facts_for(self.known, self.directory, self.now, command, refs, job=job, organization=organization)
        entry.outcome = decide(job, request, facts)
        self._apply(entry, reading, entry.outcome, organization)

    def _organization(
        self, reading: Translated, command: Command, actor: Actor, refs: Refs, job: Job | None
    ) -> Organization | None:
        """The one named where the command may name one; else the job's, the one routed to, or the sender's own."""
        number = refs.organization if isinstance(command, _NAMES_ORGANIZATION) else None
        if number is None and job is not None:
            number = job.organization
        if number is None:
            number = self._resolved(route(reading, self.directory)) or actor.organization
        return self.known.organizations.get(number) if isinstance(number, int) else None

    def _apply(self, entry: Entry, reading: Translated, outcome: Outcome, organization: Organization | None) -> None:
        if isinstance(outcome, Parked | Quarantined):
            return
        if isinstance(outcome, Unmapped | Refused):
            if outcome.job is not None:
                self._keep_job(entry, outcome.job)
            return
        job = outcome.job
        if job is None and outcome.events and entry.job is not None:
            job = self.known.jobs[entry.job]
        if job is not None:
            # First what may fail: until then nothing has changed, and a bug leaves nothing half done.
            owner = self.known.organizations.get(job.organization) or organization
            if owner is None:
                raise LookupError(f"organization {job.organization} of job {job.number} is not loaded")
            job = self.appending.add(job, outcome.events, owner, entry.number)
        if isinstance(outcome, Applied):
            self._keep_parties(reading, outcome, organization)
            if outcome.replaced is not None:
                self.known.jobs[outcome.replaced.number] = outcome.replaced
        if job is not None:
            self._keep_job(entry, job)
            self._name(entry, reading, job)

    def _keep_job(self, entry: Entry, job: Job) -> None:
        entry.job, entry.brand = job.number, job.brand
        self.known.jobs[job.number] = job

    def _name(self, entry: Entry, reading: Translated, job: Job) -> None:
        """What the record created is known by its sender's ids from now on."""
        if job.number == entry.number and job.external_id is not None:
            # The job's own source, and its id even where an older job of that id was named by number. A booking's id
            # is its page's, though on a brand's page the job is the enterprise's, who may have a job of that id.
            source = reading.source if reading.side is Side.BOOKING_PAGE else job.source
            self.known.retarget(Ref(Kind.JOB, source, job.external_id), Target(job.number))
        if job.find_visit(entry.number) is not None:
            self.known.jobs_of_visits[entry.number] = job.number
            if reading.new_visit is not None:
                self.known.retarget(reading.new_visit, Target(entry.number, job.number))
        self.known.keep_text(entry)
        if reading.new_note is not None and entry.number in self.known.notes:
            self.known.retarget(reading.new_note, Target(entry.number, job.number))

    def _keep_parties(self, reading: Translated, outcome: Applied, organization: Organization | None) -> None:
        if organization is not None and organization.number not in self.known.organizations:
            self._create(reading, organization)
        elif organization is not None and reading.organization_members is not None:
            self._name_organization(reading, organization.number)
        for saved in outcome.saved:
            self._save(reading, saved)

    def _save(self, reading: Translated, saved: Organization | User | Customer | Note) -> None:
        known, refs = self.known, reading.refs
        match saved:
            case Organization():
                if saved.number not in known.organizations:
                    self._create(reading, saved)
                else:
                    self._name_organization(reading, saved.number)
                known.organizations[saved.number] = saved
            case User():
                is_new = saved.number not in known.users
                known.users[saved.number] = saved
                if is_new and isinstance(refs.technician, Ref):
                    known.retarget(refs.technician, Target(saved.number))
            case Customer():
                known.customers[saved.number] = saved
                if isinstance(refs.customer, Ref) and known.number(refs.customer) is None:
                    known.retarget(refs.customer, Target(saved.number))
            case Note():
                known.notes[saved.number] = saved
        known.changed[type(saved), saved.number] = saved

    def _create(self, reading: Translated, made: Organization) -> None:
        self.known.organizations[made.number] = made
        self.known.changed[Organization, made.number] = made
        self._name_organization(reading, made.number)
        # Its handle is the name that its topics bind records to.
        self.known.retarget(Ref(Kind.ORGANIZATION, "", made.handle), Target(made.number))

    def _name_organization(self, reading: Translated, number: int) -> None:
        """What its sender calls it, and has not called another, means it from now on."""
        for ref in (organization_pointer(reading), *reading.organization_names):
            if isinstance(ref, Ref) and self.known.number(ref) is None:
                self.known.retarget(ref, Target(number))

    def _find_woken(self) -> list[Entry]:
        """Parked entries whose reference is known now, or whose job is no longer held."""
        parked = self.known.parked
        due = [number for number, entry in parked.items() if self._is_due(entry)] if parked else ()
        return [parked.pop(number) for number in due]

    def _is_due(self, entry: Entry) -> bool:
        ref = waits_for(entry)
        if ref is not None:
            return self.known.number(ref) is not None and (entry.was_parked or ref not in self.known.backlog)
        number = entry.job if entry.kept is None or entry.job is not None else entry.kept.job
        job = self.known.jobs.get(number) if number is not None else None
        return job is not None and job.held_by is None

    def _hold_id(self, entry: Entry) -> None:
        if entry.source is None or entry.message_id is None:
            return
        key = (entry.source, entry.message_id)
        if entry.holds_id:
            self.held_ids.setdefault(key, Seen(entry.number, entry.digest))
        elif key in self.held_ids and self.held_ids[key].number == entry.number:
            # It waited, and was refused: sent again it is decided anew.
            del self.held_ids[key]


def _received(entry: Entry) -> tuple[datetime, int]:
    return entry.received_at, entry.number
