"""`gateway destinations secret` and `rotate`: what signs the webhooks of a destination, for whoever hands it on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli_database import ask
from gateway.cli_output import NOT_SO, Author, Json, Reason, fail, get_sealer, plain, show_json
from gateway.destination_secrets import NoSuchWebhook, SigningSecret, rotate_secret, show_secret
from gateway.sealing import CannotOpen
from gateway.store.deliveries import Operator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.store.database import Database

Name = Annotated[str, typer.Argument(metavar="NAME", help="the webhook's name: `gateway destinations list`")]


def secret(name: Name, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Show the secret that signs a destination's webhooks; make it where there is none."""
    by, sealer = Operator(author=author, reason=reason.strip()), get_sealer()
    _tell(_ask(lambda database: show_secret(database, sealer, name, by)), as_json=json)


def rotate(
    name: Name,
    *,
    overlap: Annotated[int, typer.Option(min=0, max=720, help="hours for which the old secret signs, too")] = 24,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Make a new secret for a destination's webhooks. The old one signs beside it until the overlap ends."""
    by, sealer, hours = Operator(author=author, reason=reason.strip()), get_sealer(), timedelta(hours=overlap)
    _tell(_ask(lambda database: rotate_secret(database, sealer, name, hours, by)), as_json=json)


def _ask(work: Callable[[Database], Awaitable[SigningSecret]]) -> SigningSecret:
    try:
        return ask(work)
    except (NoSuchWebhook, CannotOpen) as error:
        fail(str(error), NOT_SO)


def _tell(told: SigningSecret, *, as_json: bool) -> None:
    members = plain(
        {"destination": told.destination, "secret": told.secret, "new": told.is_new, "others_until": told.expires_at}
    )
    if as_json:
        show_json(members)
        return
    typer.echo(told.secret)
    if told.expires_at is not None:
        typer.echo(f"those before it sign until {members['others_until']}", err=True)
    elif told.is_new:
        typer.echo("it is new: the partner needs it", err=True)
