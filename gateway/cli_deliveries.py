"""`gateway deliveries …`: what is owed to whom, or to nobody; what became of it, and what an operator may do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.brands import load_library
from gateway.cli_database import ask, look
from gateway.cli_output import (
    IN_STATE,
    NOT_SO,
    Author,
    Json,
    Limit,
    OfBrand,
    OfJob,
    Reason,
    RenderedBy,
    fail,
    insist_on_reason,
    numbers_of,
    plain,
    show,
    show_one,
    show_verdicts,
)
from gateway.core.ids import Kind, canonical_id
from gateway.inbound.operating import do_at_once, verbs_of_rows
from gateway.store.deliveries import Operator
from gateway.store.delivery_queries import (
    DeliveryState,
    DeliveryView,
    UnmatchedView,
    find_delivery,
    list_deliveries,
    list_unmatched,
)
from gateway.store.redelivering import ByVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.mapping.profile import Profile
    from gateway.store.database import Database
    from gateway.store.operations import Verb

deliveries = typer.Typer(
    help="Deliveries: list, show, unmatched, unconfirmed, reopen, skip, redeliver.", no_args_is_help=True
)

Named = Annotated[list[str], typer.Argument(help="dlv-12 or 12, as many as you like")]

_LISTED = (
    "id",
    "state",
    "reason",
    "destination",
    "event_type",
    "job",
    "jobversion",
    "attempts",
    "waits_kind",
    "waits_text",
    "due_at",
)


@deliveries.command("list")
def list_(
    *,
    state: Annotated[list[DeliveryState] | None, IN_STATE] = None,
    destination: Annotated[str | None, typer.Option(help="only to the destination of this name")] = None,
    brand: OfBrand = None,
    job: OfJob = None,
    after: Annotated[str | None, typer.Option(help="only those after this one")] = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List deliveries, the oldest first."""
    of_job = numbers_of(Kind.JOB, [job])[0] if job else None
    first = numbers_of(Kind.DELIVERY, [after])[0] if after else 0
    found = look(
        lambda connection: list_deliveries(
            connection,
            states=state or (),
            destination_name=destination,
            brand=brand,
            job=of_job,
            after=first,
            limit=limit,
        )
    )
    rows = [_members(one) for one in found]
    show(rows if json else [{name: row[name] for name in _LISTED} for row in rows], as_json=json)


@deliveries.command("show")
def show_(number: Annotated[str, typer.Argument(help="dlv-12, or 12")], *, json: Json = False) -> None:
    """Show one delivery with its attempts and what operators did to it. A first try that succeeded is no attempt."""
    (wanted,) = numbers_of(Kind.DELIVERY, [number])
    history = look(lambda connection: find_delivery(connection, wanted))
    if history is None:
        fail(f"there is no {canonical_id(Kind.DELIVERY, wanted)}", NOT_SO)
    sections = {
        "attempts": [_without(plain(one), "delivery") for one in history.attempts],
        "actions": [plain({name: one[name] for name in ("at", "author", "verb", "reason")}) for one in history.actions],
    }
    show_one(_members(history.delivery), sections, as_json=json)


@deliveries.command("unmatched")
def unmatched_(
    *,
    brand: OfBrand = None,
    after: Annotated[str | None, typer.Option(help="only those after this event")] = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List events that no destination is owed, and why each that could have had them did not want them."""
    first = numbers_of(Kind.EVENT, [after])[0] if after else 0
    found = look(lambda connection: list_unmatched(connection, brand=brand, after=first, limit=limit))
    rows = [_unmatched(one) for one in found]
    if not json:
        rows = [{**row, "unmatched": _in_words(row["unmatched"])} for row in rows]
    show(rows, as_json=json)


def _unmatched(view: UnmatchedView) -> dict[str, Any]:
    members = plain(asdict(view))
    job = members.pop("job")
    return {
        "id": canonical_id(Kind.EVENT, members.pop("number")),
        "job": canonical_id(Kind.JOB, job) if job is not None else None,
        **members,
    }


def _in_words(unmatched: dict[str, str]) -> str:
    return ", ".join(f"{name}: {why}" for name, why in unmatched.items()) or "no destination"


@deliveries.command("reopen")
def reopen_(numbers: Named, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Return dead deliveries to their places, to be tried again."""
    _do("reopen", numbers, author, reason, json=json)


@deliveries.command("redeliver")
def redeliver_(
    numbers: Named,
    *,
    version: RenderedBy = ByVersion.DECIDED,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Send delivered ones again, behind all that is owed; only what is the latest there of its job."""
    verb: Verb = "redeliver_by_active" if version is ByVersion.ACTIVE else "redeliver"
    _do(verb, numbers, author, reason, json=json)


@deliveries.command("skip")
def skip_(numbers: Named, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Give deliveries up that are pending, held or dead; what is behind them goes on."""
    _do("skip", numbers, author, reason, json=json)


def _do(verb: Verb, numbers: list[str], author: str, reason: str, *, json: bool) -> None:
    wanted = numbers_of(Kind.DELIVERY, numbers)
    operator = Operator(author=author, reason=insist_on_reason(reason))
    done = ask(lambda database: _done(database, verb, wanted, operator))
    show_verdicts(Kind.DELIVERY, done, as_json=json)


async def _done(database: Database, verb: Verb, wanted: list[int], operator: Operator) -> dict[int, str]:
    active: Mapping[str, Profile] = {}
    if verb == "redeliver_by_active":
        async with database.snapshot() as connection:
            active = (await load_library(connection)).active
    return await do_at_once(database, verbs_of_rows(database, active), verb, wanted, operator)


def _members(view: DeliveryView) -> dict[str, Any]:
    members = plain(asdict(view))
    job = members["job"]
    by = members.pop("superseded_by")
    return {
        "id": canonical_id(Kind.DELIVERY, members.pop("number")),
        **members,
        "event": canonical_id(Kind.EVENT, members["event"]),
        "job": canonical_id(Kind.JOB, job) if job is not None else None,
        "superseded_by": canonical_id(Kind.DELIVERY, by) if by is not None else None,
    }


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {member: value for member, value in row.items() if member != name}
