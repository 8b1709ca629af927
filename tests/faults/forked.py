"""The gateway for crash tests as a process that starts at once: forked from one that has loaded all of it before."""

import multiprocessing
import os
import threading
from pathlib import Path

_loaded = multiprocessing.get_context("forkserver")
_loaded.set_forkserver_preload(["tests.faults.app"])


class Forked:
    """Like a `gateway.children.Child`, started once. It ends with the tests, however these end."""

    def __init__(self, step: str, armed: Path, roles: tuple[str, ...], log: Path, environment: dict[str, str]) -> None:
        self._log = log
        about = (log, environment, step, armed, roles)
        self._process = _loaded.Process(target=_run, args=about, name=step or "gateway", daemon=True)

    def start(self) -> None:
        self._process.start()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> int | None:
        """Ends it at once; its exit code."""
        self._process.kill()
        self._process.join()
        return self._process.exitcode

    def stop(self, within: float) -> int | None:
        """Asks it to end, insists after `within` seconds; its exit code."""
        self._process.terminate()
        self._process.join(within)
        return self.kill()

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _run(log: Path, environment: dict[str, str], step: str, armed: Path, roles: tuple[str, ...]) -> None:
    from tests.faults import app

    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ.update(environment)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    app.run(step, armed, roles)


def _end_with(parent) -> None:
    parent.join()
    os._exit(1)
