"""`gateway …`: the program. Each command prints a table to a terminal and JSON with `--json`.

Exit codes: 0 done · 1 the thing asked for is not so · 2 wrong usage.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from gateway.cli_brands import brands
from gateway.cli_brands_coverage import coverage_
from gateway.cli_brands_diff import diff
from gateway.cli_brands_golden import golden, mutate
from gateway.cli_brands_held import held_
from gateway.cli_brands_lifecycle import activate_, list_, rollback, show_
from gateway.cli_brands_map import map_
from gateway.cli_brands_schema import schema
from gateway.cli_certify import certify
from gateway.cli_confirmed import reconcile_, unconfirmed
from gateway.cli_deliveries import deliveries
from gateway.cli_destination_secrets import rotate, secret
from gateway.cli_destinations import destinations
from gateway.cli_destinations_changes import backfill_, remove_
from gateway.cli_doctor import doctor
from gateway.cli_keys import keys
from gateway.cli_ledger import ledger
from gateway.cli_operations import operations
from gateway.cli_output import NOT_SO, USAGE, Json, fail, read_settings, show
from gateway.cli_records import records
from gateway.embedded import EmbeddedBroker, EmbeddedBrokerMissingError
from gateway.settings import shown
from gateway.simulation.commands import simulate
from gateway.store.migrate import upgrade
from gateway.store.readiness import NotReady, explained
from gateway.telemetry import start_logging
from gateway.topics import CannotRun, prepare

log = structlog.get_logger(__name__)

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
brands.command("list")(list_)
brands.command("show")(show_)
brands.command("activate")(activate_)
brands.command("rollback")(rollback)
brands.command("diff")(diff)
brands.command("coverage")(coverage_)
brands.command("reconcile")(reconcile_)
brands.command()(golden)
brands.command()(mutate)
brands.command("held")(held_)
brands.command("map")(map_)
brands.command()(schema)
deliveries.command("unconfirmed")(unconfirmed)
destinations.command("backfill")(backfill_)
destinations.command("remove")(remove_)
app.add_typer(brands, name="brands")
app.add_typer(records, name="records")
app.add_typer(deliveries, name="deliveries")
app.add_typer(destinations, name="destinations")
destinations.command()(secret)
destinations.command()(rotate)
app.add_typer(operations, name="operations")
app.add_typer(keys, name="keys")
app.add_typer(simulate, name="simulate")
app.command()(ledger)
app.command()(doctor)
app.command()(certify)


@app.command()
def run(
    role: Annotated[
        list[str] | None, typer.Option(help="consume, relay, clock, edge; repeatable; all by default")
    ] = None,
) -> None:
    """Run the gateway, or some of its roles, until SIGTERM: then what was begun is finished or given back."""
    from gateway import app as composition  # the other commands need not wait for it

    settings = read_settings()
    roles = set(role or composition.ROLES)
    unknown = roles - set(composition.ROLES)
    if unknown:
        fail(f"no such role here: {', '.join(sorted(unknown))} (there are {', '.join(composition.ROLES)})", USAGE)
    start_logging(settings.log_level)
    if settings.kafka_servers is None:
        fail(
            "GATEWAY_KAFKA_SERVERS is not set: host:port,… · `embedded` to try it out · `off` for HTTP alone",
            USAGE,
        )
    try:
        if settings.kafka_servers == "embedded":
            with EmbeddedBroker() as broker:
                log.info("kafka.embedded", servers=broker.servers)
                settings = settings.model_copy(update={"kafka_servers": broker.servers})
                upgrade(settings.database_url)
                asyncio.run(prepare(settings))
                uvloop.run(composition.serve(settings, roles))
        else:
            uvloop.run(composition.serve(settings, roles))
    except (CannotRun, NotReady, EmbeddedBrokerMissingError) as error:
        fail(str(error), NOT_SO)


@app.command()
def demo(
    *,
    stay: Annotated[bool, typer.Option("--stay", help="go on with traffic until Ctrl-C")] = False,
    picture: Annotated[Path | None, typer.Option(help="save the tables of this run as an SVG")] = None,
) -> None:
    """Show the main road on real parts with simulated partners; exit 0 only if everything balances."""
    from gateway.demo.command import run_demo

    if not run_demo(read_settings(), stay=stay, picture=picture):
        raise typer.Exit(NOT_SO)


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables, and make the topics that are missing."""
    settings = read_settings()
    try:
        with explained():
            upgrade(settings.database_url)
        typer.echo("database: up to date")
        if settings.kafka_servers in {None, "off", "embedded"}:
            typer.echo(f"topics: none made, GATEWAY_KAFKA_SERVERS is {settings.kafka_servers or 'not set'}")
            return
        topics = asyncio.run(prepare(settings))
    except (CannotRun, NotReady) as error:
        fail(str(error), NOT_SO)
    typer.echo(f"topics: {len(topics)} there")


@app.command()
def settings(*, json: Json = False) -> None:
    """Print the effective settings with secrets masked, and where each came from."""
    rows = [{"variable": name, "value": value, "from": origin} for name, value, origin in shown(read_settings())]
    show(rows, as_json=json)


def main() -> None:
    """The console script."""
    for word in sys.argv:
        if word != word.encode(errors="replace").decode():
            typer.echo(f"an argument is not UTF-8: {word!a}", err=True)
            sys.exit(USAGE)
    app()
