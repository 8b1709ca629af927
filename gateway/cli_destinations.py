"""`gateway destinations …`: where documents go, how each of them fares, and how operators stop and start them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from gateway.cli_database import ask
from gateway.cli_output import NOT_SO, Author, Json, Reason, fail, insist_on_reason, plain, show, show_one
from gateway.outbound.breaker import resumed
from gateway.outbound.throttle import throttle_of
from gateway.store.backlogs import Backlog, load_backlogs
from gateway.store.bulk import notify
from gateway.store.deliveries import Operator
from gateway.store.destinations import load_destinations
from gateway.store.operators import find_actions
from gateway.store.outbox import CHANNEL
from gateway.store.standings import pause, resume

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gateway.store.database import Database

destinations = typer.Typer(
    help="Destinations: list, show, pause, resume, secret, rotate, backfill, remove.", no_args_is_help=True
)

# As much as a terminal has room for; `show` has the rest.
_LISTED = ("name", "kind", "state", "reason", "owed", "lanes", "stuck", "claimed", "oldest", "allowed", "drains_in")

Name = Annotated[str, typer.Argument(help="its name, as `gateway destinations list` has it")]


@destinations.command("list")
def list_(*, json: Json = False) -> None:
    """List destinations: their states, what is allowed, used, waiting and stuck, and when they will have caught up."""

    async def read(database: Database) -> list[dict[str, Any]]:
        async with database.snapshot() as connection:
            now = await database.now(connection)
            return [_members(one, now) for one in await load_backlogs(connection, now)]

    rows = ask(read)
    show(rows if json else [{name: row[name] for name in _LISTED} for row in rows], as_json=json)


@destinations.command("show")
def show_(name: Name, *, json: Json = False) -> None:
    """Show one destination with its settings and what was done to it."""

    async def read(database: Database) -> tuple[dict[str, Any], list[Mapping[str, Any]]] | None:
        async with database.snapshot() as connection:
            now = await database.now(connection)
            for one in await load_backlogs(connection, now, name):
                actions = await find_actions(connection, "destination", one.destination.number)
                members = {**_members(one, now), "settings": one.destination.settings}
                return members, [{key: each[key] for key in ("at", "author", "verb", "reason")} for each in actions]
        return None

    found = ask(read)
    if found is None:
        fail(f"there is no destination {name}", NOT_SO)
    members, actions = found
    if not json:
        members["settings"] = orjson.dumps(members["settings"]).decode()
    show_one(members, {"actions": [plain(one) for one in actions]}, as_json=json)


@destinations.command("pause")
def pause_(name: Name, *, author: Author = "unknown", reason: Reason = "") -> None:
    """Send a destination nothing more until it is resumed; everything stays owed."""
    _move(name, author, reason, verb="pause")


@destinations.command("resume")
def resume_(name: Name, *, author: Author = "unknown", reason: Reason = "") -> None:
    """Send to a destination again, whatever had stopped it; what waited comes in a ramp."""
    _move(name, author, reason, verb="resume")


def _move(name: str, author: str, reason: str, *, verb: str) -> None:
    operator = Operator(author=author, reason=insist_on_reason(reason))

    async def work(database: Database) -> str | None:
        async with database.transaction() as connection:
            one = (await load_destinations(connection)).get(name)
            if one is None:
                return f"there is no destination {name}"
            now = await database.now(connection)
            if verb == "pause":
                is_done = await pause(connection, one.number, operator, now)
            else:
                is_done = await resume(connection, one.number, operator, now, resumed(now.timestamp()).kept())
                await notify(connection, CHANNEL)
            return None if is_done else f"{name} is {one.state} already"

    refused = ask(work)
    if refused is not None:
        fail(refused, NOT_SO)
    typer.echo(f"{name} is {'paused: what is owed to it waits' if verb == 'pause' else 'active'}")


def _members(one: Backlog, now: datetime) -> dict[str, Any]:
    whose = one.destination
    return {
        "name": whose.name,
        "kind": whose.kind,
        "owner": whose.owner,
        "audience": whose.audience.value,
        **plain({"state": whose.state, "reason": one.reason, "since": one.since}),
        **plain({"owed": one.owed, "lanes": one.lanes, "stuck": one.stuck, "claimed": one.claimed}),
        **plain({"oldest": one.oldest}),
        **plain(asdict(throttle_of(one, now))),
    }
