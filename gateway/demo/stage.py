"""Everything that runs during a demo: a broker, a database of its own, the gateway, the simulated partners."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from gateway.brands import import_folder
from gateway.children import Child, free_port
from gateway.demo.folders import kept_secret_keys, own_folder
from gateway.demo.webhook_brand import WebhookBrand, set_webhook
from gateway.embedded import EmbeddedBroker
from gateway.keys import Wanted, create_key
from gateway.outbound.topics import ensure_topics
from gateway.settings import Settings
from gateway.simulation.roads import KAFKA, V1
from gateway.simulation.world import World, load_world
from gateway.store.database import Database
from gateway.store.deliveries import Operator
from gateway.store.keys import CallerKind
from gateway.store.migrate import upgrade
from gateway.topics import make_cluster, prepare

PARTITIONS = 2
MARGIN_SECONDS = 1
TOPICS_SECONDS = 20.0
COMMAND_SECONDS = 60.0
_EDGE_FILE, _TOKEN_FILE = "edge.json", "token"
_SENT = re.compile(r"^sent (\d+) records$", re.MULTILINE)


class StageFailed(Exception):
    """Why the demo cannot go on; a sentence."""


@dataclass(slots=True)
class Stage:
    """The parts of one demo. `partners` end when the stage is left, whatever happens."""

    folder: Path
    settings: Settings
    environment: dict[str, str]
    world: World
    webhook: WebhookBrand
    gateway: Child
    partners: list[Child] = field(default_factory=list)
    sent_before: int = 0

    @property
    def brands(self) -> Path:
        return self.settings.brands

    @property
    def edge_file(self) -> Path:
        """What partners that speak HTTP are told: the address, and their keys."""
        return self.folder / _EDGE_FILE

    @property
    def token_file(self) -> Path:
        """A token to try the edge with: that of the first who speaks `/v1`."""
        return self.folder / _TOKEN_FILE

    @property
    def url(self) -> str:
        """Where the edge listens."""
        return f"http://{self.settings.http_host}:{self.settings.http_port}"

    def start_partner(self, kind: str, *name: str, pace: float, first: int = 1, rounds: int = 1) -> Child:
        """One simulated partner as a process."""
        said = [kind, *name, "--pace", str(pace), "--first", str(first), "--rounds", str(rounds)]
        if name:
            said += ["--edge", str(self.edge_file)]
        return self._start(said, f"{'-'.join((kind, *name))}-{first}.log")

    def start_pollers(self, names: Iterable[str]) -> None:
        """Clients that fetch what these are owed, after they themselves have ended."""
        for name in names:
            self._start(["poller", name, "--edge", str(self.edge_file)], f"poller-{name}.log")

    def _start(self, said: list[str], log: str) -> Child:
        # The same as `gateway simulate …`, without loading all of the gateway for it.
        argv = [sys.executable, "-m", "gateway.simulation", *said]
        child = Child(f"the simulated {said[0]}", argv, self.folder / log, env=self.environment)
        child.start()
        self.partners.append(child)
        return child

    def stop_partners(self) -> None:
        """Lets them end, and counts what they sent."""
        for child in self.partners:
            child.stop(within=5)
            found = _SENT.search(child.log_tail(50))
            self.sent_before += int(found.group(1)) if found else 0
        self.partners.clear()

    def check_alive(self) -> None:
        """The gateway must be there for anything to happen."""
        if not self.gateway.is_alive:
            raise StageFailed(f"the gateway has ended\n{self.gateway.log_tail()}")

    async def command(self, *words: str) -> tuple[int, str]:
        """Runs `gateway …`; returns its exit code and what it printed."""
        run = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway",
            *words,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                output, errors = await run.communicate()
        except TimeoutError:
            run.kill()
            raise StageFailed(f"gateway {' '.join(words)}: took more than {COMMAND_SECONDS:.0f} s") from None
        return run.returncode or 0, (output or errors).decode()

    async def ask(self, *words: str) -> Any:
        """What `gateway … --json` answers."""
        _, text = await self.command(*words, "--json")
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            raise StageFailed(f"gateway {' '.join(words)}: {text.strip()}") from None


@contextmanager
def set_stage(settings: Settings, root: Path) -> Iterator[Stage]:
    """A fresh folder below `root`, the broker, migrated tables, imported brands, topics, and the gateway running."""
    if not settings.brands.is_dir():
        raise StageFailed(f"no brand profiles in {settings.brands}: run the demo in the project's folder")
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(root))
        shutil.copytree(settings.brands, folder / "brands", ignore=shutil.ignore_patterns("golden*", "inbound"))
        world = load_world()
        webhook = set_webhook(folder, world)
        settings = _own(settings, folder, webhook, _servers(settings, folder, stack))
        if settings.secret_keys is None:
            settings = settings.model_copy(update={"secret_keys": SecretStr(kept_secret_keys(root))})
        environment = _environment(settings)
        upgrade(settings.database_url)
        keys = asyncio.run(_prepare(settings, world))
        gateway = Child(
            "the gateway", [sys.executable, "-m", "gateway", "run"], folder / "gateway.log", env=environment
        )
        stage = Stage(folder, settings, environment, world, webhook, gateway)
        _write_for_owner(stage.edge_file, orjson.dumps({"url": stage.url, "keys": keys}))
        _write_for_owner(stage.token_file, keys[world.first_by(V1)]["token"].encode())
        stack.enter_context(gateway)
        stack.callback(stage.stop_partners)
        yield stage


def _servers(settings: Settings, folder: Path, stack: ExitStack) -> str:
    if settings.kafka_servers not in {None, "embedded", "off"}:
        return str(settings.kafka_servers)
    return stack.enter_context(EmbeddedBroker(log=folder / "broker.log")).servers


def _own(settings: Settings, folder: Path, webhook: WebhookBrand, servers: str) -> Settings:
    """The settings with what a demo has for itself alone: database, topics, brands, a webhook, a short margin."""
    embedded = settings.kafka_servers in {None, "embedded", "off"}
    prefix = settings.topic_prefix if embedded else f"demo-{uuid.uuid4().hex[:6]}."
    return settings.model_copy(
        update={
            "database_url": f"sqlite+aiosqlite:///{folder / 'gateway.db'}",
            "kafka_servers": servers,
            "kafka_partitions": PARTITIONS,
            "topic_prefix": prefix,
            "consumer_group": f"{prefix}gateway",
            "brands": folder / "brands",
            "expiry_margin_seconds": MARGIN_SECONDS,
            "http_host": "127.0.0.1",
            "http_port": free_port(),
            "webhook_networks": "127.0.0.0/8",
            "webhook_ca_file": webhook.ca_file,
        }
    )


def _environment(settings: Settings) -> dict[str, str]:
    names = (
        "database_url",
        "kafka_servers",
        "kafka_partitions",
        "topic_prefix",
        "consumer_group",
        "brands",
        "expiry_margin_seconds",
        "http_host",
        "http_port",
        "webhook_networks",
        "webhook_ca_file",
    )
    told = {f"GATEWAY_{name.upper()}": str(getattr(settings, name)) for name in names}
    if settings.secret_keys is not None:
        told["GATEWAY_SECRET_KEYS"] = settings.secret_keys.get_secret_value()
    return {**os.environ, **told}


async def _prepare(settings: Settings, world: World) -> dict[str, dict[str, str]]:
    """Brands, keys and topics, as the commands make them; providers' topics besides. Returns the keys."""
    database = Database(settings.database_url)
    try:
        imported = await import_folder(database, settings.brands, author="demo", reason="the first versions")
        if imported.problems:
            raise StageFailed("; ".join(f"{one.file}: {one.what}" for one in imported.problems))
        keys = await _make_keys(database, settings, world)
    finally:
        await database.close()
    await prepare(settings)
    by_topic = [provider for provider in world.providers.values() if provider.road == KAFKA]
    names = [provider.topic for provider in by_topic]
    names += [f"{feed}.{provider.handle}.v1" for provider in by_topic for feed in ("work", "receipts")]
    topics = [f"{settings.topic_prefix}{name}" for name in names]
    refused = await ensure_topics(make_cluster(settings), topics, within=TOPICS_SECONDS)
    if refused:
        raise StageFailed(f"the broker makes no topics: {', '.join(refused)}")
    return keys


async def _make_keys(database: Database, settings: Settings, world: World) -> dict[str, dict[str, str]]:
    """A key for everybody who speaks HTTP, by name."""
    if settings.sealer is None:
        raise StageFailed("there is no key to seal the partners' secrets with")
    by = Operator(author="demo", reason="speaks HTTP")
    kinds = dict.fromkeys(world.enterprises, CallerKind.ACCOUNT) | dict.fromkeys(
        world.providers, CallerKind.ORGANIZATION
    )
    keys = {}
    for name, road in world.roads.items():
        if road != KAFKA:
            issued = await create_key(database, settings.sealer, Wanted(kind=kinds[name], owner=name), by)
            keys[name] = {"key": issued.key, "secret": issued.secret or "", "token": issued.token}
    return keys


def _write_for_owner(file: Path, content: bytes) -> None:
    file.touch(mode=0o600)
    file.write_bytes(content)


@contextlib.asynccontextmanager
async def opened(stage: Stage) -> AsyncIterator[Database]:
    """The demo's database."""
    database = Database(stage.settings.database_url)
    try:
        yield database
    finally:
        await database.close()
