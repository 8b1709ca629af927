"""Pages of a list: how many of it a request asks for, and the opaque cursor with which the next page goes on."""

from __future__ import annotations

import base64
import binascii
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.core.ids import MAX_NUMBER
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.core.parties import Json

USUAL = 50
MOST = 100
_WRITTEN = re.compile(r"([a-z]+)((?::(?:0|[1-9][0-9]{0,18}))+)", re.ASCII)


def read_limit(query: Mapping[str, str]) -> int:
    """How many items the request wants on a page."""
    written = query.get("limit")
    if written is None:
        return USUAL
    if not re.fullmatch(r"[0-9]{1,3}", written, re.ASCII) or not 1 <= int(written) <= MOST:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_value", f"a number of 1 to {MOST} is expected", member="limit")
    return int(written)


def write_cursor(of: str, *place: int) -> str:
    """The cursor that goes on after `place` in the list `of` (lower-case letters). It opens nothing: it is a place."""
    written = ":".join((of, *map(str, place)))
    return base64.urlsafe_b64encode(written.encode()).decode().rstrip("=")


def read_cursor(query: Mapping[str, str], of: str, numbers: int) -> tuple[int, ...] | None:
    """The place that the request goes on after, of so many numbers; None where it asks for the first page.

    Ends the request where the cursor is none of this list.
    """
    cursor = query.get("cursor")
    if cursor is None:
        return None
    try:
        written = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        written = ""
    read = _WRITTEN.fullmatch(written)
    place = tuple(map(int, read[2].split(":")[1:])) if read is not None and read[1] == of else ()
    if len(place) != numbers or max(place) > MAX_NUMBER:
        raise bad_cursor()
    return place


def bad_cursor() -> ProblemError:
    """What ends a request whose cursor is none of the list that it asks for."""
    return ProblemError(HTTPStatus.BAD_REQUEST, "bad_cursor", "not a cursor of this list", member="cursor")


def page(items: Sequence[Json], following: str | None) -> dict[str, Json]:
    """The answer: `following` is the cursor of the next page, None where this is the last one."""
    return {"items": list(items), "next": following}
