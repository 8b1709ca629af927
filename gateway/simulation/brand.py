"""A simulated brand with a webhook: it checks, counts and records what it gets, and answers as it is told to.

Besides the webhook, at any path: `GET /seen`, and from this machine `POST /control` with a behaviour.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import orjson

from gateway.simulation.answers import ELSEWHERE, accept, refuse, say
from gateway.simulation.arrivals import Arrivals, Place
from gateway.simulation.behaviour import ACCEPTS, Behaviour, Flaw, Way, read_behaviour
from gateway.simulation.letters import Letter, Trust, find_trust, read_letter
from gateway.simulation.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.simulation.certificates import Certificates
    from gateway.simulation.listener import Call

CONTROL, SEEN, HOOKS = "/control", "/seen", "/hooks"
OK = 200
_SMALL_BYTES = 4096
# fmt: off
_KNOWN_MEMBERS = frozenset({
    "specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype", "data",
    "jobversion", "jobprevious",
})
# fmt: on
_STRANGE_KINDS = frozenset({"note.retracted", "job.snapshot"})
_TRUSTED = frozenset({Trust.GOOD, Trust.UNCHECKED})


@dataclass(slots=True, kw_only=True)
class SimulatedBrand:
    """`secrets`: whose signatures hold; without any none is checked. `confirms`: answers say what was applied.

    What it has seen outlives `stop`, so that it can go down and come back. `record` gets each call as a line of JSON,
    `on_taken` the body of each that is taken.
    """

    secrets: tuple[str, ...] = ()
    confirms: bool = False
    behaviour: Behaviour = ACCEPTS
    flaws: frozenset[Flaw] = frozenset()
    certificates: Certificates | None = None
    record: IO[bytes] | None = None
    on_taken: Callable[[bytes], None] | None = None
    seed: int = 0
    clock: Callable[[], float] = time.time
    arrivals: Arrivals = field(default_factory=Arrivals)
    _listener: Listener = field(init=False)
    _chance: random.Random = field(init=False)
    _applied_twice: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._listener = Listener(self._answer)
        self._chance = random.Random(self.seed)  # noqa: S311 - which calls go wrong, the same in each run

    @property
    def url(self) -> str:
        """Where its webhook is on this machine."""
        return f"{'https' if self.certificates else 'http'}://localhost:{self._listener.port}{HOOKS}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Begins to listen; once stopped it comes back at the same port."""
        tls = None
        if self.certificates is not None:
            tls = self.certificates.context(lambda: self.behaviour.way is Way.WRONG_CERTIFICATE)
        await self._listener.start(host, port, tls)

    async def stop(self) -> None:
        """Cuts every connection and listens no more."""
        await self._listener.stop()

    async def _answer(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if call.path == SEEN:
            say(writer, OK, self.arrivals.summary())
            return True
        if call.path == CONTROL:
            self._control(call, writer)
            return True
        if call.path == ELSEWHERE:
            self.arrivals.note("redirects_followed", "a redirect was followed")
        return await self._receive(call, reader, writer)

    def _control(self, call: Call, writer: asyncio.StreamWriter) -> None:
        if not call.near:
            say(writer, 403, {"problem": "only from this machine"})
            return
        made = read_behaviour(call.body)
        if isinstance(made, str):
            say(writer, 400, {"problem": made})
            return
        self.behaviour = made
        say(writer, OK, {"behaviour": made.way})

    async def _receive(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        behaviour = self._next_behaviour()
        status, told = self._read(call, behaviour)
        if behaviour.after_ms:
            await asyncio.sleep(behaviour.after_ms / 1000)
        if behaviour.way is Way.HANG:
            # Until the other side has had enough.
            await reader.read()
            return False
        closes = Flaw.CLOSES_EACH_TIME in self.flaws
        headers = {"Connection": "close"} if closes else {}
        if status == OK and behaviour.takes:
            return await accept(writer, behaviour, told, headers) and not closes
        refuse(writer, status, behaviour, headers)
        return not closes

    def _next_behaviour(self) -> Behaviour:
        if self.behaviour.rate < 1 and self._chance.random() >= self.behaviour.rate:
            return self.behaviour.otherwise()
        return self.behaviour

    def _read(self, call: Call, behaviour: Behaviour) -> tuple[int, dict[str, Any]]:
        """Checks and counts a call; the status to answer with, and what to say with it."""
        self.arrivals.counts["received"] += 1
        letter, trust, place = read_letter(call.headers, call.body), self._find_trust(call), None
        if trust not in _TRUSTED:
            self.arrivals.distrust(trust, call.headers.get("webhook-id", ""))
        status = self._find_refusal(call, letter, trust) if behaviour.takes else behaviour.code
        told: dict[str, Any] = {}
        if letter is not None and behaviour.takes and status == OK:
            place = self.arrivals.take(letter)
            told = self._confirmed(letter, place)
            if self.on_taken is not None:
                self.on_taken(call.body)
            if place is Place.DUPLICATE and Flaw.REFUSES_REPEATS in self.flaws:
                status = 409
        self._write(call, letter, trust, place, status)
        return status, told

    def _find_trust(self, call: Call) -> Trust:
        headers, body, now = dict(call.headers), call.body, self.clock()
        if Flaw.READS_ONE_SIGNATURE in self.flaws:
            headers["webhook-signature"] = headers.get("webhook-signature", "").partition(" ")[0]
        if Flaw.IGNORES_AGE in self.flaws and headers.get("webhook-timestamp", "").isdecimal():
            now = float(headers["webhook-timestamp"])
        if Flaw.SIGNS_WHAT_IT_PARSED in self.flaws:
            body = orjson.dumps(orjson.loads(body))
        return find_trust(self.secrets, headers, body, now)

    def _find_refusal(self, call: Call, letter: Letter | None, trust: Trust) -> int:
        """The status by which the brand itself turns a call away; 200 where it takes it."""
        if trust not in _TRUSTED and Flaw.TRUSTS_ANYONE not in self.flaws:
            return 401
        if letter is None:
            return 422
        if Flaw.TAKES_SMALL_BODIES in self.flaws and len(call.body) > _SMALL_BYTES:
            return 413
        if Flaw.KNOWS_FEW_KINDS in self.flaws and letter.type in _STRANGE_KINDS:
            return 422
        if Flaw.REFUSES_UNKNOWN_MEMBERS in self.flaws and set(orjson.loads(call.body)) - _KNOWN_MEMBERS:
            return 422
        return OK

    def _confirmed(self, letter: Letter, place: Place) -> dict[str, Any]:
        """The application receipt: which version of the job stands now."""
        standing = self.arrivals.find_standing(letter.job)
        if standing is None or not self.confirms:
            return {}
        if Flaw.GOES_BACK in self.flaws:
            standing = letter.version or standing
        if Flaw.APPLIES_TWICE in self.flaws and place is Place.DUPLICATE:
            self._applied_twice += 1
        return {"applied": standing + self._applied_twice}

    def _write(self, call: Call, letter: Letter | None, trust: Trust, place: Place | None, status: int) -> None:
        if self.record is None:
            return
        line = {
            "at": self.clock(),
            "id": call.headers.get("webhook-id"),
            "type": letter.type if letter else None,
            "job": letter.job if letter else None,
            "version": letter.version if letter else None,
            "previous": letter.previous if letter else None,
            "trust": trust,
            "place": place,
            "answered": status,
            "headers": dict(call.headers),
            "body": call.body.decode(errors="backslashreplace"),
        }
        self.record.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
