"""`gateway certify <brand>`: tries a partner's webhook, item by item, and writes what came of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.brands import load_library
from gateway.cli_database import ask, look
from gateway.cli_output import NOT_SO, USAGE, Json, fail, read_settings, show, show_json
from gateway.core.signing import NotASecret, read_secret
from gateway.destination_secrets import SigningSecrets
from gateway.store.destinations import load_destinations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.certification.items import Found, Item
    from gateway.certification.report import Report
    from gateway.mapping.profile import Profile
    from gateway.mapping.profile_roads import Destination, Webhook
    from gateway.settings import Settings
    from gateway.store.database import Database


def certify(
    brand: Annotated[str, typer.Argument(help="whose webhook")],
    *,
    destination: Annotated[str | None, typer.Option(help="which; else the one for test work")] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(
            envvar="GATEWAY_CERTIFY_SECRETS",
            help="whsec_…: what signs in place of its own, the newest first; repeatable",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="write a report for both sides, in Markdown")] = None,
    json: Json = False,
) -> None:
    """Run a partner's webhook through a list, with jobs that do not exist; exit 0 only if nothing failed."""
    from gateway.certification.certify import find_webhook  # other commands need not wait for the HTTP client

    settings = read_settings()
    profile = look(load_library).active.get(brand)
    if profile is None:
        fail(f"no profile of {brand} is in force", NOT_SO)
    chosen = find_webhook(profile, destination)
    if isinstance(chosen, str):
        fail(chosen, USAGE)
    if not (settings.webhook_plain or chosen[1].url.startswith("https://")):
        fail(f"{chosen[0].name} is not at https://, and GATEWAY_WEBHOOK_PLAIN does not allow that", NOT_SO)
    signing = secret or ask(lambda database: _own_secrets(database, settings, chosen[0].name))
    if not signing:
        fail(f"nothing signs yet: `gateway destinations secret {chosen[0].name}`, or --secret", NOT_SO)
    _check(signing, report)
    made = asyncio.run(_certify(settings, profile, chosen, signing, quiet=json))
    if report is not None:
        report.write_text(made.markdown(), encoding="utf-8")
    if json:
        show_json(made.document())
    if not made.is_passed:
        raise typer.Exit(NOT_SO)


def _check(secrets: Sequence[str], report: Path | None) -> None:
    """The end of the program where a secret is none, or where the report could not be written at the end."""
    try:
        for one in secrets:
            read_secret(one)
        if report is not None:
            report.open("a", encoding="utf-8").close()
    except NotASecret as error:
        fail(f"--secret: {error}", USAGE)
    except OSError as error:
        fail(f"{report}: {error.strerror}", NOT_SO)


async def _certify(
    settings: Settings, profile: Profile, chosen: tuple[Destination, Webhook], secrets: list[str], *, quiet: bool
) -> Report:
    from gateway.certification.certify import certify_webhook
    from gateway.outbound.dialler import Dialler

    def tell_list(items: Sequence[Item]) -> None:
        if not quiet:
            rows = [{"item": one.name, "sent": one.sent, "expected": one.expected} for one in items]
            show(rows, as_json=False)

    def tell_found(item: Item, found: Found) -> None:
        if not quiet:
            typer.echo(f"{found.verdict.value.replace('_', ' '):<11} {item.name:<34} {found.came}")

    dialler = Dialler(settings.webhook_inside, settings.webhook_ca_file)
    try:
        return await certify_webhook(profile, chosen, secrets, dialler, tell_list, tell_found)
    finally:
        dialler.close()


async def _own_secrets(database: Database, settings: Settings, name: str) -> list[str]:
    """What signs the destination's webhooks, the newest first."""
    signing = SigningSecrets(database, settings.sealer)
    await signing.refresh()
    async with database.snapshot() as connection:
        there = (await load_destinations(connection)).get(name)
    return [] if there is None else list(signing(there.number))
