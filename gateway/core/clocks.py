"""When something happened, by the clock of whoever says so: believed, but never later than it arrived."""

from __future__ import annotations

from datetime import datetime, timedelta

FAR_AHEAD = timedelta(minutes=5)


def read_clock(claimed: datetime | None, arrived_at: datetime) -> tuple[datetime, bool]:
    """The moment to reckon with, and whether the sender's clock is so far ahead that it is flagged.

    Phones work offline: an earlier moment is taken as it is. None is the arrival, and so is a later one.
    """
    if claimed is None or claimed > arrived_at:
        return arrived_at, claimed is not None and claimed - arrived_at > FAR_AHEAD
    return claimed, False
