"""`gateway brands held`: what waits for a mapping, who waits for it, and what it may have meant."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.brands import load_library
from gateway.cli_database import ask
from gateway.cli_output import Json, Limit, plain, show
from gateway.core.ids import Kind, canonical_id
from gateway.core.reasons import ReasonKind
from gateway.core.waits import WaitKind
from gateway.mapping.library import NO_PROFILES, Profiles
from gateway.mapping.suggestions import suggest
from gateway.store.held import list_held, list_held_jobs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gateway.mapping.suggestions import Suggestion
    from gateway.store.database import Database
    from gateway.store.held import HeldJob, HeldValue


def held_(
    brand: Annotated[str | None, typer.Argument(help="only this brand's")] = None,
    *,
    jobs: Annotated[bool, typer.Option("--jobs", help="a row for each job that waits")] = False,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List what a brand's profile does not map and something waits for, longest first, with what it resembles.

    Nothing is mapped by itself: `gateway brands map` makes a version that maps one.
    """
    if jobs:
        show(ask(lambda database: _jobs(database, brand, limit)), as_json=json)
        return
    rows = ask(lambda database: _values(database, brand, limit))
    show(rows if json else [_in_words(row) for row in rows], as_json=json)


async def _values(database: Database, brand: str | None, limit: int) -> list[dict[str, Any]]:
    async with database.snapshot() as connection:
        now = await database.now(connection)
        found = await list_held(connection, brand=brand, limit=limit)
        profiles = await load_library(connection) if found else NO_PROFILES
    resembled = _suggestions(found, profiles)
    return [_row(one, now, resembled.get((one.brand, one.kind, one.value), ())) for one in found]


async def _jobs(database: Database, brand: str | None, limit: int) -> list[dict[str, Any]]:
    async with database.snapshot() as connection:
        now = await database.now(connection)
        found = await list_held_jobs(connection, brand=brand, limit=limit)
    return [{**_members(one, now), "job": canonical_id(Kind.JOB, one.job)} for one in found]


def _suggestions(
    found: Iterable[HeldValue], profiles: Profiles
) -> dict[tuple[str, WaitKind, str], tuple[Suggestion, ...]]:
    """By brand, kind and value. How a job stands is nobody's spelling."""
    values: dict[tuple[str, WaitKind], list[str]] = {}
    for one in found:
        if one.kind is not WaitKind.STATUS:
            values.setdefault((one.brand, one.kind), []).append(one.value)
    resembled: dict[tuple[str, WaitKind, str], tuple[Suggestion, ...]] = {}
    for (brand, kind), texts in values.items():
        profile = profiles.find(brand)
        known = profile.reasons.listed(ReasonKind(kind)) if profile is not None else ()
        resembled |= {(brand, kind, text): likely for text, likely in suggest(texts, known).items()}
    return resembled


def _row(one: HeldValue, now: datetime, likely: Iterable[Suggestion]) -> dict[str, Any]:
    return {**_members(one, now), "suggestions": [asdict(each) for each in likely]}


def _members(one: HeldValue | HeldJob, now: datetime) -> dict[str, Any]:
    return {**plain(asdict(one)), "age_seconds": int((now - one.since).total_seconds())}


def _in_words(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: row[name] for name in ("brand", "kind", "value", "deliveries", "records", "jobs", "since")}
    likely = (f"{one['code']} {one['label']!r}: {one['why']}" for one in row["suggestions"])
    return {**told, "who": ", ".join([*row["destinations"], *row["senders"]]), "resembles": "; ".join(likely)}
