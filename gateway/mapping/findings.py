"""What a check of a profile finds: at which member, what is wrong with it, and how bad that is."""

from __future__ import annotations

from typing import TypeAlias

from gateway.mapping.problems import Level
from gateway.mapping.source import Path

Finding: TypeAlias = tuple[Path, str, Level]


def error(path: Path, what: str) -> Finding:
    """What keeps the profile from being used."""
    return path, what, Level.ERROR


def warning(path: Path, what: str) -> Finding:
    """What somebody should look at."""
    return path, what, Level.WARNING
