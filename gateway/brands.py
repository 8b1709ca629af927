"""Brings brand profiles from files into the database: checked, kept as a version, and activated."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.core.document import stamp
from gateway.core.visibility import Audience
from gateway.fitting import Beside, KeptVersions, find_misfits
from gateway.in_force import LEAD, bring_in, moment_of, put_in_force
from gateway.inbound.directory import is_feed
from gateway.mapping.library import NO_PROFILES, Profiles, check_text, newest_files, read_file
from gateway.mapping.problems import Level, Problem, has_errors
from gateway.store.clock import read_now
from gateway.store.destinations import load_destinations
from gateway.store.operators import Action, write_action
from gateway.store.profiles import (
    NewActivation,
    ProfileRow,
    State,
    coming,
    in_force,
    keep_profile,
    load_activations,
    load_profiles,
    lock_profiles,
    states,
)
from gateway.store.releasing import Released
from gateway.store.removing import count_owed_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from gateway.mapping.profile import Profile
    from gateway.store.database import Database, Transaction
    from gateway.store.profiles import Activation


@dataclass(frozen=True, slots=True)
class Imported:
    """The profiles that are kept now, and what was found about all that was looked at.

    By brand: the state of its version, since when or from when on it is in force, and what it released at once.
    """

    profiles: tuple[Profile, ...] = ()
    problems: tuple[Problem, ...] = ()
    states: Mapping[str, State] = field(default_factory=dict)
    effective: Mapping[str, datetime] = field(default_factory=dict)
    released: Mapping[str, Released] = field(default_factory=dict)


async def import_profile(  # noqa: PLR0913 - each is another term of the import
    database: Database,
    text: str,
    *,
    file: str,
    author: str,
    reason: str,
    plain_webhooks: bool = True,
    kept: KeptVersions | None = None,
    draft: bool = False,
    lead: timedelta = LEAD,
    follows: int | None = None,
) -> Imported:
    """Checks `text` and, where it passes, keeps it as a version of its brand and activates it, in one transaction.

    `plain_webhooks`: this installation may post to http:// addresses. `draft`: it is kept, and not activated.
    `follows` is the version that it was made from just now: it is a problem where another one would decide just before
    it, or where its number is not the next one any more.

    A brand's first version takes force at once, with all that it releases; a later one after `lead`, or at the moment
    that it names. A version that is there already with the same content stays as it is, whether or not there are newer
    ones: one that was rolled back does not return by being imported again. With other content it is a problem.

    `kept` is what imports just before this one have read.
    """
    profile, problems = check_text(text, file=file)
    if profile is None or has_errors(problems):
        return Imported(problems=problems)
    async with database.transaction() as connection:
        # Two at once would each take the next version, and the next account's number, for free.
        await lock_profiles(connection)
        rows = await load_profiles(connection, profile.brand)
        digest = hashlib.sha256(text.encode()).hexdigest()
        unfit = _find_taken(profile, digest, rows, file, is_new=follows is not None)
        if not unfit and any(row.version == profile.version for row in rows):
            return await _as_it_is(connection, profile, rows, problems, file)
        activations = await load_activations(connection)
        now = await read_now(connection)
        beside = Beside(activations, now, kept or KeptVersions(), plain_webhooks=plain_webhooks)
        unfit += await find_misfits(connection, profile, beside, file=file)
        moment = moment_of(activations, profile.brand, now, profile.effective_at, lead)
        if isinstance(moment, str) and not draft:
            unfit += (Problem(file, profile.line_of("effective_at"), "effective_at", moment),)
        elif not isinstance(moment, str) and follows is not None:
            unfit += _find_other(profile, activations, moment, follows, file)
        if unfit:
            return Imported(problems=(*problems, *unfit))
        row = ProfileRow(
            brand=profile.brand,
            version=profile.version,
            digest=digest,
            author=author,
            reason=reason,
            document=text,
            imported_at=now,
        )
        await keep_profile(connection, row)
        beside.kept.note(profile)
        action = Action(author, "import", "profile", (profile.version,), f"{profile.brand}: {reason}")
        await write_action(connection, action, now)
        if draft or isinstance(moment, str):
            return Imported((profile,), problems, {profile.brand: State.DRAFT}, {}, {profile.brand: Released()})
        new = NewActivation(
            brand=profile.brand,
            version=profile.version,
            effective_at=moment,
            author=author,
            reason=reason,
            made_at=now,
        )
        released = await bring_in(connection, profile, new, now)
        state = State.ACTIVE if moment <= now else State.SCHEDULED
        told = [one async for one in _find_dropped(connection, profile, file)]
        told += _find_overtaken(profile, activations, moment, file)
    return Imported(
        (profile,),
        (*problems, *told),
        {profile.brand: state},
        {profile.brand: moment},
        {profile.brand: released},
    )


async def _as_it_is(
    connection: Transaction,
    profile: Profile,
    rows: Sequence[ProfileRow],
    problems: tuple[Problem, ...],
    file: str,
) -> Imported:
    """A version that is there already. The one in force is put in force again, in case something of it was lost."""
    activations = await load_activations(connection, profile.brand)
    now = await read_now(connection)
    state = states(rows, activations, now)[profile.brand, profile.version]
    problems = (*problems, *_find_newer(profile, rows, file))
    released = Released()
    effective: dict[str, datetime] = {}
    if state is State.ACTIVE:
        one = in_force(activations, now)[profile.brand]
        released = await put_in_force(connection, profile, one, now)
        effective = {profile.brand: one.effective_at}
        problems = (*problems, *[dropped async for dropped in _find_dropped(connection, profile, file)])
    for one in coming(activations, now):
        if one.version == profile.version:
            effective.setdefault(profile.brand, one.effective_at)
    return Imported((profile,), problems, {profile.brand: state}, effective, {profile.brand: released})


def _find_other(
    profile: Profile, activations: Sequence[Activation], moment: datetime, follows: int, file: str
) -> tuple[Problem, ...]:
    deciding = in_force(activations, moment).get(profile.brand)
    if deciding is None or deciding.version == follows:
        return ()
    what = f"was made from version {follows}, and version {deciding.version} decides by then: make it from that"
    return (Problem(file, profile.line_of("version"), "version", what),)


def _find_overtaken(
    profile: Profile, activations: Sequence[Activation], moment: datetime, file: str
) -> Iterator[Problem]:
    """Versions that were to take force before this one was made, and will after it."""
    for one in coming(activations, moment):
        if one.brand == profile.brand:
            what = (
                f"version {one.version} takes force after it, at {stamp(one.effective_at)}: "
                f"`gateway brands activate {one.brand} {one.version} --take-back`, if this one is to stay"
            )
            yield Problem(file, profile.line_of("version"), "version", what, Level.WARNING)


def _find_newer(profile: Profile, rows: Sequence[ProfileRow], file: str) -> Iterator[Problem]:
    """A version that was made here after this one, and that whoever keeps the files should have too."""
    newest = max(row.version for row in rows)
    if newest > profile.version:
        what = (
            f"version {newest} is kept here and not in this folder: "
            f"`gateway brands show {profile.brand} {newest} --document` prints it"
        )
        yield Problem(file, profile.line_of("version"), "version", what, Level.WARNING)


async def _find_dropped(connection: Transaction, profile: Profile, file: str) -> AsyncIterator[Problem]:
    """Destinations that the brand names no more and that are owed something still: they get that, and nothing new."""
    for one in (await load_destinations(connection, profile.brand)).values():
        if one.audience is not Audience.ENTERPRISE or one.name in profile.asked or not is_feed(one):
            continue
        owed = sum((await count_owed_to(connection, one.number)).values())
        if owed:
            what = f"{one.name} is not named any more: it gets the {owed} that are owed to it, and nothing new"
            yield Problem(file, profile.line_of("destinations"), "destinations", what, Level.WARNING)


def _find_taken(
    profile: Profile, digest: str, rows: Sequence[ProfileRow], file: str, *, is_new: bool
) -> tuple[Problem, ...]:
    """What is wrong with a version's number, beside those of its brand that are there."""
    kept = {row.version: row.digest for row in rows}
    newest = max(kept, default=0)
    if is_new and profile.version <= newest:
        what = f"version {newest} was made meanwhile: make the change anew"
    elif kept.get(profile.version, digest) != digest:
        what = "is taken by other content: give the next one"
    elif profile.version < newest and profile.version not in kept:
        what = f"is older than version {newest}: give the next one"
    else:
        return ()
    return (Problem(file, profile.line_of("version"), "version", what),)


async def import_folder(
    database: Database,
    folder: Path,
    *,
    author: str,
    reason: str,
    plain_webhooks: bool = True,
    draft: bool = False,
    lead: timedelta = LEAD,
) -> Imported:
    """`import_profile` of the newest version of every brand in `folder`; a bad one never stops the others."""
    texts, kept = await asyncio.to_thread(_read_newest, folder), KeptVersions()
    found = [
        await import_profile(
            database,
            text,
            file=str(file),
            author=author,
            reason=reason,
            plain_webhooks=plain_webhooks,
            draft=draft,
            lead=lead,
            kept=kept,
        )
        if isinstance(text, str)
        else Imported(problems=(text,))
        for file, text in texts
    ]
    return Imported(
        tuple(profile for one in found for profile in one.profiles),
        tuple(problem for one in found for problem in one.problems),
        {brand: state for one in found for brand, state in one.states.items()},
        {brand: moment for one in found for brand, moment in one.effective.items()},
        {brand: released for one in found for brand, released in one.released.items()},
    )


def _read_newest(folder: Path) -> list[tuple[Path, str | Problem]]:
    return [(file, read_file(file, place=str(file))) for file in newest_files(folder)]


@dataclass(frozen=True, slots=True)
class Versions:
    """Every version that is kept, and the activations that say which of them is in force when."""

    kept: Profiles = NO_PROFILES
    activations: tuple[Activation, ...] = ()

    def at(self, moment: datetime) -> Profiles:
        """Every version, with the ones in force at that moment."""
        active = {brand: one.version for brand, one in in_force(self.activations, moment).items()}
        return Profiles(self.kept.kept, active)

    def scheduled(self, moment: datetime) -> list[Profile]:
        """The ones that take force after that moment."""
        later = (self.kept.find_version(one.brand, one.version) for one in coming(self.activations, moment))
        return [profile for profile in later if profile is not None]


async def load_versions(connection: Transaction, known: Versions | None = None) -> Versions:
    """Every version that is kept; what was read of `known` is not read again."""
    # First: a version is kept before it is activated.
    activations = tuple(await load_activations(connection))
    texts = {(row.brand, row.version): row.document for row in await load_profiles(connection)}
    return Versions((known.kept if known else NO_PROFILES).followed_by(texts, {}), activations)


async def load_library(connection: Transaction) -> Profiles:
    """Every version that is kept, with the ones in force now."""
    return (await load_versions(connection)).at(await read_now(connection))
