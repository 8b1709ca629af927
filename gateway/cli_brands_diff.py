"""`gateway brands diff`: what another version of a brand's profile would change, told from what was recorded."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from gateway.brands import load_library
from gateway.cli_database import ask
from gateway.cli_output import NOT_SO, USAGE, Json, fail, read_settings, show, show_json
from gateway.core.document import stamp
from gateway.dry_run import ACTIVE, DRAFT, Found, Size, Terms, compare, find_version, measure
from gateway.inbound.moments import read_moment
from gateway.mapping.library import check_file
from gateway.mapping.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.store.database import Database, Transaction

_SPAN = re.compile(r"([1-9]\d{0,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_LONGEST = timedelta(days=18_250)
UNLIMITED = 1 << 60
# Longer lists are read by `--json`.
_SHOWN = 50

_WORDS = "active, draft (the newest version after that), a version's number, or a file that is not imported"


def diff(
    brand: Annotated[str, typer.Argument(help="the brand's name")],
    *,
    from_: Annotated[str, typer.Option("--from", help=_WORDS)] = ACTIVE,
    to: Annotated[str, typer.Option(help="the same, of the version it is held against")] = DRAFT,
    since: Annotated[str, typer.Option(help="7d, 12h, 30m, or a moment as 2026-03-01T00:00:00Z")] = "7d",
    limit: Annotated[int | None, typer.Option(min=1, help="only so many events and records, the newest")] = None,
    examples: Annotated[int, typer.Option(min=0, max=100, help="of each difference show so many")] = 3,
    check: Annotated[bool, typer.Option("--check", help="exit 1 where something would newly fail")] = False,
    json: Json = False,
) -> None:
    """Show which messages would differ had the other version been in force: of recorded events, and of records that
    came in the brand's own JSON. Nothing is sent or written. Customers' texts and notes stand disguised in examples.
    """
    prefix = read_settings().topic_prefix
    span = read_since(since)
    files = {word: _read_file(word) for word in (from_, to) if _is_file(word)}

    async def compared(database: Database) -> DryRun:
        async with database.snapshot(by_keys=True) as connection:
            versions = {word: files.get(word) or await _get_version(connection, brand, word) for word in (from_, to)}
            terms = Terms(
                before=versions[from_],
                after=versions[to],
                since=span if isinstance(span, datetime) else await database.now(connection) - span,
                limit=limit or UNLIMITED,
                examples=examples,
                prefix=prefix,
            )
            _insist_on_one_brand(brand, terms)
            return await run_dry(connection, terms)

    dry_run = ask(compared)
    if json:
        show_json(differences_of(dry_run))
    else:
        show_differences(dry_run)
    if check and dry_run.found.groups.has_failing:
        raise typer.Exit(NOT_SO)


class DryRun(NamedTuple):
    """What was compared, how much of it there was, and what differs."""

    terms: Terms
    size: Size
    found: Found


async def run_dry(connection: Transaction, terms: Terms) -> DryRun:
    """Compares, in the caller's snapshot by keys, with a bar on a terminal."""
    size = await measure(connection, terms)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=size.events + size.records)
        return DryRun(terms, size, await compare(connection, terms, lambda more: bar.advance(task, more)))


def read_since(text: str) -> timedelta | datetime:
    """A span before now, of fifty years at most, or a moment; the end of the program where it is neither."""
    span = _SPAN.fullmatch(text)
    if span is not None:
        return min(timedelta(**{_UNITS[span[2]]: int(span[1])}), _LONGEST)
    moment = read_moment(text)
    if not isinstance(moment, datetime):
        fail(f"--since {text}: write it as 7d, 12h, 30m or 2026-03-01T00:00:00Z", USAGE)
    return moment


def _is_file(word: str) -> bool:
    return word.endswith((".yaml", ".yml"))


def _read_file(name: str) -> Profile:
    """The profile in that file, or the end of the program with all that is wrong with it."""
    path = Path(name)
    if not path.is_file():
        fail(f"there is no {name}", USAGE)
    profile, problems = check_file(path, place=name, named=False)
    if profile is None:
        fail("\n".join(map(str, problems)), NOT_SO)
    return profile


async def _get_version(connection: Transaction, brand: str, word: str) -> Profile:
    library = await load_library(connection)
    found = find_version(library, brand, word)
    if found is None and word == ACTIVE and library.find(brand) is None:
        fail(f"nothing of {brand} is in force yet: there is nothing to compare with", NOT_SO)
    if found is None:
        fail(f"{brand} has no version {word!r}: say {_WORDS}", NOT_SO)
    return found


def _insist_on_one_brand(brand: str, terms: Terms) -> None:
    other = next((one for one in (terms.before, terms.after) if one.brand != brand), None)
    if other is not None:
        fail(f"the file is of the brand {other.brand}, not of {brand}", NOT_SO)


def differences_of(dry_run: DryRun) -> dict[str, Any]:
    """All of it, for JSON."""
    terms, size, found = dry_run
    return {
        "brand": terms.before.brand,
        "from": terms.before.version,
        "to": terms.after.version,
        "since": stamp(terms.since.astimezone(UTC)),
        **size._asdict(),
        "differing": found.differing,
        "differences": list(_rows(found)),
    }


def show_differences(dry_run: DryRun) -> None:
    """The most of it, for people."""
    terms, size, found = dry_run
    typer.echo(
        f"{terms.before.brand} v{terms.before.version} → v{terms.after.version}: {size.events} events and "
        f"{size.records} records since {stamp(terms.since.astimezone(UTC))}, of which {found.differing} would differ"
    )
    rows = list(_rows(found))
    if not rows:
        return
    show(
        [{name: row[name] for name in ("kind", "what", "destination", "count")} for row in rows[:_SHOWN]], as_json=False
    )
    if len(rows) > _SHOWN:
        typer.echo(f"and {len(rows) - _SHOWN} more kinds: --json has all")
    for row in rows[:_SHOWN]:
        typer.echo(f"\n{row['kind']} {row['what']}")
        for one in row["examples"]:
            typer.echo(f"  {one['id']} {one['job'] or ''}")
            for member, change in one["changes"].items():
                typer.echo(f"    {member}: {_side(change, 'before')} → {_side(change, 'after')}")


def _rows(found: Found) -> Iterator[dict[str, Any]]:
    for one, group in found.groups.ordered:
        yield {**one._asdict(), "count": group.count, "examples": [each._asdict() for each in group.examples]}


def _side(change: dict[str, Any], side: str) -> str:
    if not change:
        return "…"
    return orjson.dumps(change[side]).decode() if side in change else "nothing"
