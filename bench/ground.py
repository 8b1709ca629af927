"""What a benchmark stands on: a PostgreSQL and a Kafka of its own, processes, and the CPU time that each used."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.store.migrate import upgrade
from tests.brokers import choose_broker, create_topics
from tests.databases import PostgresTemplates, choose_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKS = os.sysconf("SC_CLK_TCK")
ACCOUNT, BRAND = "evergreen-warranty", "harborline"
PARTITIONS = 6


@dataclass
class Ground:
    """Running servers, and an empty migrated database per run. Kafka starts when a run first needs it."""

    templates: PostgresTemplates
    stack: contextlib.ExitStack

    @cached_property
    def kafka(self) -> str:
        broker = choose_broker(require_apache=True)
        self.stack.callback(broker.close)
        return broker.servers

    @contextlib.contextmanager
    def run(self, *, broker: bool = True, **settings: str) -> Iterator[Run]:
        """A database and a topic prefix for one run. `settings` are variables of its processes."""
        with self.templates.fresh() as url:
            yield Run(url, self.kafka if broker else "off", f"b{uuid.uuid4().hex[:8]}.", settings)


@dataclass
class Run:
    """Where one run happens."""

    database_url: str
    kafka: str
    prefix: str
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "GATEWAY_DATABASE_URL": self.database_url,
            "GATEWAY_KAFKA_SERVERS": self.kafka,
            "GATEWAY_TOPIC_PREFIX": self.prefix,
            "GATEWAY_CONSUMER_GROUP": self.prefix,
            **self.settings,
        }

    def prepare(self) -> None:
        """Profiles and topics, as an operator would make them."""
        self.command("brands", "import", "--reason", "bench")
        self.command("migrate")

    def command(self, *words: str) -> None:
        """`gateway …`; it must end well."""
        argv = [sys.executable, "-m", "gateway", *words]
        done = subprocess.run(argv, env=self.environment, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: {done.stdout}{done.stderr}")

    def make_topics(self, *names: str) -> None:
        asyncio.run(create_topics(self.kafka, [f"{self.prefix}{name}" for name in names], partitions=PARTITIONS))

    @contextlib.contextmanager
    def processes(self, *modules: tuple[str, ...], **settings: str) -> Iterator[dict[str, int]]:
        """Python processes by name, ended by their id; the name is the last word of each. `settings` are variables."""
        log = Path("var/bench/processes.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        running: dict[str, subprocess.Popen[bytes]] = {}
        with log.open("ab") as errors:
            try:
                for words in modules:
                    running[words[-1]] = subprocess.Popen(
                        [sys.executable, "-m", *words], env=self.environment | settings, stderr=errors
                    )
                yield {name: process.pid for name, process in running.items()}
            finally:
                for process in running.values():
                    process.terminate()
                for process in running.values():
                    process.wait(30)


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """Starts the servers; fsync is on, as the product needs it."""
    with contextlib.ExitStack() as stack:
        server = choose_postgres()
        stack.callback(server.close)
        templates = PostgresTemplates(server, upgrade)
        stack.callback(templates.close)
        yield Ground(templates, stack)


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """CPU time so far: of these processes, and of the PostgreSQL and the Kafka that this benchmark started."""
    used = {name: _read_stat(pid).seconds for name, pid in pids.items()}
    everything = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            everything[int(folder.name)] = _read_stat(int(folder.name))
    ours = {pid: one for pid, one in everything.items() if one.parent == os.getpid()}
    postmasters = {pid: one for pid, one in ours.items() if one.name == "postgres"}
    sessions = [one.seconds for one in everything.values() if one.parent in postmasters]
    # Sessions that ended are in their parent's account.
    used["postgres"] = sum(sessions) + sum(one.seconds + one.of_children for one in postmasters.values())
    used["kafka"] = sum(one.seconds for one in ours.values() if one.name == "java")
    return used


class _Stat(NamedTuple):
    name: str
    parent: int
    seconds: float
    of_children: float


def _read_stat(pid: int) -> _Stat:
    before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    fields = after.split()
    own, of_children = (sum(int(ticks) for ticks in fields[at : at + 2]) / TICKS for at in (11, 13))
    return _Stat(before.partition("(")[2], int(fields[1]), own, of_children)
