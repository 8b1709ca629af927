"""Pages of a list: how many of it a request asks for, and the opaque cursor with which the next page goes on."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.web.cursors import bad_cursor, read_cursor, write_cursor
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.core.parties import Json

USUAL = 50
MOST = 100
MEMBER = "cursor"


def read_limit(query: Mapping[str, str]) -> int:
    """How many items the request wants on a page."""
    written = query.get("limit")
    if written is None:
        return USUAL
    if not re.fullmatch(r"[0-9]{1,3}", written, re.ASCII) or not 1 <= int(written) <= MOST:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_value", f"a number of 1 to {MOST} is expected", member="limit")
    return int(written)


def write_place(of: str, *place: int) -> str:
    """The cursor that goes on after `place` in the list `of`."""
    return write_cursor(of, place)


def read_place(query: Mapping[str, str], of: str, numbers: int) -> tuple[int, ...] | None:
    """The place that the request goes on after, of so many numbers; None where it asks for the first page.

    Ends the request where the cursor is none of this list.
    """
    cursor = query.get(MEMBER)
    if cursor is None:
        return None
    place = read_cursor(of, cursor, MEMBER)
    if len(place) != numbers:
        raise bad_cursor(MEMBER)
    return place


def page(items: Sequence[Json], following: str | None) -> dict[str, Json]:
    """The answer: `following` is the cursor of the next page, None where this is the last one."""
    return {"items": list(items), "next": following}
