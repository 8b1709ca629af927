"""`gateway brands …`: check profiles and import them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.brands import Imported, import_folder
from gateway.cli_database import ask
from gateway.cli_output import NOT_SO, USAGE, Author, Json, Reason, fail, plain, read_settings, show, show_json
from gateway.destination_secrets import find_unsigned, make_missing_secrets
from gateway.mapping.library import check_file, read_file
from gateway.mapping.problems import Problem, has_errors
from gateway.store.deliveries import Operator
from gateway.store.profiles import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.store.database import Database

brands = typer.Typer(help="Brand profiles: check, import, bring into force, reconcile.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Argument(help="a folder of brands, or one file; GATEWAY_BRANDS by default")]


@brands.command()
def check(path: Folder = None, *, json: Json = False) -> None:
    """Check profiles without using them: shape, coverage, expressions, examples."""
    path = path or read_settings().brands
    files, found = files_in(path), list[Problem]()
    for file in files:
        found += check_file(file, place=str(file), named=path.is_dir())[1]
    show_problems(found, json=json, nothing=f"profiles checked: {len(files)}, no problems")


@brands.command(name="import")
def import_(
    path: Folder = None,
    *,
    draft: Annotated[bool, typer.Option("--draft", help="keep it, and do not bring it into force")] = False,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Import the newest version of each brand of a folder, or one file; in force it releases what waited for its
    reasons: a first version at once, a later one in three seconds or when it says.

    A version that fails its check is left out, and said; the others come into force. Webhooks without a secret get one.
    """
    settings = read_settings()
    path = path or settings.brands
    files_in(path)
    by, plain_webhooks = Operator(author=author, reason=reason), settings.webhook_plain
    imported = ask(
        lambda database: import_folder(
            database, path, author=author, reason=reason, plain_webhooks=plain_webhooks, draft=draft
        )
    )
    if not json:
        _show_imported(imported)
    signed = sign_webhooks(by, quiet=json)
    if json:
        show_json({**_document(imported), "secrets": signed})
    if has_errors(imported.problems):
        raise typer.Exit(NOT_SO)


def sign_webhooks(operator: Operator, *, quiet: bool) -> list[str]:
    """Makes the secrets that webhooks lack, and says so; the destinations that have one now."""
    sealer = read_settings().sealer
    signed = ask(lambda database: make_missing_secrets(database, sealer, operator)) if sealer else []
    if not quiet:
        for name in signed:
            typer.echo(f"its webhooks are signed now: {name}; `gateway destinations secret {name}` for the partner")
        for name in () if sealer else ask(_unsigned):
            typer.echo(f"nothing signs the webhooks of {name}: set GATEWAY_SECRET_KEYS, and import again")
    return signed


async def _unsigned(database: Database) -> dict[str, int]:
    async with database.snapshot() as connection:
        return await find_unsigned(connection, await database.now(connection))


def profiles_in(path: Path) -> list[Path]:
    """The profiles that `path` names; the end of the program where there is none, or one that cannot be read."""
    files = files_in(path)
    for file in files:
        text = read_file(file, place=str(file))
        if isinstance(text, Problem):
            fail(str(text), NOT_SO)
    return files


def files_in(path: Path) -> list[Path]:
    """The profiles that `path` names, whether or not they can be read; the end of the program where there is none."""
    if not path.exists():
        fail(f"there is no {path}", USAGE)
    files = [path] if path.is_file() else sorted(path.glob("*/profile.v*.yaml"))
    if not files:
        fail(f"no brand in {path} has a profile: name the folder above the brands' folders, or one profile", USAGE)
    return files


def _document(imported: Imported) -> dict[str, Any]:
    rows = [
        {
            "brand": profile.brand,
            "version": profile.version,
            "state": imported.states[profile.brand].value,
            "effective_at": plain(imported.effective).get(profile.brand),
            "released": {
                "records": len(imported.released[profile.brand].records),
                "deliveries": len(imported.released[profile.brand].deliveries),
            },
        }
        for profile in imported.profiles
    ]
    return {"imported": rows, "problems": problem_rows(imported.problems)}


def _show_imported(imported: Imported) -> None:
    if imported.problems:
        show(problem_rows(imported.problems), as_json=False)
    for profile in imported.profiles:
        typer.echo(f"{_standing(imported, profile.brand)}: {profile.brand} v{profile.version}")
        released = imported.released[profile.brand]
        if released.records or released.deliveries:
            more = "" if released.beyond is None else ", and the gateway goes on with the rest"
            typer.echo(f"  released: {len(released.records)} records, {len(released.deliveries)} deliveries{more}")


def _standing(imported: Imported, brand: str) -> str:
    match imported.states[brand]:
        case State.ACTIVE:
            return "in force"
        case State.SCHEDULED:
            return f"in force from {plain(imported.effective)[brand]}"
        case State.DRAFT:
            return "a draft, until `gateway brands activate`"
        case State.RETIRED:
            return "not in force any more, stays so"


def problem_rows(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as commands show them."""
    return [
        {"file": one.file, "line": one.line, "member": one.member, "level": one.level, "problem": one.what}
        for one in problems
    ]


def show_problems(problems: list[Problem], *, json: bool, nothing: str) -> None:
    """The problems, or `nothing` where there are none; the end of the program where there are errors."""
    if problems or json:
        show(problem_rows(problems), as_json=json)
    else:
        typer.echo(nothing)
    if has_errors(tuple(problems)):
        raise typer.Exit(NOT_SO)
