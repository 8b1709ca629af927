"""Brings brand profiles from files into force: checked, kept as a version, with their account and destinations."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.core.values import replace
from gateway.core.visibility import Audience
from gateway.inbound.directory import is_feed
from gateway.inbound.held import in_force
from gateway.inbound.receipts import polled_receipts
from gateway.mapping.library import NO_PROFILES, check_text
from gateway.mapping.outline import Outline, find_outline
from gateway.mapping.problems import Level, Problem, has_errors
from gateway.mapping.profile_roads import ReceiptsTo
from gateway.mapping.source import dotted
from gateway.mapping.webhook_url import find_url_fault
from gateway.owners import may_name_account
from gateway.store.accounts import make_account, save_account
from gateway.store.bulk import notify
from gateway.store.deliveries import Operator
from gateway.store.destinations import NewDestination, load_destinations, put_destinations
from gateway.store.operators import Action, write_action
from gateway.store.outbox import CHANNEL
from gateway.store.profiles import ProfileRow, activate_profile, load_profiles, lock_profiles
from gateway.store.releasing import Released, release_mapped
from gateway.store.removing import count_owed_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from pathlib import Path

    from gateway.mapping.library import Profiles
    from gateway.mapping.profile import Profile
    from gateway.mapping.profile_roads import Destination as Spec
    from gateway.store.database import Database, Transaction
    from gateway.store.destinations import Destination


@dataclass(frozen=True, slots=True)
class Imported:
    """The profiles that are in force now, what was found about all that was looked at, and what each released."""

    profiles: tuple[Profile, ...] = ()
    problems: tuple[Problem, ...] = ()
    released: Mapping[str, Released] = field(default_factory=dict)


async def import_profile(
    database: Database, text: str, *, file: str, author: str, reason: str, plain_webhooks: bool = True
) -> Imported:
    """Checks `text` and, where it passes, makes it the active version of its brand, in one transaction.

    `plain_webhooks`: this installation may post to http:// addresses.

    In the same transaction everything is released that waited for what it maps. A version that is there
    already with the same content stays as it is; with other content it is a problem. Whoever runs the gateway has the
    new version within three seconds.
    """
    profile, problems = check_text(text, file=file)
    if profile is None or has_errors(problems):
        return Imported(problems=problems)
    digest = hashlib.sha256(text.encode()).hexdigest()
    async with database.transaction() as connection:
        # Two at once would each take the next version, and the next account's number, for free.
        await lock_profiles(connection)
        rows = await load_profiles(connection)
        unfit = tuple(_find_unfit(profile, digest, rows, await load_destinations(connection), file))
        if not await may_name_account(connection, profile.account):
            taken = Problem(file, profile.line_of("account"), "account", "is the name of an organization")
            unfit = (*unfit, taken)
        unfit = (*unfit, *_find_plain(profile, file)) if not plain_webhooks else unfit
        if unfit:
            return Imported(problems=(*problems, *unfit))
        if not any((row.brand, row.version) == (profile.brand, profile.version) for row in rows):
            row = ProfileRow(
                brand=profile.brand,
                version=profile.version,
                state="active",
                effective_at=profile.effective_at,
                digest=digest,
                author=author,
                reason=reason,
                document=text,
                imported_at=datetime.now(UTC),
            )
            await activate_profile(connection, row)
            action = Action(author, "import", "profile", (profile.version,), f"{profile.brand}: {reason}")
            await write_action(connection, action, row.imported_at)
        account = await make_account(connection, profile.account)
        if profile.receipts is not None:
            said = profile.receipts
            await save_account(connection, replace(account, receipts=said.records, receipts_to=said.to))
        now = await database.now(connection)
        released = await release_mapped(connection, in_force(profile), Operator(author=author, reason=reason), now)
        # After the lanes of what is released: relays, too, lock lanes before the destinations that they learn of.
        await put_destinations(connection, _destinations(profile))
        dropped = [one async for one in _find_dropped(connection, profile, file)]
        if released.deliveries:
            await notify(connection, CHANNEL)
    return Imported((profile,), (*problems, *dropped), {profile.brand: released})


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


def _find_unfit(
    profile: Profile, digest: str, rows: Sequence[ProfileRow], endpoints: Mapping[str, Destination], file: str
) -> Iterator[Problem]:
    """What keeps a version that is good in itself from following on those that are there."""
    mine = [row for row in rows if row.brand == profile.brand]
    newest = max((row.version for row in mine), default=0)
    if any(row.version == profile.version and row.digest != digest for row in mine):
        yield Problem(file, profile.line_of("version"), "version", "is taken by other content: give the next one")
    elif profile.version < newest:
        yield Problem(file, profile.line_of("version"), "version", f"is older than version {newest}")
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
        others: list[Destination | NewDestination] = [*endpoints.values(), *_destinations(profile)]
        if any(_share_a_topic(one, other) for other in others):
            path = ("destinations", index, "topic")
            yield Problem(file, profile.line_of(*path), dotted(path), "has test work and real work on one topic")
    yield from _find_owned(profile, endpoints, file)
    yield from _find_clashes(profile, rows, file)


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
    for wanted in _destinations(profile):
        there = endpoints.get(wanted.name)
        if there is not None and (there.owner, there.audience) != (wanted.owner, wanted.audience):
            path = places.get(wanted.name, ("account",))
            yield Problem(file, profile.line_of(*path), dotted(path), f"{wanted.name} is of {there.owner}")


def _find_clashes(profile: Profile, rows: Sequence[ProfileRow], file: str) -> Iterator[Problem]:
    """Two brands cannot read one topic, nor can one brand change its owner: others' records would become theirs."""
    wanted = Outline.of(profile)
    for row in rows:
        other = find_outline(row.document)
        if other is None:
            continue
        if row.brand == profile.brand and other.account != wanted.account:
            what = f"version {row.version} is of the account {other.account}"
            yield Problem(file, profile.line_of("account"), "account", what)
            return
        if row.brand == profile.brand or row.state != "active":
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
    database: Database, folder: Path, *, author: str, reason: str, plain_webhooks: bool = True
) -> Imported:
    """`import_profile` of the newest version of every brand in `folder`; a bad one never stops the others."""
    texts = await asyncio.to_thread(_newest_versions, folder)
    found = [
        await import_profile(
            database, text, file=str(file), author=author, reason=reason, plain_webhooks=plain_webhooks
        )
        for file, text in texts
    ]
    return Imported(
        tuple(profile for one in found for profile in one.profiles),
        tuple(problem for one in found for problem in one.problems),
        {brand: released for one in found for brand, released in one.released.items()},
    )


def _newest_versions(folder: Path) -> list[tuple[Path, str]]:
    """The profile with the highest number in each brand's folder; `folder` may be a single profile, too."""
    if folder.is_file():
        return [(folder, folder.read_text(encoding="utf-8"))]
    newest: dict[Path, Path] = {}
    for file in folder.glob("*/profile.v*.yaml"):
        newest[file.parent] = max(newest.get(file.parent, file), file, key=_version_of)
    return [(file, file.read_text(encoding="utf-8")) for _, file in sorted(newest.items())]


def _version_of(file: Path) -> int:
    digits = file.stem.rpartition("v")[2]
    return int(digits) if digits.isdecimal() else 0


async def load_library(connection: Transaction, known: Profiles = NO_PROFILES) -> Profiles:
    """Every version that is kept, with the ones in force; what was read of `known` is not read again."""
    rows = await load_profiles(connection)
    texts = {(row.brand, row.version): row.document for row in rows}
    return known.followed_by(texts, {row.brand: row.version for row in rows if row.state == "active"})


def _destinations(profile: Profile) -> Iterable[NewDestination]:
    for one in profile.destinations:
        yield NewDestination(
            name=one.name,
            kind=one.kind.value,
            audience=Audience.ENTERPRISE,
            owner=profile.brand,
            settings=one.settings,
            strict=one.strict,
            sandbox=one.sandbox,
        )
    if profile.receipts is not None and profile.receipts.to is ReceiptsTo.POLL:
        yield polled_receipts(profile.account)
        return
    yield NewDestination(
        name=f"receipts.{profile.account}",
        kind="kafka",
        audience=Audience.ENTERPRISE,
        owner=profile.account,
        settings={"topic": f"receipts.{profile.account}.v1"},
    )
