"""`gateway destinations …`: where documents go, and how each of them fares."""

from __future__ import annotations

import typer

from gateway.cli_database import look
from gateway.cli_output import Json, show
from gateway.store.destinations import load_destinations

destinations = typer.Typer(help="Destinations: list, backfill, remove.", no_args_is_help=True)


@destinations.command("list")
def list_(*, json: Json = False) -> None:
    """List destinations with their states."""
    rows = [
        {"name": one.name, "kind": one.kind, "owner": one.owner, "audience": one.audience.value, "state": one.state}
        for one in look(load_destinations).values()
    ]
    show(rows, as_json=json)
