"""What operators do to kept versions: bring one into force, now or later, take that back, go back to the one before."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.core.document import stamp
from gateway.core.values import dataclass
from gateway.fitting import Beside, find_misfits
from gateway.in_force import LEAD, bring_in, moment_of
from gateway.mapping.profile import Profile, parse_profile
from gateway.store.clock import read_now
from gateway.store.operators import Action, write_action
from gateway.store.profiles import (
    TAKEN_BACK,
    NewActivation,
    add_activation,
    coming,
    find_profile,
    holding,
    in_force,
    load_activations,
    lock_profiles,
)
from gateway.store.releasing import Released

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from gateway.mapping.problems import Problem
    from gateway.store.database import Database, Transaction
    from gateway.store.deliveries import Operator
    from gateway.store.profiles import Activation


class WhyNot(StrEnum):
    """Why nothing was changed. Values are stable."""

    UNKNOWN_VERSION = "unknown_version"
    # Its document cannot be read, or something of other brands stands in its way: `problems` say what.
    UNFIT = "unfit"
    IN_FORCE_ALREADY = "in_force_already"
    BAD_MOMENT = "bad_moment"
    NOTHING_BEFORE = "nothing_before"
    NOT_SCHEDULED = "not_scheduled"
    # Processes may go by it before they hear that it was taken back.
    ABOUT_TO_TAKE_FORCE = "about_to_take_force"


@dataclass(frozen=True, slots=True)
class Refused:
    """`told` says more, to a person; `problems` are those of the version."""

    why: WhyNot
    told: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Switched:
    """The brand goes by that version from the moment on; what it released where that is now."""

    version: int
    effective_at: datetime
    released: Released


@dataclass(frozen=True, slots=True)
class _Switch:
    """What an operator wants; `wanted` is the moment, None for as soon as possible."""

    brand: str
    version: int
    verb: str
    operator: Operator
    wanted: datetime | None
    plain_webhooks: bool
    lead: timedelta

    @property
    def goes_back(self) -> bool:
        return self.verb == "rollback"


async def activate(
    database: Database,
    brand: str,
    version: int,
    operator: Operator,
    *,
    at: datetime | None = None,
    plain_webhooks: bool = True,
    lead: timedelta = LEAD,
) -> Switched | Refused:
    """Has `brand` go by a kept version: after `lead`, or from `at` on.

    Without `at` the moment counts that the version itself names, where that is still to come.
    """
    async with database.transaction() as connection:
        await lock_profiles(connection)
        wanted = _Switch(brand, version, "activate", operator, at, plain_webhooks, lead)
        return await _switch(connection, wanted, await read_now(connection))


async def roll_back(
    database: Database, brand: str, operator: Operator, *, plain_webhooks: bool = True, lead: timedelta = LEAD
) -> Switched | Refused:
    """Has `brand` go by the version again that was in force before the present one; what is scheduled stays so."""
    async with database.transaction() as connection:
        await lock_profiles(connection)
        now = await read_now(connection)
        mine = await load_activations(connection, brand)
        before = find_before(one.version for one in holding(mine) if one.effective_at <= now + lead)
        if before is None:
            return Refused(WhyNot.NOTHING_BEFORE)
        wanted = _Switch(brand, before, "rollback", operator, None, plain_webhooks, lead)
        return await _switch(connection, wanted, now)


async def take_back(
    database: Database, brand: str, version: int, operator: Operator, *, lead: timedelta = LEAD
) -> WhyNot | None:
    """Takes back that `version` is to take force; None where that is done."""
    async with database.transaction() as connection:
        await lock_profiles(connection)
        now = await read_now(connection)
        mine = await load_activations(connection, brand)
        scheduled = [one for one in coming(mine, now) if one.version == version]
        if not scheduled:
            return WhyNot.NOT_SCHEDULED
        if scheduled[0].effective_at < now + lead:
            return WhyNot.ABOUT_TO_TAKE_FORCE
        for one in scheduled:
            new = NewActivation(
                brand=brand,
                version=TAKEN_BACK,
                effective_at=one.effective_at,
                author=operator.author,
                reason=operator.reason,
                made_at=now,
            )
            await add_activation(connection, new)
        await write_action(connection, _action("take_back", brand, version, operator), now)
    return None


def find_before(versions: Iterable[int]) -> int | None:
    """Of versions in the order in which they took force, the one before the last.

    One that was gone back from does not count any more: whoever goes back twice is where two steps back were.
    """
    line: list[int] = []
    for version in versions:
        line = line[: line.index(version)] if version in line else line
        line.append(version)
    return line[-2] if len(line) > 1 else None


async def _switch(connection: Transaction, switch: _Switch, now: datetime) -> Switched | Refused:
    brand, version = switch.brand, switch.version
    row = await find_profile(connection, brand, version)
    if row is None:
        return Refused(WhyNot.UNKNOWN_VERSION)
    file = f"{brand} v{version}"
    profile = parse_profile(row.document, file=file)
    if not isinstance(profile, Profile):
        return Refused(WhyNot.UNFIT, problems=profile)
    activations = await load_activations(connection)
    beside = Beside(activations, now, plain_webhooks=switch.plain_webhooks)
    misfits = await find_misfits(connection, profile, beside, file=file, goes_back=switch.goes_back)
    if misfits:
        return Refused(WhyNot.UNFIT, problems=misfits)
    moment = moment_of(activations, brand, now, _wanted(switch, profile, now), switch.lead)
    if isinstance(moment, str):
        return Refused(WhyNot.BAD_MOMENT, moment)
    if _decides_already(activations, switch, moment):
        return Refused(WhyNot.IN_FORCE_ALREADY, f"version {version} is in force at {stamp(moment)}")
    by = switch.operator
    new = NewActivation(
        brand=brand, version=version, effective_at=moment, author=by.author, reason=by.reason, made_at=now
    )
    released = await bring_in(connection, profile, new, now)
    await write_action(connection, _action(switch.verb, brand, version, by), now)
    return Switched(version, moment, released)


def _wanted(switch: _Switch, profile: Profile, now: datetime) -> datetime | None:
    if switch.wanted is not None or switch.verb != "activate":
        return switch.wanted
    named = profile.effective_at
    return named if named is not None and named > now else None


def _decides_already(activations: Iterable[Activation], switch: _Switch, moment: datetime) -> bool:
    there = in_force(activations, moment).get(switch.brand)
    return there is not None and there.version == switch.version


def _action(verb: str, brand: str, version: int, operator: Operator) -> Action:
    return Action(operator.author, verb, "profile", (version,), f"{brand}: {operator.reason}")
