"""Brings brand profiles from files into the database: checked, kept as a version, and activated."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.core.document import stamp
from gateway.core.visibility import Audience
from gateway.in_force import LEAD, bring_in, destinations_of, moment_of, put_in_force
from gateway.inbound.directory import is_feed
from gateway.mapping.library import NO_PROFILES, Profiles, check_text, read_file
from gateway.mapping.outline import Outline, find_outline
from gateway.mapping.problems import Level, Problem, has_errors
from gateway.mapping.source import dotted
from gateway.mapping.webhook_url import find_url_fault
from gateway.owners import may_name_account
from gateway.store.clock import read_now
from gateway.store.destinations import NewDestination, load_destinations
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
    from collections.abc import AsyncIterator, Collection, Iterator, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path

    from gateway.mapping.profile import Profile
    from gateway.mapping.profile_roads import Destination as Spec
    from gateway.store.database import Database, Transaction
    from gateway.store.destinations import Destination
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


async def import_profile(
    database: Database,
    text: str,
    *,
    file: str,
    author: str,
    reason: str,
    plain_webhooks: bool = True,
    draft: bool = False,
    lead: timedelta = LEAD,
) -> Imported:
    """Checks `text` and, where it passes, keeps it as a version of its brand and activates it, in one transaction.

    `plain_webhooks`: this installation may post to http:// addresses. `draft`: it is kept, and not activated.

    A brand's first version takes force at once, with all that it releases; a later one after `lead`, or at the moment
    that it names. A version that is there already with the same content stays as it is, whether or not there are newer
    ones: one that was rolled back does not return by being imported again. With other content it is a problem.
    """
    profile, problems = check_text(text, file=file)
    if profile is None or has_errors(problems):
        return Imported(problems=problems)
    async with database.transaction() as connection:
        # Two at once would each take the next version, and the next account's number, for free.
        await lock_profiles(connection)
        rows = await load_profiles(connection)
        digest = hashlib.sha256(text.encode()).hexdigest()
        unfit = _find_taken(profile, digest, rows, file)
        if any((row.brand, row.version) == (profile.brand, profile.version) for row in rows) and not unfit:
            return await _as_it_is(connection, profile, rows, problems, file)
        unfit += await find_misfits(connection, profile, file=file, plain_webhooks=plain_webhooks)
        activations = await load_activations(connection)
        now = await read_now(connection)
        moment = moment_of(activations, profile.brand, now, profile.effective_at, lead)
        if isinstance(moment, str) and not draft:
            unfit += (Problem(file, profile.line_of("effective_at"), "effective_at", moment),)
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
    activations = [one for one in await load_activations(connection) if one.brand == profile.brand]
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


def _find_newer(profile: Profile, rows: Sequence[ProfileRow], file: str) -> Iterator[Problem]:
    """A version that was made here after this one, and that whoever keeps the files should have too."""
    newest = max(row.version for row in rows if row.brand == profile.brand)
    if newest > profile.version:
        what = (
            f"version {newest} is kept here and not in this folder: "
            f"`gateway brands show {profile.brand} {newest} --document` prints it"
        )
        yield Problem(file, profile.line_of("version"), "version", what, Level.WARNING)


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


async def _find_dropped(connection: Transaction, profile: Profile, file: str) -> AsyncIterator[Problem]:
    """Destinations that the brand names no more and that are owed something still: they get that, and nothing new."""
    for one in (await load_destinations(connection)).values():
        is_dropped = (
            one.owner == profile.brand and one.audience is Audience.ENTERPRISE and one.name not in profile.asked
        )
        if not is_dropped or not is_feed(one):
            continue
        owed = sum((await count_owed_to(connection, one.number)).values())
        if owed:
            what = f"{one.name} is not named any more: it gets the {owed} that are owed to it, and nothing new"
            yield Problem(file, profile.line_of("destinations"), "destinations", what, Level.WARNING)


def _find_taken(profile: Profile, digest: str, rows: Sequence[ProfileRow], file: str) -> tuple[Problem, ...]:
    """What is wrong with a version's number, beside those that are there."""
    mine = [row for row in rows if row.brand == profile.brand]
    kept = {row.version: row.digest for row in mine}
    newest = max(kept, default=0)
    if kept.get(profile.version, digest) != digest:
        what = "is taken by other content: give the next one"
    elif profile.version < newest and profile.version not in kept:
        what = f"is older than version {newest}: give the next one"
    else:
        return ()
    return (Problem(file, profile.line_of("version"), "version", what),)


async def find_misfits(
    connection: Transaction, profile: Profile, *, file: str, plain_webhooks: bool
) -> tuple[Problem, ...]:
    """What keeps a version that is good in itself from being in force beside what is there. Under `lock_profiles`."""
    rows, activations = await load_profiles(connection), await load_activations(connection)
    now = await read_now(connection)
    deciding = {(one.brand, one.version) for one in (*in_force(activations, now).values(), *coming(activations, now))}
    found = [
        *_find_changed(profile, await load_destinations(connection), file),
        *_find_clashes(profile, rows, deciding, file),
    ]
    if not await may_name_account(connection, profile.account):
        found.append(Problem(file, profile.line_of("account"), "account", "is the name of an organization"))
    return (*found, *(() if plain_webhooks else _find_plain(profile, file)))


def _find_changed(profile: Profile, endpoints: Mapping[str, Destination], file: str) -> Iterator[Problem]:
    """What of destinations that are there cannot be changed by a version."""
    for index, one in enumerate(profile.destinations):
        there = endpoints.get(one.name)
        if there is not None and there.strict != one.strict:
            path = ("destinations", index, "strict")
            what = "stays as it was, since dead deliveries are owed by it: give the destination another name"
            yield Problem(file, profile.line_of(*path), dotted(path), what)
        if there is not None and there.sandbox != one.sandbox:
            path = ("destinations", index, "sandbox")
            what = "stays as it was, since deliveries are owed by it: give the destination another name"
            yield Problem(file, profile.line_of(*path), dotted(path), what)
        others: list[Destination | NewDestination] = [*endpoints.values(), *destinations_of(profile)]
        if any(_share_a_topic(one, other) for other in others):
            path = ("destinations", index, "topic")
            yield Problem(file, profile.line_of(*path), dotted(path), "has test work and real work on one topic")
    yield from _find_owned(profile, endpoints, file)


def _find_plain(profile: Profile, file: str) -> Iterator[Problem]:
    """Webhooks that would be refused when they are sent."""
    for index, one in enumerate(profile.destinations):
        fault = find_url_fault(one.webhook.url, plain=False) if one.webhook else None
        if fault is not None:
            path = ("destinations", index, "webhook", "url")
            what = f"{fault}: GATEWAY_WEBHOOK_PLAIN allows no other here"
            yield Problem(file, profile.line_of(*path), dotted(path), what)


def _find_owned(profile: Profile, endpoints: Mapping[str, Destination], file: str) -> Iterator[Problem]:
    """What somebody else owns stays theirs, whatever a profile calls its destinations or its account."""
    places: dict[str, tuple[str | int, ...]] = {
        one.name: ("destinations", index, "name") for index, one in enumerate(profile.destinations)
    }
    for wanted in destinations_of(profile):
        there = endpoints.get(wanted.name)
        if there is not None and (there.owner, there.audience) != (wanted.owner, wanted.audience):
            path = places.get(wanted.name, ("account",))
            yield Problem(file, profile.line_of(*path), dotted(path), f"{wanted.name} is of {there.owner}")


def _find_clashes(
    profile: Profile, rows: Sequence[ProfileRow], deciding: Collection[tuple[str, int]], file: str
) -> Iterator[Problem]:
    """Two brands cannot read one topic, nor can one brand change its owner: others' records would become theirs.

    `deciding` are the versions that are in force, or will be.
    """
    wanted = Outline.of(profile)
    for row in rows:
        other = find_outline(row.document)
        if other is None:
            continue
        if row.brand == profile.brand and other.account != wanted.account:
            what = f"version {row.version} is of the account {other.account}"
            yield Problem(file, profile.line_of("account"), "account", what)
            return
        if row.brand == profile.brand or (row.brand, row.version) not in deciding:
            continue
        told = wanted.receipts is not None and other.receipts not in {None, wanted.receipts}
        if told and other.account == wanted.account:
            what = f"{row.brand}, of the same account, says otherwise"
            yield Problem(file, profile.line_of("receipts"), "receipts", what)
        if wanted.topic is not None and other.topic == wanted.topic:
            yield Problem(file, profile.line_of("inbound", "topic"), "inbound.topic", f"{row.brand} reads this topic")


def _share_a_topic(one: Spec, other: Destination | NewDestination) -> bool:
    return one.topic is not None and one.sandbox != other.sandbox and one.topic == other.settings.get("topic")


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
    texts = await asyncio.to_thread(_newest_versions, folder)
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


def _newest_versions(folder: Path) -> list[tuple[Path, str | Problem]]:
    """The profile with the highest number in each brand's folder; `folder` may be a single profile, too."""
    newest: dict[Path, Path] = {folder: folder} if folder.is_file() else {}
    for file in folder.glob("*/profile.v*.yaml"):
        newest[file.parent] = max(newest.get(file.parent, file), file, key=_version_of)
    return [(file, read_file(file, place=str(file))) for _, file in sorted(newest.items())]


def _version_of(file: Path) -> int:
    digits = file.stem.rpartition("v")[2]
    return int(digits) if digits.isdecimal() else 0


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
