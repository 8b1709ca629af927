"""`gateway brands schema`: the JSON Schema of profiles, for editors."""

from __future__ import annotations

import typer

from gateway.mapping.profile_schema import schema_text


def schema() -> None:
    """Print the JSON Schema of a profile: with it an editor completes members and shows mistakes while you type."""
    typer.echo(schema_text(), nl=False)
