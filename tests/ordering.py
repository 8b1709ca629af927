"""A world in which everything that delivers may go wrong, and what must be true of its order all the same.

Relays claim, send in part, lose answers, die, and are stopped in the middle of a send; leases end, operators step in.
"""

import asyncio
import itertools
from collections import defaultdict
from dataclasses import dataclass, field

import orjson
from sqlalchemy import select

from gateway.core.events import NoteRevision
from gateway.core.reasons import Reason, ReasonLists
from gateway.core.waits import Telling
from gateway.outbound.outcome import Delivered, Fault, Rejected, Retryable
from gateway.outbound.relay import Relay, Terms, Work
from gateway.store import tables
from gateway.store.bulk import Writes
from gateway.store.claims import Claim
from gateway.store.database import Database
from gateway.store.deliveries import Operator, reopen, skip
from gateway.store.handing_over import Handing, claim_fresh
from gateway.store.ledger import read_ledger
from gateway.store.outbox import append
from gateway.store.releasing import InForce, find_mapped, release_page
from gateway.store.standings import lock_free
from tests.outbound import LEASE, Outbox, render_plainly

KIM = Operator(author="kim", reason="asked by the brand")
# What each word makes of a visit: the event, from which statuses, to which.
VISITS = {
    "on my way": ("appointment.en_route", ("scheduled", "paused"), "en_route"),
    "undo": ("appointment.changed", ("en_route",), "scheduled"),
    "start": ("appointment.started", ("scheduled", "en_route", "paused"), "started"),
    "pause": ("appointment.paused", ("scheduled", "en_route", "started"), "paused"),
    "complete": ("appointment.completed", ("scheduled", "en_route", "started", "paused"), "complete"),
    "cancel": ("appointment.canceled", ("scheduled", "en_route", "started", "paused"), "canceled"),
    "add": ("appointment.scheduled", (None, "complete", "canceled"), "scheduled"),
}
# Reasons that the brand's profile does not know at first, by what is done for them.
UNKNOWN = {"decline for an odd reason": "Too odd", "decline for an even reason": "Too even"}
ALL_KNOWN = tuple(UNKNOWN.values())
DOINGS = (*VISITS, "publish", "retract", "amend", *UNKNOWN)
WHOLE_WAYS = [["add", "on my way", "start", last] for last in ("complete", "pause", "cancel", "undo")]
ANSWERS = (*["accepts"] * 6, "loses", "busy", "refuses", "away", "dies", "accepts, dies", "stops")


class ProcessEndedError(BaseException):
    """As if the process had been killed: nothing after it runs."""


@dataclass(frozen=True)
class Arrival:
    """A document as the partner got it. `late`: of a send that was stopped before it was written."""

    place: tuple[int, int]
    version: int
    previous: int | None
    late: bool


class Partner:
    """One relay's way to all destinations. `answers` are used up in turn; then everything is accepted."""

    kind = "recording"
    timeout = 10.0

    def __init__(self, arrived):
        self.arrived = arrived
        self.answers = []
        self.stopped = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def publish(self, batch):
        return [await self._send(one) for one in batch]

    async def _send(self, one):
        answer = self.answers.pop(0) if self.answers else "accepts"
        if answer == "stops":
            self.stopped.set()
            await self.goes_on.wait()
        if answer in {"accepts", "loses", "accepts, dies", "stops"}:
            previous = one.document.body.decode().split(":")[1]
            told = None if previous == "None" else int(previous)
            place = one.destination.number, one.delivery.lane
            self.arrived.append(Arrival(place, one.delivery.event.jobversion, told, late=answer == "stops"))
        if answer in {"dies", "accepts, dies"}:
            raise ProcessEndedError
        return {
            "loses": Retryable(Fault.TIMEOUT),
            "busy": Retryable(Fault.BUSY),
            "refuses": Rejected(Fault.REFUSED),
            "away": Retryable(Fault.TRANSPORT_AWAY),
        }.get(answer, Delivered())

    async def close(self):
        pass


@dataclass
class Worker:
    """One relay, with what it has claimed and is sending."""

    relay: Relay
    partner: Partner
    work: Work | None = None
    sending: asyncio.Task | None = None

    def drop(self):
        self.work = self.sending = None
        self.partner.answers = []


@dataclass
class Taker:
    """As a relay beside whoever appends: takes all that is handed over."""

    claim: Claim | None = None

    def takes_more(self, _destination):
        return True

    async def claim_fresh(self, connection, fresh, _committed):
        standings = await lock_free(connection, {one.delivery.destination for one in fresh})
        now = max(one.event.recorded_at for one in fresh)
        rooms = {one.number: 500 for one in standings}
        self.claim = await claim_fresh(connection, fresh, standings, rooms, now=now, until=now + LEASE)
        return len(self.claim.lanes)


@dataclass
class Told:
    """What the events said, by number: enough to judge what overtook what."""

    kind: str
    visit: str | None
    after: str | None


@dataclass
class World:
    database: Database
    outbox: Outbox
    destinations: tuple
    workers: list[Worker] = field(default_factory=list)
    arrived: list[Arrival] = field(default_factory=list)
    seen: dict = field(default_factory=lambda: defaultdict(list))
    judged: int = 0
    monotonic: float = 0.0
    visits: dict = field(default_factory=dict)
    notes: dict = field(default_factory=dict)
    told: dict[int, Told] = field(default_factory=dict)
    covered: set[int] = field(default_factory=set)
    superseded: set[int] = field(default_factory=set)
    is_anything_owed: bool = False
    visit_numbers: itertools.count = field(default_factory=itertools.count)

    @classmethod
    async def begin(cls, url):
        database = Database(url)
        outbox = Outbox(database)
        destinations = [
            await outbox.add_destination(f"feed.{number}", strict=strict, superseding=superseding)
            for number, (strict, superseding) in enumerate(itertools.product((True, False), repeat=2))
        ]
        world = cls(database, outbox, tuple(destinations))
        for lanes in (1, 3, 500):
            partner = Partner(world.arrived)
            terms = Terms(lease=LEASE, lanes=lanes)
            relay = Relay(
                database, partner, render_plainly, terms=terms, jitter=lambda: 0.0, monotonic=lambda: world.monotonic
            )
            world.workers.append(Worker(relay, partner))
        return world

    async def end(self):
        for worker in self.workers:
            await self.kill(worker)
        await self.database.close()

    async def happen(self, job, visit, doings, to, beside=None):
        """Appends one event for each of `doings` that may be, in one transaction; for the destinations `to`.

        `beside`: the worker of the same process, which takes over what it may.
        """
        events, deliveries = [], []
        for doing in doings:
            kind, about = self._event(job, visit, doing)
            wanted = self.destinations if kind.startswith("note.") else [self.destinations[n] for n in sorted(to)]
            text = about.get("reason", {}).get("text")
            held = {"state": "held", "waits_kind": "decline", "waits_text": text} if text else {}
            body = orjson.dumps(about).decode()
            note = self.notes.get(job, (0, 0))[0]
            revision = NoteRevision(job, note) if kind.startswith("note.") else None
            event = self.outbox.event(job, kind=kind, recipients=len(wanted), note=revision, body=body)
            [moved] = about.get("appointments", [{}])
            self.told[event.number] = Told(kind, moved.get("id"), moved.get("status"))
            events.append(event)
            deliveries += [self.outbox.delivery(event, one, **held) for one in wanted]
        taker = Taker()
        handing = Handing({"recording": taker} if beside and beside.work is None else {})
        async with self.database.transaction() as connection:
            now = await self.database.now(connection)
            for event in events:
                event.recorded_at = now
            is_all = handing.choose(events, deliveries, {one.number: one for one in self.destinations})
            await append(Writes(connection), events, deliveries, now, wakes=not is_all)
            await handing.claim(connection)
        if taker.claim is not None:
            self._take(beside, Work(taker.claim, {}, self.monotonic))

    def _event(self, job, visit, doing):
        """What a doing makes happen: the kind of event, and what its body tells. What cannot be amends the job."""
        revision, is_public = self.notes.get(job, (0, False))
        if doing == "publish" or (doing == "retract" and is_public):
            self.notes[job] = revision + 1, doing == "publish"
            return ("note.published" if doing == "publish" else "note.retracted"), {}
        if doing in UNKNOWN:
            return "job.declined", {"reason": {"kind": "decline", "text": UNKNOWN[doing], "code": None}}
        kind, before, after = VISITS.get(doing, (None, (), None))
        name, status = self.visits.get((job, visit), (None, None))
        if status not in before:
            return "job.amended", {}
        name = f"apt-{next(self.visit_numbers)}" if doing == "add" else name
        self.visits[job, visit] = name, after
        moved = {"id": name, "previous_status": None if doing == "add" else status, "status": after}
        return kind, {"appointments": [moved]}

    async def claim(self, worker):
        if worker.work is not None:
            return
        self._take(worker, await worker.relay.claim())

    def _take(self, worker, work):
        mine = {one.number for lane in work.claim.lanes for one in lane.deliveries}
        for other in self.workers:
            if other.work is not None and not self._has_ended(other.work):
                theirs = {one.number for lane in other.work.claim.lanes for one in lane.deliveries}
                assert not mine & theirs, "claimed twice"
        self.covered |= mine
        if work.claim.lanes:
            worker.work = work

    async def deliver(self, worker, answers):
        """Sends what was claimed, until it is recorded, the relay dies, or it is stopped in the middle of a send."""
        if worker.work is None or worker.sending is not None:
            return
        worker.partner.answers = list(answers)
        worker.partner.stopped.clear()
        worker.partner.goes_on.clear()
        worker.sending = asyncio.create_task(worker.relay.deliver(worker.work))
        stopped = asyncio.create_task(worker.partner.stopped.wait())
        await asyncio.wait((worker.sending, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if worker.sending.done():
            self._ended(worker)

    async def go_on(self, worker):
        """A relay that was stopped writes what it was about to write, and goes on."""
        if worker.sending is None:
            return
        worker.partner.goes_on.set()
        await asyncio.wait((worker.sending,))
        self._ended(worker)

    async def kill(self, worker):
        if worker.sending is not None:
            worker.sending.cancel()
            await asyncio.wait((worker.sending,))
        worker.drop()

    def _ended(self, worker):
        error = worker.sending.exception()
        worker.drop()
        if error is not None and not isinstance(error, ProcessEndedError):
            raise error

    def _has_ended(self, work):
        return self.monotonic - work.begun >= LEASE.total_seconds()

    async def let_time_pass(self):
        """Until every lease has ended and every retry is due."""
        self.monotonic += 2 * LEASE.total_seconds()
        await self.outbox.end_leases()

    async def step_in(self, verb, states, which):
        """An operator does something to one of the deliveries in these states."""
        rows = [row for row in (await self.outbox.deliveries()).values() if row["state"] in states]
        if rows:
            async with self.database.transaction() as connection:
                now = await self.database.now(connection)
                await verb(connection, [rows[which % len(rows)]["number"]], KIM, now)

    async def release(self, texts=ALL_KNOWN, *, telling=Telling.TOLD, limit=500):
        """One page of what waits for reasons that the brand's profile knows by now."""
        # A list without any reason takes all.
        reasons = tuple(Reason(f"D-{one}", one) for one in ("Known before", *texts))
        profile = InForce("acme", ReasonLists((), decline=reasons), 2, lambda *_: telling)
        async with self.database.transaction() as connection:
            now, find_in_force = await self.database.now(connection), {"acme": profile}.get
            mapped = await find_mapped(connection, find_in_force)
            await release_page(connection, find_in_force, mapped, KIM, now, limit=limit)

    async def drain(self):
        """Everybody comes back to his senses: in the end nothing is owed."""
        for worker in self.workers:
            await self.kill(worker)
        worker = self.workers[-1]
        for _ in range(40):
            dead = sum(row["state"] == "dead" for row in (await self.outbox.deliveries()).values())
            await self.release()
            for each in range(dead):
                await self.step_in(reopen, ("dead",), each)
            await self.let_time_pass()
            await self.claim(worker)
            await self.deliver(worker, ())
            await self.judge()
            if not await self.outbox.lanes():
                return
        raise AssertionError(f"still owed: {await self.outbox.lanes()}")

    @property
    def is_anything_claimed(self):
        return any(worker.work is not None for worker in self.workers)

    async def judge(self):
        columns = (*tables.delivery.c, tables.event.c.jobversion)
        query = select(*columns).join(tables.event, tables.event.c.number == tables.delivery.c.event)
        async with self.database.snapshot() as connection:
            ledger = await read_ledger(connection)
            rows = {row["number"]: row for row in (await connection.execute(query)).mappings()}
        assert ledger.difference == 0, ledger
        self.is_anything_owed = any(row["state"] in {"pending", "held", "dead"} for row in rows.values())
        self._judge_superseded(rows)
        self._judge_arrivals(rows.values())

    def _judge_superseded(self, rows):
        """Only what no claim covered, by what says more of the same visit; notes by their retraction."""
        by_number = {one.number: one for one in self.destinations}
        for row in rows.values():
            if row["state"] != "superseded" or row["number"] in self.superseded:
                continue
            self.superseded.add(row["number"])
            by = rows[row["superseded_by"]]
            told, said = self.told[row["event"]], self.told[by["event"]]
            assert (row["destination"], row["lane"]) == (by["destination"], by["lane"])
            if row["reason"] == "retracted":
                assert {told.kind, said.kind} <= {"note.published", "note.retracted"}
                assert told.kind == "note.published" or row["number"] not in self.covered
                continue
            assert row["reason"] == "overtaken"
            assert by_number[row["destination"]].settings["superseding"]
            assert row["number"] not in self.covered, "it may have left"
            assert told.kind in {"appointment.en_route", "appointment.started"}, told
            assert told.visit == said.visit
            assert said.after in {"scheduled", "en_route", "started", "paused", "complete"}
            assert by["jobversion"] > row["jobversion"]

    def _judge_arrivals(self, rows):
        """First arrivals are in order, each naming what arrived before it, and what is missing between is marked."""
        relaxed = {one.number for one in self.destinations if not one.strict}
        emitted, gone = defaultdict(set), defaultdict(set)
        for row in rows:
            place = row["destination"], row["lane"]
            emitted[place].add(row["jobversion"])
            given_up = row["state"] == "dead" and row["destination"] in relaxed
            if given_up or row["state"] in {"superseded", "skipped"}:
                gone[place].add(row["jobversion"])
        for one in self.arrived[self.judged :]:
            seen = self.seen[one.place]
            if one.version in seen:
                continue
            if one.late and one.version in gone[one.place]:
                # It was given up while its write stood still: nobody can take back what is on its way.
                continue
            assert one.version > max(seen, default=0), f"{one} after {seen}"
            assert one.previous is None or one.previous in seen, f"{one} after {seen}"
            missing = {version for version in emitted[one.place] if (one.previous or 0) < version < one.version}
            assert missing <= gone[one.place], f"{one} after {seen}: {missing - gone[one.place]} is a gap"
            seen.append(one.version)
        self.judged = len(self.arrived)


OPERATORS_DO = {"skip": (skip, ("pending", "held", "dead")), "reopen": (reopen, ("dead",))}
