"""How commands speak: tables for a terminal, JSON for scripts, one line for what went wrong."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table

from gateway.settings import Settings, load_settings

Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table")]
Author = Annotated[str, typer.Option(envvar="USER", help="who does it, for the audit row")]
Reason = Annotated[str, typer.Option(help="why, for the audit row")]

USAGE = 2


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


def show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Rows of one shape."""
    if as_json:
        show_json(rows)
        return
    table = Table(*rows[0].keys()) if rows else Table("nothing")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)


def show_json(value: object) -> None:
    """One JSON document on standard output."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
