"""The folder of one demo below `var/demo`, and the end of those that earlier ones left there."""

from __future__ import annotations

import fcntl
import re
import shutil
import uuid
from contextlib import contextmanager
from datetime import datetime
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAMED = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
_MARK = "running"


@contextmanager
def own_folder(root: Path) -> Iterator[Path]:
    """A new folder below `root`, for as long as a demo runs; it stays, with its logs, until the next one begins.

    Removes the folders of demos that have ended, and nothing else: one that runs holds a lock in its own.
    """
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"
    # Two that begin at once take turns: neither finds the other's folder before it is locked.
    with (root / "lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for old in root.iterdir():
            if _NAMED.fullmatch(old.name) and old.is_dir() and not _is_running(old):
                shutil.rmtree(old)
        folder.mkdir()
        mark = _locked(folder)
    with mark:
        yield folder


def _locked(folder: Path) -> IO[str]:
    mark = (folder / _MARK).open("w")
    fcntl.flock(mark, fcntl.LOCK_EX)
    return mark


def _is_running(folder: Path) -> bool:
    if not (folder / _MARK).exists():
        return False
    with (folder / _MARK).open() as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
