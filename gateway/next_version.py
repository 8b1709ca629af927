"""The next version of a brand's profile, made from the one in force by one change: it maps one value more.

Planned from what is there, shown, and only then made: nothing is written by a plan.
"""

from __future__ import annotations

import asyncio
from difflib import unified_diff
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.brands import Imported, import_profile, load_versions
from gateway.core.document import stamp
from gateway.core.reasons import Ending, Reason, ReasonKind
from gateway.core.values import dataclass
from gateway.core.waits import WaitKind
from gateway.fitting import Beside, find_misfits
from gateway.in_force import LEAD, catch_up
from gateway.mapping.codes import PRODUCIBLE, find_code
from gateway.mapping.editing import CannotEdit, with_reason, with_status_code, with_text
from gateway.mapping.library import check_text
from gateway.store.clock import read_now
from gateway.store.held import list_held
from gateway.store.profiles import coming

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from gateway.brands import Versions
    from gateway.mapping.problems import Problem
    from gateway.mapping.profile import Profile
    from gateway.store.database import Database, Transaction
    from gateway.store.deliveries import Operator
    from gateway.store.held import HeldValue

# Of one brand, what nobody has mapped; an operator with more of them has other sorrows.
MOST_VALUES = 10_000
_STANDINGS = {str(standing): standing for standing in PRODUCIBLE}


class WhyNot(StrEnum):
    """Why there is no plan. Values are stable."""

    NOT_IN_FORCE = "not_in_force"
    # It waits in several lists, or the standing is none: the operator has to say more.
    UNCLEAR = "unclear"
    MAPPED_ALREADY = "mapped_already"
    CANNOT_EDIT = "cannot_edit"
    # The version would not pass its check, or not fit what is there: `problems` say why.
    UNFIT = "unfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an operator wants `brand` to map: `value` as `code`.

    `kind` is the list, or the status table; None: the list where it waits. With `label` or `outcome` the code is a new
    reason.
    """

    brand: str
    value: str
    code: str
    kind: WaitKind | None = None
    label: str | None = None
    outcome: Ending | None = None


@dataclass(frozen=True, slots=True)
class Unplanned:
    """`told` says it to a person."""

    why: WhyNot
    told: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The version that would be made, as a profile and as `text`; `waiting` is what waits for it.

    `changed` is the difference of the texts, and `warnings` what else somebody should know first.
    """

    wish: Wish
    kind: WaitKind
    before: Profile
    after: Profile
    text: str
    changed: str
    waiting: tuple[HeldValue, ...]
    warnings: tuple[str, ...] = ()


async def plan(connection: Transaction, wish: Wish) -> Plan | Unplanned:
    """What `wish` would make of the version in force, in the caller's snapshot."""
    versions, now = await load_versions(connection), await read_now(connection)
    library = versions.at(now)
    before = library.find(wish.brand)
    if before is None:
        return Unplanned(WhyNot.NOT_IN_FORCE, f"{wish.brand} has no version in force")
    held = await list_held(connection, brand=wish.brand, limit=MOST_VALUES)
    kind = _kind_of(wish, held)
    if isinstance(kind, Unplanned):
        return kind
    number = max(version for brand, version in library.kept if brand == wish.brand) + 1
    text = library.kept[wish.brand, before.version].text
    edited = _edit(text, wish, kind, before, number)
    if isinstance(edited, Unplanned):
        return edited
    file = f"{wish.brand} v{number}"
    after, problems = check_text(edited, file=file)
    if after is None:
        return Unplanned(WhyNot.UNFIT, "the version would not pass its check", problems)
    misfits = await find_misfits(connection, after, Beside(versions.activations, now), file=file)
    if misfits:
        return Unplanned(WhyNot.UNFIT, "the version would not fit what is there", misfits)
    sides = f"version {before.version}", f"version {number}"
    changed = unified_diff(text.splitlines(), edited.splitlines(), *sides, n=0, lineterm="")
    return Plan(
        wish=wish,
        kind=kind,
        before=before,
        after=after,
        text=edited,
        changed="\n".join(changed),
        waiting=tuple(one for one in held if _is_concerned(one, kind, wish, after)),
        warnings=(*_find_doubtful(text, problems), *_find_unaware(versions, wish, kind, now)),
    )


async def carry_out(
    database: Database, made: Plan, operator: Operator, *, plain_webhooks: bool = True, lead: timedelta = LEAD
) -> Imported:
    """Keeps and activates the planned version in one transaction; a problem where another one decides by now."""
    wish = made.wish
    return await import_profile(
        database,
        made.text,
        file=f"{wish.brand} v{made.after.version}",
        author=operator.author,
        reason=f"{wish.value} is {wish.code}: {operator.reason}",
        plain_webhooks=plain_webhooks,
        lead=lead,
        follows=made.before.version,
    )


async def settle(database: Database, made: Plan, moment: datetime) -> tuple[HeldValue, ...]:
    """Waits for `moment`, has the first of what waited released by then, and returns what of it waits for the clock."""
    brand, concerned = made.wish.brand, {(one.kind, one.value) for one in made.waiting}
    while (left := await _seconds_to(database, moment)) > 0:  # noqa: ASYNC110 - the database's clock wakes nobody
        await asyncio.sleep(left)
    # Whoever comes first does it: a gateway that runs, or this.
    await catch_up(database, brand)
    async with database.snapshot() as connection:
        held = await list_held(connection, brand=brand, limit=MOST_VALUES)
    return tuple(one for one in held if (one.kind, one.value) in concerned)


async def _seconds_to(database: Database, moment: datetime) -> float:
    async with database.snapshot() as connection:
        return (moment - await database.now(connection)).total_seconds()


def _is_concerned(one: HeldValue, kind: WaitKind, wish: Wish, after: Profile) -> bool:
    """A row of the status table may stand for several standings. Some of the records that wait for a complete reason
    would take a cancel reason, too.
    """
    if kind is WaitKind.STATUS:
        return one.kind is kind and _maps(after, kind, one.value)
    takes_it = one.kind is kind or (kind is WaitKind.CANCEL and one.kind is WaitKind.COMPLETE)
    return takes_it and one.value == wish.value


def _kind_of(wish: Wish, held: Sequence[HeldValue]) -> WaitKind | Unplanned:
    """What nobody waits for is taken for a complete reason: those hold their jobs."""
    if wish.kind is not None:
        return wish.kind
    kinds = sorted({one.kind for one in held if one.kind is not WaitKind.STATUS and one.value == wish.value})
    if len(kinds) > 1:
        return Unplanned(WhyNot.UNCLEAR, f"{wish.value!r} waits as {' and '.join(kinds)}: say which, with --list")
    return kinds[0] if kinds else WaitKind.COMPLETE


def _edit(text: str, wish: Wish, kind: WaitKind, before: Profile, number: int) -> str | Unplanned:
    if _maps(before, kind, wish.value):
        return Unplanned(WhyNot.MAPPED_ALREADY, f"version {before.version} knows {wish.value!r} already")
    if kind is WaitKind.STATUS:
        edited = _edit_codes(text, wish, before, number)
    else:
        edited = _edit_reasons(text, wish, ReasonKind(kind), before, number)
    return Unplanned(WhyNot.CANNOT_EDIT, edited.why) if isinstance(edited, CannotEdit) else edited


def _edit_codes(text: str, wish: Wish, before: Profile, number: int) -> str | CannotEdit | Unplanned:
    standing = _STANDINGS.get(wish.value)
    if standing is None:
        known = ", ".join(_STANDINGS)
        return Unplanned(WhyNot.UNCLEAR, f"{wish.value!r} is no way for a job to stand: {known}")
    codes = [code for code in before.codes.values() if isinstance(code, str | int)]
    are_numbers = bool(codes) and all(isinstance(code, int) for code in codes)
    code = int(wish.code) if are_numbers and wish.code.isascii() and wish.code.isdecimal() else wish.code
    return with_status_code(text, standing, code, version=number)


def _edit_reasons(
    text: str, wish: Wish, kind: ReasonKind, before: Profile, number: int
) -> str | CannotEdit | Unplanned:
    if wish.label is None and wish.outcome is None:
        known = [reason.code for reason in before.reasons.listed(kind)]
        if wish.code not in known:
            told = f"no {kind} reason has the code {wish.code!r} (there are {', '.join(known)})"
            return Unplanned(WhyNot.UNCLEAR, f"{told}: as a new one it needs --outcome, or --label")
        return with_text(text, kind, wish.code, wish.value, version=number)
    if (wish.outcome is None) == (kind is ReasonKind.COMPLETE):
        return Unplanned(WhyNot.UNCLEAR, "a new complete reason needs --outcome, and no other reason has one")
    label = wish.label or wish.value.strip()
    also = () if wish.value in {wish.code, label} else (wish.value,)
    return with_reason(text, kind, Reason(wish.code, label, wish.outcome, also), version=number)


def _maps(profile: Profile, kind: WaitKind, value: str) -> bool:
    if kind is not WaitKind.STATUS:
        return profile.reasons.given(ReasonKind(kind), value).code is not None
    standing = _STANDINGS.get(value)
    return standing is not None and find_code(profile.codes, standing) is not None


def _find_doubtful(text: str, problems: Sequence[Problem]) -> Iterator[str]:
    """What the check of the next version warns of, and that of `text` does not."""
    _, before = check_text(text, file="")
    known = {problem.what for problem in before}
    return (f"{problem.member}: {problem.what}" for problem in problems if problem.what not in known)


def _find_unaware(versions: Versions, wish: Wish, kind: WaitKind, now: datetime) -> Iterator[str]:
    """Versions that take force later, and would not know the value any more."""
    for one in coming(versions.activations, now):
        profile = versions.kept.find_version(one.brand, one.version)
        if one.brand == wish.brand and profile is not None and not _maps(profile, kind, wish.value):
            yield f"version {one.version} takes force at {stamp(one.effective_at)}, and does not know it"
