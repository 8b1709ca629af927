"""Folders for what the servers under test keep: in memory where the machine lends enough of it.

A PostgreSQL database is three hundred files, and each test has one of its own. The tests kill processes, never the
machine: what a killed server has written is in memory as it would be on a disk.
"""

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ENOUGH = 1024**3  # a server keeps well under a tenth of it


def make_folder(name: str) -> Path:
    """An empty folder; the caller removes it. What a run that was killed left behind under this name goes now."""
    place = _MEMORY if _lends_enough() else Path(tempfile.gettempdir())
    for left in place.glob(f"{name}-*"):
        owner = left.name.removeprefix(f"{name}-").partition("-")[0]
        if owner.isdecimal() and not _is_alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=place))


def _lends_enough() -> bool:
    try:
        return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ENOUGH
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
