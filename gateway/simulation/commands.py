"""`gateway simulate …`: one simulated partner, or all of them, until their rounds are over or they are told to end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import typer
from aiokafka.errors import KafkaConnectionError

from gateway.outbound.topics import Cluster, ensure_topics
from gateway.simulation.brand_command import brand
from gateway.simulation.customer import run_customers
from gateway.simulation.edge import NotAnswered, load_edge
from gateway.simulation.ending import until_told
from gateway.simulation.enterprise import NotTold, run_enterprise
from gateway.simulation.polled import Reader, poll
from gateway.simulation.post import Line
from gateway.simulation.provider import run_provider
from gateway.simulation.roads import CONNECT
from gateway.simulation.world import World, load_world

_One_contra = TypeVar("_One_contra", contravariant=True)

simulate = typer.Typer(
    help="Simulated partners: enterprise, provider, customer; or the whole world; a brand's webhook.",
    no_args_is_help=True,
)

Servers = Annotated[str, typer.Option(envvar="GATEWAY_KAFKA_SERVERS", help="host:port,… of the broker")]
Prefix = Annotated[str, typer.Option(envvar="GATEWAY_TOPIC_PREFIX", help="before every topic's name")]
Brands = Annotated[Path, typer.Option(envvar="GATEWAY_BRANDS", help="folder of brand profiles")]
Pace = Annotated[float, typer.Option(min=0.0, help="seconds between two steps of a job")]
First = Annotated[int, typer.Option(min=1, help="the first round's number; later ones read only what is new")]
EdgeFile = Annotated[
    Path | None, typer.Option(help="file with the edge's address and the partners' keys; without: by Kafka")
]
Rounds = Annotated[int, typer.Option(min=0, help="how often every story is told; 0: without end")]

NOT_SO, USAGE = 1, 2
PARTITIONS = 6
SETTLING_SECONDS = 10.0
# Each run on an installation begins with numbers of its own: the minutes since this day.
_FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class _Living(Protocol[_One_contra]):
    """How one partner is played."""

    def __call__(
        self, line: Line, one: _One_contra, world: World, brands: Path, /, *, pace: float, rounds: int
    ) -> Coroutine[Any, Any, None]: ...


def _partner(known: Callable[[World], Mapping[str, _One_contra]], live: _Living[_One_contra]) -> Callable[..., None]:
    """The command of one partner of the world, by its name."""

    def partner(
        name: Annotated[str, typer.Argument(help="its name in the world")],
        *,
        servers: Servers,
        prefix: Prefix = "gateway.",
        brands: Brands = Path("contracts/brands"),
        pace: Pace = 0.2,
        rounds: Rounds = 1,
        first: First = 1,
        edge: EdgeFile = None,
    ) -> None:
        world = load_world()
        one = known(world).get(name)
        if one is None:
            _unknown(name, known(world))
        elif edge is None and world.roads[name] == CONNECT:
            typer.echo(f"{name} speaks Dispatch Connect: say where with --edge", err=True)
            raise typer.Exit(USAGE)
        else:
            line = Line(servers, prefix, first, load_edge(edge) if edge else None)
            _run(live(line, one, world, brands, pace=pace, rounds=rounds))

    return partner


simulate.command(
    "enterprise",
    help="An enterprise: offers jobs of its brands, withdraws and changes them; ends when all stories are told.",
)(_partner(lambda world: world.enterprises, run_enterprise))
simulate.command("provider", help="A provider: works on what its work feed brings; ends when it is told to.")(
    _partner(lambda world: world.providers, run_provider)
)


simulate.command()(brand)


@simulate.command()
def customer(
    servers: Servers, prefix: Prefix = "gateway.", pace: Pace = 0.2, rounds: Rounds = 1, first: First = 1
) -> None:
    """The customers: they book and answer surveys; end when they are told to."""
    _run(run_customers(Line(servers, prefix, first), load_world(), pace=pace, rounds=rounds))


@simulate.command()
def poller(
    name: Annotated[str, typer.Argument(help="its name in the world")],
    edge: Annotated[Path, typer.Option(help="file with the edge's address and the partners' keys")],
) -> None:
    """A partner's client that only fetches what it is owed; ends when it is told to."""
    _run(poll(load_edge(edge), name, Reader(load_world()), lambda _: None))


@simulate.command()
def world(
    servers: Servers, prefix: Prefix = "gateway.", brands: Brands = Path("contracts/brands"), pace: Pace = 1.0
) -> None:
    """Everybody who speaks Kafka, at once, without end: traffic for an installation to be tried out with."""
    minutes = int(time.time() - _FIRST_DAY.timestamp()) // 60
    _run(_live(Line(servers, prefix, minutes), brands, pace))


async def _live(line: Line, brands: Path, pace: float) -> None:
    everybody = load_world()
    enterprises = [one for one in everybody.enterprises.values() if one.road != CONNECT]
    providers = [one for one in everybody.providers.values() if one.road != CONNECT]
    topics = [topic for one in providers for topic in (one.topic, f"work.{one.handle}.v1")]
    cluster = Cluster(servers=line.servers, partitions=PARTITIONS)
    await ensure_topics(cluster, [f"{line.prefix}{topic}" for topic in topics], within=SETTLING_SECONDS)
    async with asyncio.TaskGroup() as living:
        for provider in providers:
            living.create_task(run_provider(line, provider, everybody, brands, pace=pace, rounds=0))
        living.create_task(run_customers(line, everybody, pace=pace, rounds=0))
        # Offers wait until the providers listen.
        await asyncio.sleep(SETTLING_SECONDS)
        for enterprise in enterprises:
            living.create_task(run_enterprise(line, enterprise, everybody, brands, pace=pace, rounds=0))


def _unknown(name: str, known: Any) -> None:
    typer.echo(f"nobody is called {name} here; there are {', '.join(known)}", err=True)
    raise typer.Exit(USAGE)


def _run(living: Coroutine[Any, Any, None]) -> None:
    """Runs a partner until it ends, or SIGTERM or SIGINT ends it."""
    try:
        asyncio.run(until_told(living))
    except* (NotTold, NotAnswered) as group:
        for error in group.exceptions:
            typer.echo(str(error), err=True)
        raise typer.Exit(NOT_SO) from None
    except* KafkaConnectionError:
        typer.echo("the broker does not answer: check --servers (GATEWAY_KAFKA_SERVERS)", err=True)
        raise typer.Exit(NOT_SO) from None
