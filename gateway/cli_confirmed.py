"""What brands confirm: `gateway deliveries unconfirmed`, `gateway brands reconcile`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli_database import ask
from gateway.cli_output import (
    NOT_SO,
    Author,
    Json,
    Limit,
    OfBrand,
    Reason,
    fail,
    insist_on_reason,
    numbers_of,
    plain,
    show,
    show_json,
)
from gateway.core.ids import Kind, canonical_id
from gateway.resending import Preview, WhyNot, reconcile
from gateway.store.deliveries import Operator
from gateway.store.unconfirmed import list_unconfirmed

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.store.database import Database
    from gateway.store.unconfirmed import UnconfirmedView


def unconfirmed(
    *,
    brand: OfBrand = None,
    after: Annotated[str | None, typer.Option(help="only those after this one")] = None,
    limit: Limit = 100,
    json: Json = False,
) -> None:
    """List what was delivered and, for longer than the profile allows, not confirmed, the oldest first."""
    first = numbers_of(Kind.DELIVERY, [after])[0] if after else 0

    async def looked(database: Database) -> list[UnconfirmedView]:
        async with database.snapshot() as connection:
            now = await database.now(connection)
            return await list_unconfirmed(connection, now, brand=brand, after=first, limit=limit)

    show([_row(one) for one in ask(looked)], as_json=json)


def _row(one: UnconfirmedView) -> dict[str, Any]:
    members = plain(asdict(one))
    number, job = canonical_id(Kind.DELIVERY, members.pop("number")), canonical_id(Kind.JOB, members.pop("job"))
    return {"id": number, "job": job, "state": "delivered, not confirmed", **members}


def reconcile_(
    brand: Annotated[str, typer.Argument(help="the brand's name")],
    *,
    destination: Annotated[str | None, typer.Option(help="only to this one of its destinations")] = None,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Compare what a brand has confirmed with what it was sent, and prepare to tell again, as they stand, jobs that
    differ. Nothing is sent before the operation is started.
    """
    operator = Operator(author=author, reason=insist_on_reason(reason))
    show_preview(ask(lambda database: reconcile(database, brand, destination, operator)), as_json=json)


_WORDS = {
    WhyNot.UNKNOWN_DESTINATION: "there is no destination of that name",
    WhyNot.NOT_THE_BRANDS: "the destination is not this brand's",
    WhyNot.NOT_CONFIRMED_THERE: "nobody says there what was applied: `confirms` in the brand's profile",
    WhyNot.NO_FEED: "receipts, acks and messages to customers are not of jobs as they stand",
    WhyNot.REMOVED: "the destination was removed",
    WhyNot.NOT_NAMED_BY_PROFILE: "the brand's profile in force names it no more: it gets nothing new",
}


def show_preview(found: Preview | WhyNot, *, as_json: bool) -> None:
    """What an operation is to do, with its number; exit 1 where nothing could be looked at."""
    if isinstance(found, WhyNot):
        fail(_WORDS[found], NOT_SO)
    rows = [_example(one.job, asdict(one)) for one in found.examples]
    if as_json:
        members = plain(asdict(found))
        show_json({**members, "examples": rows})
        return
    left = f", {found.on_their_way} left out: something is on its way to them" if found.on_their_way else ""
    typer.echo(f"{found.kind} to {', '.join(found.destinations)}: {found.jobs} jobs{left}")
    if found.operation is None:
        return
    show(rows, as_json=False)
    oldest = f", the oldest since {_stamped(found.oldest)}" if found.oldest is not None else ""
    number = canonical_id(Kind.OPERATION, found.operation)
    typer.echo(f"{number} is frozen{oldest}: `gateway operations start {number} --reason …`")


def _example(job: int, members: dict[str, Any]) -> dict[str, Any]:
    return {"job": canonical_id(Kind.JOB, job), **plain({name: it for name, it in members.items() if name != "job"})}


def _stamped(moment: datetime) -> str:
    return str(plain({"at": moment})["at"])
