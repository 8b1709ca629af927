"""Fixtures for everybody: real databases, a real broker, names of one's own. Factories are in factories.py."""

import asyncio
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings

from tests.brokers import ApacheKafka, BrokerUnavailableError, ForeignKafka, Tansu, choose_broker, makes_topics
from tests.browsers import BrowserUnavailableError, find_browser
from tests.databases import (
    DatabaseUnavailableError,
    ForeignPostgres,
    PostgresServer,
    PostgresTemplates,
    SqliteTemplates,
    choose_postgres,
)
from tests.eventually import eventually

settings.register_profile("suite", deadline=None, print_blob=True)  # a busy machine is not a failure
settings.load_profile("suite")

_OLDEST_NODE = 18
_REQUIRE_ALL = os.environ.get("GATEWAY_TEST_REQUIRE") == "all"


def _do_without(reason: str) -> None:
    """Skip, or fail where nothing may be skipped."""
    if _REQUIRE_ALL:
        pytest.fail(f"GATEWAY_TEST_REQUIRE=all: {reason}", pytrace=False)
    pytest.skip(reason)


def _upgrade(url: str) -> None:
    from gateway.store.migrate import upgrade

    upgrade(url)


def pytest_collection_modifyitems(items) -> None:
    """Each of two workers begins with half of the tests that have a time limit of their own, the long ones: at its end
    neither waits for the other.
    """
    long = [item for item in items if item.get_closest_marker("timeout")]
    short = [item for item in items if not item.get_closest_marker("timeout")]
    shorts = len(items) // 2 - len(long[::2])
    if shorts >= 0:
        items[:] = [*long[::2], *short[:shorts], *long[1::2], *short[shorts:]]


@pytest.fixture(scope="session")
def kafka() -> Iterator[ApacheKafka | Tansu | ForeignKafka]:
    """The broker, running; `kafka.servers` is its address."""
    try:
        broker = choose_broker(require_apache=_REQUIRE_ALL)
    except BrokerUnavailableError as error:
        pytest.fail(str(error), pytrace=False)
    yield broker
    broker.close()


@pytest.fixture
def breakable_kafka(kafka) -> Iterator[ApacheKafka]:
    """The broker for a test that stops or kills it; runs again afterwards with all its data. Never Tansu."""
    if not isinstance(kafka, ApacheKafka):
        _do_without("needs an Apache Kafka of its own: apt-get install maven, and unset GATEWAY_TEST_KAFKA")
    yield kafka
    kafka.start()
    # A broker that was stopped writes to the topics it has before it makes new ones again.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, eventually(lambda: makes_topics(kafka.servers), within=60)).result()


@pytest.fixture(autouse=True)
def _apache_kafka_if_needed(request) -> None:
    if request.node.get_closest_marker("needs_apache_kafka") and not request.getfixturevalue("kafka").is_apache:
        _do_without("the embedded broker lacks what this test asks about: apt-get install maven for Apache Kafka")


@pytest.fixture(scope="session")
def node() -> str:
    """Node, which a partner's client in another language runs on."""
    found = shutil.which("node")
    told = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout if found else "v0"
    if int(told.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        _do_without(f"needs Node {_OLDEST_NODE} or newer: apt-get install nodejs")
    return str(found)


@pytest.fixture(scope="session")
def java() -> str:
    """Java with its compiler: it runs a source file as it is."""
    found = shutil.which("java")
    told = (
        subprocess.run([found, "--list-modules"], check=False, capture_output=True, text=True).stdout if found else ""
    )
    if "jdk.compiler@" not in told:
        _do_without("needs a JDK: apt-get install default-jdk-headless")
    return str(found)


@pytest.fixture(scope="session")
def curl() -> None:
    """curl, and openssl for its signatures: what the README calls."""
    missing = [name for name in ("bash", "curl", "openssl") if shutil.which(name) is None]
    if missing:
        _do_without(f"needs {', '.join(missing)}: apt-get install {' '.join(missing)}")


@pytest.fixture
def _browser() -> None:
    """For a test that opens a real browser (tests.browsers)."""
    try:
        find_browser()
    except BrowserUnavailableError as error:
        _do_without(str(error))


@pytest.fixture
def topic_prefix() -> str:
    """Topics and groups that begin with it are this test's own."""
    return f"t{uuid.uuid4().hex[:6]}."


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer | ForeignPostgres]:
    """The server, running."""
    try:
        server = choose_postgres()
    except DatabaseUnavailableError as error:
        _do_without(str(error))
    yield server
    server.close()


@pytest.fixture
def breakable_postgres(postgres) -> Iterator[PostgresServer]:
    """The server for a test that stops or kills it; runs again afterwards."""
    if not postgres.is_ours:
        _do_without("needs a PostgreSQL of its own: unset GATEWAY_TEST_DATABASE_URL")
    yield postgres
    postgres.start()


@pytest.fixture(scope="session")
def _postgres_templates(postgres) -> Iterator[PostgresTemplates]:
    templates = PostgresTemplates(postgres, _upgrade)
    yield templates
    templates.close()


@pytest.fixture(scope="session")
def _sqlite_templates(tmp_path_factory) -> SqliteTemplates:
    return SqliteTemplates(tmp_path_factory.mktemp("sqlite"), _upgrade)


@pytest.fixture
def postgres_url(_postgres_templates) -> Iterator[str]:
    """An empty, migrated PostgreSQL database of the test's own."""
    with _postgres_templates.fresh() as url:
        yield url


@pytest.fixture
def another_postgres_url(_postgres_templates) -> Iterator[str]:
    """A second one, to compare with."""
    with _postgres_templates.fresh() as url:
        yield url


@pytest.fixture
def sqlite_url(_sqlite_templates) -> Iterator[str]:
    """An empty, migrated SQLite database of the test's own."""
    with _sqlite_templates.fresh() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request) -> str:
    """The same test on either database, empty and migrated."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")


def _staff(url: str) -> None:
    from tests.inbound import staff

    _upgrade(url)
    staff(url)


@pytest.fixture(scope="session")
def _staffed_templates(postgres, tmp_path_factory) -> Iterator[dict[str, PostgresTemplates | SqliteTemplates]]:
    on_postgres = PostgresTemplates(postgres, _staff)
    yield {"sqlite": SqliteTemplates(tmp_path_factory.mktemp("staffed"), _staff), "postgresql": on_postgres}
    on_postgres.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def staffed_url(request, _staffed_templates) -> Iterator[str]:
    """Either database, migrated, with brands in force and a provider with its people (see tests.inbound)."""
    with _staffed_templates[request.param].fresh() as url:
        yield url


@pytest.fixture
def staffed_postgres_url(_staffed_templates) -> Iterator[str]:
    """The same on PostgreSQL, for what takes several processes."""
    with _staffed_templates["postgresql"].fresh() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_database_url(request) -> Iterator[str]:
    """Either database without any table, for tests of the migrations."""
    name = "_sqlite_templates" if request.param == "sqlite" else "_postgres_templates"
    with request.getfixturevalue(name).blank() as url:
        yield url


@pytest.fixture
async def outbox(database_url):
    """Either database with an `Outbox` on it (see tests.outbound)."""
    from tests.outbound import Outbox, opened

    async with opened(database_url) as database:
        yield Outbox(database)


@pytest.fixture
async def account(outbox):
    """The destination that an account polls."""
    return await outbox.add_destination("feed.acme", kind="poll")


@pytest.fixture
def queue(outbox):
    """The poll queue on that database."""
    from tests.polling import queue_of

    return queue_of(outbox.database)


@pytest.fixture
async def scene(staffed_url, kafka, topic_prefix, tmp_path):
    """The program as a process on either database and the broker; nothing of it runs yet."""
    from tests.faults.scene import opened_scene

    # Long enough that nothing is sent twice because the machine is busy.
    async with opened_scene(staffed_url, kafka, topic_prefix, tmp_path, lease_seconds=10) as scene:
        yield scene


@pytest.fixture
async def postgres_scene(staffed_postgres_url, kafka, topic_prefix, tmp_path):
    """The same on PostgreSQL."""
    from tests.faults.scene import opened_scene

    async with opened_scene(staffed_postgres_url, kafka, topic_prefix, tmp_path) as scene:
        yield scene
