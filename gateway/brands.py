"""Brings brand profiles from files into force: checked, kept as a version, with their account and destinations."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.core.visibility import Audience
from gateway.mapping.library import Profiles, check_text
from gateway.mapping.problems import Problem, has_errors
from gateway.mapping.profile import Profile, parse_profile
from gateway.store.accounts import Account, load_accounts, save_account
from gateway.store.destinations import NewDestination, put_destinations
from gateway.store.operators import Action, write_action
from gateway.store.profiles import ProfileRow, activate_profile, load_profiles

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.database import Database


async def import_profile(
    database: Database, text: str, *, file: str, author: str, reason: str
) -> tuple[Profile | None, tuple[Problem, ...]]:
    """Checks `text` and, where it passes, makes it the active version of its brand, in one transaction.

    A version that is there already with the same content changes nothing; with other content it is a problem.
    Whoever runs the gateway has the new version within three seconds.
    """
    profile, problems = check_text(text, file=file)
    if profile is None or has_errors(problems):
        return None, problems
    digest = hashlib.sha256(text.encode()).hexdigest()
    async with database.transaction() as connection:
        held = {(row.brand, row.version): row for row in await load_profiles(connection)}
        same = held.get((profile.brand, profile.version))
        if same is not None and same.digest != digest:
            taken = Problem(file, profile.line_of("version"), "version", "is taken by other content: give the next one")
            return None, (*problems, taken)
        newest = max((version for brand, version in held if brand == profile.brand), default=0)
        if same is None and profile.version < newest:
            older = Problem(file, profile.line_of("version"), "version", f"is older than version {newest}")
            return None, (*problems, older)
        if same is None:
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
        await _make_account(connection, profile.account)
        await put_destinations(connection, _destinations(profile))
    return profile, problems


async def import_folder(
    database: Database, folder: Path, *, author: str, reason: str
) -> tuple[list[Profile], list[Problem]]:
    """Imports the newest version of every brand in `folder`; a bad one never stops the others."""
    imported: list[Profile] = []
    problems: list[Problem] = []
    for brand in await asyncio.to_thread(_brand_folders, folder):
        files = sorted(brand.glob("profile.v*.yaml"), key=lambda path: int(path.stem.rpartition("v")[2]))
        for file in files[-1:]:
            text = file.read_text(encoding="utf-8")
            profile, found = await import_profile(database, text, file=str(file), author=author, reason=reason)
            imported += [profile] if profile else []
            problems += found
    return imported, problems


def _brand_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


async def load_library(connection: AsyncConnection) -> Profiles:
    """Every version that is kept, with the ones in force: those that were checked when they were imported."""
    rows = await load_profiles(connection)
    parsed = [parse_profile(row.document, file=f"{row.brand} v{row.version}") for row in rows]
    profiles = [profile for profile in parsed if isinstance(profile, Profile)]
    readable = {(profile.brand, profile.version) for profile in profiles}
    active = {row.brand: row.version for row in rows if row.state == "active" and (row.brand, row.version) in readable}
    return Profiles.of(profiles, active=active)


async def _make_account(connection: AsyncConnection, name: str) -> None:
    accounts = await load_accounts(connection)
    if any(account.name == name for account in accounts):
        return
    number = max((account.number for account in accounts), default=0) + 1
    await save_account(connection, Account(number, name))


def _destinations(profile: Profile) -> Iterable[NewDestination]:
    for one in profile.destinations:
        settings = {"topic": one.topic}
        yield NewDestination(
            name=one.name,
            kind=one.kind.value,
            audience=Audience.ENTERPRISE,
            owner=profile.brand,
            settings=settings,
            strict=one.strict,
        )
    yield NewDestination(
        name=f"receipts.{profile.account}",
        kind="kafka",
        audience=Audience.ENTERPRISE,
        owner=profile.account,
        settings={"topic": f"receipts.{profile.account}.v1"},
    )
