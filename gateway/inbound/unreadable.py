"""Why a record cannot be read: the stable words of quarantine at the edge, and how a field is named.

Quarantined is what cannot be understood as one of our messages (any word below), and waits for a person, or for a
gateway that knows more. Refused is what was understood and is not allowed (`core.outcomes.Why`): the wrong side for a
message, a message id missing where repeats cannot be told apart without, photos as long as they are not supported.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from gateway.core.outcomes import Quarantined


class Unreadable(StrEnum):
    """Values are stable: the same word in the database, receipts, the API and the runbook."""

    # the bytes
    EMPTY_VALUE = "empty_value"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_DEEP = "too_deep"
    # the envelope
    BAD_HEADER = "bad_header"
    MISSING_TYPE = "missing_type"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    # any value in it
    BAD_TEXT = "bad_text"
    TEXT_TOO_LONG = "text_too_long"
    ID_TOO_LONG = "id_too_long"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    BAD_TIME = "bad_time"
    TIME_WITHOUT_ZONE = "time_without_zone"
    # the shape
    MISSING_MEMBER = "missing_member"
    UNKNOWN_MEMBER = "unknown_member"
    WRONG_TYPE = "wrong_type"
    BAD_VALUE = "bad_value"


def unreadable(why: Unreadable, member: str | None = None, detail: str = "") -> Quarantined:
    """A quarantine for `why`. `detail` never repeats what the sender wrote: it may be personal or private."""
    return Quarantined(why=why, member=member, detail=detail)


def field_path(steps: Iterable[str | int]) -> str:
    """`data.customer.phones[0].number`: how a field is named everywhere. Long or odd names are cut and escaped."""
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            name = _printable(step)
            path = f"{path}.{name}" if path else name
    return path


def _printable(name: str) -> str:
    cut = name if len(name) <= 100 else f"{name[:100]}…"
    return cut if cut.isascii() and cut.isprintable() else ascii(cut)[1:-1]
