"""What becomes, for a brand, of everything that it can be told: the coverage matrix of its profile.

Asked of the functions that decide it when it happens; nothing here judges by rules of its own.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from gateway.core.document import reason_body
from gateway.core.events import Change, EventType, VisitMoved, audiences
from gateway.core.job import Closure, JobStatus, VisitStatus
from gateway.core.values import dataclass, replace
from gateway.core.visibility import Audience
from gateway.mapping.codes import Code, Refusal, Standing, find_code, standing_of
from gateway.mapping.examples import examples
from gateway.mapping.happenings import COMPLETIONS, Happening, changes_of_status, happenings
from gateway.mapping.render import Unrenderable, WhyNot, render
from gateway.mapping.wanted import Wanted, WhyUnwanted, find_wait, wants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.core.events import Event
    from gateway.core.parties import Json
    from gateway.mapping.examples import Example
    from gateway.mapping.profile import Profile

_Likeness = tuple[EventType, Standing | None, str | None]

_NO_DESTINATION = "no_destination"
_NOT_ASKED = frozenset({WhyUnwanted.KIND_NOT_ASKED_FOR.value, WhyUnwanted.NOT_FOR_FEED.value, _NO_DESTINATION})


class Fate(StrEnum):
    """What becomes of a happening. Values are stable."""

    SENT = "sent"
    HELD = "held"
    REFUSED = "refused"
    NOT_ASKED_FOR = "not_asked_for"
    MISSING = "missing"


class Waits(StrEnum):
    """What is held: the action before it is decided, or what would tell the brand of it."""

    ACTION = "action"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Cell:
    """`code` is the brand's for the standing, where it is sent. `why` names a refusal, what waits, or what is missing.

    `told` are the destinations that get it; those of `told_of_changes` only when the job's status changes with it.
    """

    happening: Happening
    fate: Fate
    code: Code | None = None
    why: str = ""
    told: tuple[str, ...] = ()
    told_of_changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """One version of a profile: a cell for every combination of event, standing and reason, each once."""

    brand: str
    version: int
    cells: tuple[Cell, ...]

    @cached_property
    def counts(self) -> Mapping[Fate, int]:
        found = Counter(cell.fate for cell in self.cells)
        return {fate: found[fate] for fate in Fate}

    @property
    def holes(self) -> tuple[Cell, ...]:
        """What could be sent by nobody's decision: each is an error in the profile."""
        return tuple(cell for cell in self.cells if cell.fate is Fate.MISSING)


def cover(profile: Profile) -> Coverage:
    """The matrix of `profile`, which need not have passed its check. Destinations of test work are left out."""
    nearest: dict[_Likeness, Example] = {}
    for example in examples(profile):
        if Audience.ENTERPRISE in audiences(example.event):
            for likeness in _likenesses(_happening_of(example.event)):
                nearest.setdefault(likeness, example)
    cells = tuple(_cell(profile, each, nearest) for each in happenings(profile.reasons))
    return Coverage(profile.brand, profile.version, cells)


def _cell(profile: Profile, happening: Happening, nearest: Mapping[_Likeness, Example]) -> Cell:
    example = _as(happening, next(nearest[each] for each in _likenesses(happening) if each in nearest))
    waits = find_wait(profile, example.event, coded=False) is not None
    if waits and happening.type in COMPLETIONS:
        return Cell(happening, Fate.HELD, why=Waits.ACTION)
    always, on_change, whys = _asked(profile, happening, example.event)
    if not always and not on_change:
        refusals = [why for why in whys if why not in _NOT_ASKED]
        fate = Fate.REFUSED if refusals else Fate.NOT_ASKED_FOR
        return Cell(happening, fate, why=(refusals or whys)[0])
    if waits:
        return Cell(happening, Fate.HELD, why=Waits.DELIVERY, told=always, told_of_changes=on_change)
    made = render(profile, example.stored, audience=Audience.ENTERPRISE, note_text=example.note_text)
    if isinstance(made, Unrenderable):
        # Which standing has no code is in the cell.
        detail = "" if made.reason is WhyNot.NO_CODE_FOR_STATUS else made.detail
        return Cell(happening, Fate.MISSING, why=f"{made.reason} {detail}".rstrip())
    code = find_code(profile.codes, happening.standing)
    sent = None if isinstance(code, Refusal) else code
    return Cell(happening, Fate.SENT, code=sent, told=always, told_of_changes=on_change)


def _asked(
    profile: Profile, happening: Happening, event: Event
) -> tuple[tuple[str, ...], tuple[str, ...], Sequence[str]]:
    """Which destinations get it whatever it changes, which only with a change of status, and why the others do not."""
    always: list[str] = []
    on_change: list[str] = []
    whys: list[str] = []
    events = [
        replace(event, changes=(Change.STATUS,) if is_change else ()) for is_change in changes_of_status(happening)
    ]
    for destination in profile.destinations:
        if destination.sandbox:
            continue
        verdicts = [wants(profile, destination, each) for each in events]
        refused = [verdict.why for verdict in verdicts if not isinstance(verdict, Wanted)]
        if not refused:
            always.append(destination.name)
        elif len(refused) < len(verdicts):
            on_change.append(destination.name)
        else:
            whys += refused
    return tuple(always), tuple(on_change), whys or [_NO_DESTINATION]


def _happening_of(event: Event) -> Happening:
    return Happening(event.type, standing_of(event) or Standing(""), event.reason)


def _likenesses(happening: Happening) -> tuple[_Likeness, ...]:
    """What an example can have alike with it, the likest first; of each type there is an example."""
    text = happening.reason.text if happening.reason else None
    kind, standing = happening.type, happening.standing
    return (kind, standing, text), (kind, standing, None), (kind, None, text), (kind, None, None)


def _as(happening: Happening, example: Example) -> Example:
    """The example with the standing and the reason of `happening`."""
    standing, reason = happening.standing, happening.reason
    event, body = example.event, dict(example.stored.body)
    body |= {"status": standing.status, "closure": standing.closure}
    body.pop("reason", None)
    said: dict[str, Json] = {}
    if reason is not None:
        # As it is read back: no words of enumerations.
        said = {"reason": {name: value and str(value) for name, value in reason_body(reason).items()}}
    body |= said
    visits = event.visits
    if standing.visit is not None:
        moved = visits[0]
        visits = (VisitMoved(replace(moved.visit, status=VisitStatus(standing.visit), reason=reason), moved.previous),)
        told = body["appointments"]
        assert isinstance(told, list)
        assert isinstance(told[0], dict)
        first = {name: value for name, value in told[0].items() if name != "reason"}
        body["appointments"] = [{**first, "status": standing.visit, **said}]
    happened = replace(
        event,
        status=JobStatus(standing.status),
        closure=Closure(standing.closure) if standing.closure is not None else None,
        visits=visits,
        reason=reason,
    )
    return replace(example, event=happened, stored=replace(example.stored, body=body))
