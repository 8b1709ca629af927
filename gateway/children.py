"""Child processes that never outlive the program: an embedded broker, the parts of a demo, servers under test.

Each child writes its output to a log file and is watched by a tiny shell that waits on a pipe held open by this
program: when the program is gone, however it went, the pipe closes and the shell kills the child.
"""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_POLL_SECONDS = 0.02
_PORTS = range(20_000, 32_000)
_PORT_TRIES = 100
_given: set[int] = set()
_WATCHDOG = 'read -r _; kill -9 "$1"'


class ChildFailedError(RuntimeError):
    """A child ended, or did not become ready in time; the message ends with the last lines of its log."""


class Child:
    """One process with its log, in a session of its own, so that Ctrl-C reaches the program alone.

    `start` may be called again after `stop` or `kill`; the log is appended to. `user` and `group` are for servers that
    refuse to run as root.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: int | None = None,
        group: int | None = None,
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.log = log
        self._env = env
        self._user = user
        self._group = group
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ChildFailedError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        if self.is_alive:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                user=self._user,
                group=self._group,
                extra_groups=None if self._user is None else [],
                start_new_session=True,
            )
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "watchdog", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_until(self, is_ready: Callable[[], bool], within: float) -> None:
        """Return once `is_ready()` says so; raise if the child ends first or `within` seconds pass."""
        deadline = time.monotonic() + within
        while not is_ready():
            if not self.is_alive:
                raise ChildFailedError(f"{self.name} ended before it was ready\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ChildFailedError(f"{self.name} was not ready within {within:.0f} s\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, within: float = 15.0, by: signal.Signals = signal.SIGTERM) -> int | None:
        """Ask the child to end, insist after `within` seconds, and return its exit code (None if it never ran)."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(by)
            try:
                self._process.wait(within)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._reap()

    def kill(self) -> int | None:
        """End the child at once, as a crash would."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.kill()
        return self._reap()

    def log_tail(self, lines: int = 20) -> str:
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _reap(self) -> int | None:
        # The watchdog goes first: after the child is reaped its number may belong to somebody else.
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.wait()
            if self._watchdog.stdin is not None:
                self._watchdog.stdin.close()
            self._watchdog = None
        if self._process is None:
            return None
        code = self._process.wait()
        self._process = None
        return code

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    """A loopback port that nobody has at this moment; the caller binds it next, and may lose a race.

    Never the same twice to one process. None of those that systems lend to clients: a client that asks for a server
    which is away could be lent that server's own port, be connected to itself, and keep it from coming back.
    """
    for _ in range(_PORT_TRIES):
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
    raise ChildFailedError(f"no free port in {_PORT_TRIES} tries")


def port_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def clean_environment(*, keep: Sequence[str] = ("PATH", "HOME", "LANG", "TMPDIR")) -> dict[str, str]:
    """The few variables that a server needs, so that no setting of the caller's shell reaches it."""
    return {name: value for name in keep if (value := os.environ.get(name)) is not None}
