"""The folder of one demo below `var/demo`, the end of those that earlier ones left there, and what all of them keep."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import uuid
from contextlib import contextmanager
from datetime import datetime
from typing import IO, TYPE_CHECKING

from gateway.sealing import new_sealing_key

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


def kept_secret_keys(root: Path) -> str:
    """The key that seals the secrets of demos, made by the first one and kept below `root`, for its owner's eyes."""
    file = root / "secret_keys"
    # Whole before it has its name: of two that begin at once, both read the one that was there first.
    made = root / f"{file.name}-{uuid.uuid4().hex[:8]}"
    made.touch(mode=0o600)
    made.write_text(new_sealing_key(), encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        file.hardlink_to(made)
    made.unlink()
    return file.read_text(encoding="utf-8").strip()


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
