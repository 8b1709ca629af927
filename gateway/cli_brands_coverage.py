"""`gateway brands coverage`: what becomes of everything that brands can be told, and where nothing would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from gateway.cli_brands import files_in
from gateway.cli_output import NOT_SO, USAGE, Json, fail, make_console, read_settings, show, show_json
from gateway.coverage_shown import SIGNS, becomes, destinations_of, folded, marks, reason_of, rows, to_csv, to_html
from gateway.mapping.check import check_profile
from gateway.mapping.coverage import Coverage, Fate, cover
from gateway.mapping.library import newest_files, read_file
from gateway.mapping.problems import Level
from gateway.mapping.profile import Profile, parse_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.mapping.problems import Problem

_LISTS = ("complete_reasons", "decline_reasons", "cancel_reasons")
_MOST_NAMED = 6

Folder = Annotated[Path | None, typer.Argument(help="a folder of brands, or one file; GATEWAY_BRANDS by default")]
Of = Annotated[list[str] | None, typer.Option("--brand", help="only this brand; repeatable")]
Page = Annotated[Path | None, typer.Option("--html", help="write it as one page, too", dir_okay=False)]
Sheet = Annotated[
    Path | None, typer.Option("--csv", help="write it with a row for each combination, too", dir_okay=False)
]


def coverage_(
    path: Folder = None, *, brand: Of = None, html: Page = None, csv: Sheet = None, json: Json = False
) -> None:
    """Show what becomes of every event, standing and reason: sent as what, held, refused, or missing (exit 1).

    Of each brand its newest version: one brand in full, several as counts with what is missing.
    """
    covered, problems = _covered(path or read_settings().brands, brand or [])
    for file, text in ((html, to_html), (csv, to_csv)):
        if file is not None:
            _write(file, text(covered))
    for problem in problems:
        typer.echo(str(problem), err=True)
    if json:
        show_json([row for each in covered for row in rows(each)])
    elif len(covered) == 1:
        _show_one(covered[0])
    else:
        _show_several(covered)
    if problems or any(each.holes for each in covered):
        raise typer.Exit(NOT_SO)


def _covered(path: Path, wanted: list[str]) -> tuple[list[Coverage], list[Problem]]:
    covered: list[Coverage] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    files_in(path)
    for file in newest_files(path):
        text = read_file(file, place=str(file))
        profile = parse_profile(text, file=str(file)) if isinstance(text, str) else (text,)
        name = profile.brand if isinstance(profile, Profile) else file.parent.name
        if wanted and name not in wanted:
            continue
        seen.add(name)
        unfit = _unfit(profile, file)
        problems += unfit
        if isinstance(profile, Profile) and not unfit:
            covered.append(cover(profile))
    for name in sorted(set(wanted) - seen):
        fail(f"there is no brand {name} in {path}", USAGE)
    return covered, problems


def _unfit(profile: Profile | tuple[Problem, ...], file: Path) -> list[Problem]:
    """What keeps a profile from being looked at: its shape, or reasons that cannot be told apart."""
    if not isinstance(profile, Profile):
        return [*profile]
    found = check_profile(profile, str(file))
    return [each for each in found if each.level is Level.ERROR and each.member.startswith(_LISTS)]


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}", USAGE)
    typer.echo(f"written: {file}", err=True)


def _show_one(coverage: Coverage) -> None:
    console = make_console()
    destinations = destinations_of(coverage)
    several = len(destinations) > 1
    table = Table()
    for name in ("event", "job stands", "becomes", "reasons", *(["to"] if several else [])):
        table.add_column(name, overflow="fold")
    before: tuple[str, str] | None = None
    for cell, reasons in folded(coverage):
        kind, stands = cell.happening.type.value, str(cell.happening.standing)
        if before is not None and before[0] != kind:
            table.add_section()
        told = [marks(cell, destinations)] if several else []
        texts = (
            "" if before is not None and before[0] == kind else kind,
            "" if before == (kind, stands) else stands,
            f"{SIGNS[cell.fate]} {becomes(cell)}",
            _named(reasons),
            *told,
        )
        table.add_row(*(Text(text) for text in texts), style="bold red" if cell.fate is Fate.MISSING else None)
        before = (kind, stands)
    console.print(table)
    if several:
        told_of = "  ".join(f"{number} {name}" for number, name in enumerate(destinations, start=1))
        console.print(f"to: {told_of}  (* only when the job's status changes)", markup=False, highlight=False)
    console.print(f"{coverage.brand} v{coverage.version}: {_counted(coverage)}", markup=False, highlight=False)


def _named(reasons: tuple[str, ...]) -> str:
    texts = [reason or "(none)" for reason in reasons]
    if texts == ["(none)"]:
        return ""
    left = len(texts) - _MOST_NAMED
    return ", ".join(texts) if left <= 0 else f"{', '.join(texts[:_MOST_NAMED])} and {left} more"


def _counted(coverage: Coverage) -> str:
    return ", ".join(f"{count} {fate.value.replace('_', ' ')}" for fate, count in coverage.counts.items())


def _show_several(covered: list[Coverage]) -> None:
    show(
        [
            {"brand": each.brand, "version": each.version, **{str(f): n for f, n in each.counts.items()}}
            for each in covered
        ],
        as_json=False,
    )
    missing = [row for each in covered for row in _missing(each)]
    if missing:
        show(missing, as_json=False)


def _missing(coverage: Coverage) -> Iterator[dict[str, str]]:
    for cell in coverage.holes:
        yield {
            "brand": coverage.brand,
            "event": cell.happening.type.value,
            "job stands": str(cell.happening.standing),
            "reason": reason_of(cell),
            "missing": cell.why,
        }
