"""Times as senders write them (RFC 3339, and its usual relaxations) to moments in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from gateway.inbound.unreadable import Unreadable

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
# A month short of the calendar's end, so that a start plus a duration, or a term plus a grace, is still a date.
LATEST = datetime(9999, 11, 30, tzinfo=UTC)

_DATE_AND_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_IN_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)


def read_moment(text: str) -> datetime | Unreadable:
    """The moment that `text` names, in UTC; it must carry its offset."""
    if _IN_UTC.fullmatch(text):  # what nearly everybody sends, read without a conversion
        return _bounded(text)
    match = _DATE_AND_TIME.fullmatch(text)
    if match is None:
        return Unreadable.BAD_TIME
    if match["zone"] is None:
        return Unreadable.TIME_WITHOUT_ZONE
    return _bounded(text.upper())


def _bounded(text: str) -> datetime | Unreadable:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return Unreadable.BAD_TIME
    return moment if EARLIEST <= moment <= LATEST else Unreadable.BAD_TIME
