"""What operators do to destinations: `gateway destinations backfill`, `gateway destinations remove`."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli_confirmed import show_preview
from gateway.cli_database import ask
from gateway.cli_output import NOT_SO, USAGE, Author, Json, Reason, fail, insist_on_reason, show_json
from gateway.inbound.moments import read_moment
from gateway.inbound.unreadable import Unreadable
from gateway.removing import Verdict, remove
from gateway.resending import backfill
from gateway.store.deliveries import Operator

Name = Annotated[str, typer.Argument(help="the destination's name")]


def backfill_(
    name: Name,
    *,
    since: Annotated[str | None, typer.Option(help="only jobs that changed since then (RFC 3339)")] = None,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Prepare to tell a destination, as they stand, its owner's jobs of which it has nothing yet. Nothing is sent
    before the operation is started.
    """
    operator = Operator(author=author, reason=insist_on_reason(reason))
    moment = read_moment(since) if since is not None else None
    if isinstance(moment, Unreadable):
        fail(f"--since {since}: write it as 2026-03-01T00:00:00Z", USAGE)
    show_preview(ask(lambda database: backfill(database, name, moment, operator)), as_json=json)


_WORDS = {
    Verdict.UNKNOWN_DESTINATION: "there is no destination of that name",
    Verdict.ALREADY_REMOVED: "it was removed before",
    Verdict.NOT_A_BRANDS_FEED: "only brands' feeds are removed: work feeds go with their organization, "
    "receipts and notifications are the gateway's own",
    Verdict.NAMED_BY_PROFILE: "the profile in force names it: import a version that does not",
    Verdict.DROPPED_JUST_NOW: "the profile that names it no more came a moment ago: ask again in ten seconds",
}


def remove_(name: Name, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Take a destination out of service that no profile names any more and that nothing is owed to."""
    operator = Operator(author=author, reason=insist_on_reason(reason))
    found = ask(lambda database: remove(database, name, operator))
    if json:
        show_json({"destination": name, "verdict": found.verdict.value, "owed": dict(found.owed)})
    elif found.verdict is Verdict.DONE:
        typer.echo(f"removed: {name}")
    elif found.verdict is Verdict.OWED:
        owed = ", ".join(f"{count} {state}" for state, count in found.owed.items())
        typer.echo(f"owed still: {owed}: let them drain, or skip them", err=True)
    else:
        typer.echo(_WORDS[found.verdict], err=True)
    if found.verdict is not Verdict.DONE:
        raise typer.Exit(NOT_SO)
