"""How commands speak: tables for a terminal, JSON for scripts, one line for what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.core.document import stamp
from gateway.core.ids import Kind, canonical_id, find_number
from gateway.sealing import Sealer
from gateway.settings import Settings, load_settings
from gateway.store.redelivering import ByVersion

Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table")]
Author = Annotated[str, typer.Option(envvar="USER", help="who does it, for the audit row")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="at most so many")]
IN_STATE = typer.Option("--state", help="only in this state; repeatable")
OfBrand = Annotated[str | None, typer.Option("--brand", help="only about this brand's jobs")]
OfJob = Annotated[str | None, typer.Option("--job", help="only about this job")]
Reason = Annotated[str, typer.Option(help="why, for the audit row")]
RenderedBy = Annotated[
    ByVersion, typer.Option("--version", help="what renders a redelivery: the version that decided, or the active one")
]

NOT_SO, USAGE = 1, 2
_WIDEST = 2_000


def fail(message: str, code: int) -> NoReturn:
    """Says on standard error why a command ends, and ends it."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def read_settings() -> Settings:
    """The settings, or the end of the program with every problem."""
    settings = load_settings()
    if isinstance(settings, list):
        fail("\n".join(["settings:", *settings]), USAGE)
    return settings


def get_sealer() -> Sealer:
    """What seals and opens kept secrets, or the end of the program where no key is given."""
    sealer = read_settings().sealer
    if sealer is None:
        fail("GATEWAY_SECRET_KEYS is not set: without it secrets cannot be kept (docs/runbook.md, Keys)", USAGE)
    return sealer


def show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Rows of one shape."""
    if as_json:
        show_json(rows)
        return
    if not rows:
        typer.echo("nothing")
        return
    table = Table()
    for name in rows[0]:
        # An id that is cut off cannot be asked for.
        table.add_column(name, no_wrap=name in {"id", "job", "name"}, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    make_console().print(table)


def make_console() -> Console:
    """As wide as the terminal; where there is none, as wide as what is printed, for whoever searches in it."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDEST)


def show_json(value: object) -> None:
    """One JSON document on standard output."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())


def numbers_of(kind: Kind, texts: Iterable[str]) -> list[int]:
    """The numbers that operators named, as `rec-12` or as `12`; the end of the program where one is neither."""
    numbers = []
    for text in texts:
        number = find_number(kind, text if "-" in text else f"{kind.value}-{text}")
        if number is None:
            fail(f"{text} is no {kind.name.lower()} id: write {kind.value}-12, or 12", USAGE)
        numbers.append(number)
    return sorted(set(numbers))


def insist_on_reason(reason: str, option: str = "--reason") -> str:
    """What somebody does to what others sent or are owed is kept with why."""
    if not reason.strip():
        fail(f"say why, with {option}: it is kept in the audit row", USAGE)
    return reason.strip()


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its moments as text (RFC 3339, in UTC)."""
    return {name: stamp(value.astimezone(UTC)) if isinstance(value, datetime) else value for name, value in row.items()}


def show_one(members: Mapping[str, Any], sections: Mapping[str, Sequence[Mapping[str, Any]]], *, as_json: bool) -> None:
    """One thing, member by member, with the rows that belong to it."""
    if as_json:
        show_json({**members, **sections})
        return
    console = make_console()
    width = max(map(len, members))
    for name, value in members.items():
        if value is not None:
            console.print(f"{name:<{width}}  {value}", markup=False, highlight=False)
    for title, rows in sections.items():
        if rows:
            console.print(f"\n{title}", style="bold")
            show([dict(row) for row in rows], as_json=False)


def show_verdicts(kind: Kind, verdicts: Mapping[int, str], *, as_json: bool) -> None:
    """What came of a verb on each; exit 1 where it was not done on all."""
    rows = [{"id": canonical_id(kind, number), "verdict": str(verdict)} for number, verdict in sorted(verdicts.items())]
    show(rows, as_json=as_json)
    if any(row["verdict"] != "done" for row in rows):
        raise typer.Exit(NOT_SO)
