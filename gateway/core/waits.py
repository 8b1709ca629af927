"""What may keep an event from being told to its brand: a reason that the profile lacks, or a code for the standing."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class WaitKind(StrEnum):
    """What the profile has to map: a reason of one of its lists, or how a job stands. Values are stable."""

    COMPLETE = "complete"
    DECLINE = "decline"
    CANCEL = "cancel"
    STATUS = "status"


class Wait(NamedTuple):
    """`value` is the reason as it was given; of a status the standing's words."""

    kind: WaitKind
    value: str


class Telling(StrEnum):
    """What a version of a profile makes of how a job stands in an event."""

    TOLD = "told"
    REFUSED = "refused"
    SILENT = "silent"
