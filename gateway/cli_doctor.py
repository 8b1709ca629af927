"""`gateway doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from gateway.cli_output import NOT_SO, Json, make_console, read_settings, show_json
from gateway.doctor import examine
from gateway.finding import Finding, Level

_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.PROBLEM: "red"}


def doctor(*, json: Json = False) -> None:
    """Look at database, Kafka, profiles and whatever waits; say what to do. Exit 1 where something does not work."""
    findings = asyncio.run(examine(read_settings()))
    if json:
        show_json([asdict(one) for one in findings])
    else:
        _print(findings)
    if any(one.level is Level.PROBLEM for one in findings):
        raise typer.Exit(NOT_SO)


def _print(findings: list[Finding]) -> None:
    table = Table("", "what", "found", "what to do")
    for one in findings:
        table.add_row(Text(one.level, style=_COLOURS[one.level]), one.subject, Text(one.found), Text(one.remedy))
    make_console().print(table)
