"""Words of Dispatch Connect whose meaning depends on how the job stands. They end here and never enter the core."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A status word."""

    status: str
