"""`gateway brands …`: check profiles and bring them into force."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.brands import import_folder
from gateway.cli_output import Author, Json, Reason, read_settings, show
from gateway.mapping.library import check_text
from gateway.mapping.problems import Problem, has_errors
from gateway.store.database import Database

if TYPE_CHECKING:
    from gateway.mapping.profile import Profile

brands = typer.Typer(help="Brand profiles: check, import.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Argument(help="a folder of brands, or one file; GATEWAY_BRANDS by default")]


@brands.command()
def check(path: Folder = None, *, json: Json = False) -> None:
    """Check profiles without using them: shape, coverage, expressions, examples."""
    path = path or read_settings().brands
    files = [path] if path.is_file() else sorted(path.glob("*/profile.v*.yaml"))
    found: list[Problem] = []
    for file in files:
        found += check_text(file.read_text(encoding="utf-8"), file=str(file))[1]
    _show_problems(found, json=json, nothing=f"{len(files)} profiles, no problems")


@brands.command(name="import")
def import_(path: Folder = None, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Import the newest version of each brand of a folder; one that fails its check is left out, and said."""
    settings = read_settings()
    profiles, problems = asyncio.run(_import(settings.database_url, path or settings.brands, author, reason))
    taken = ", ".join(f"{profile.brand} v{profile.version}" for profile in profiles)
    _show_problems(problems, json=json, nothing=f"imported: {taken}")


async def _import(url: str, path: Path, author: str, reason: str) -> tuple[list[Profile], list[Problem]]:
    database = Database(url)
    try:
        return await import_folder(database, path, author=author, reason=reason)
    finally:
        await database.close()


def _show_problems(problems: list[Problem], *, json: bool, nothing: str) -> None:
    rows = [
        {"file": one.file, "line": one.line, "member": one.member, "level": one.level, "problem": one.what}
        for one in problems
    ]
    if problems or json:
        show(rows, as_json=json)
    else:
        typer.echo(nothing)
    if has_errors(tuple(problems)):
        raise typer.Exit(1)
