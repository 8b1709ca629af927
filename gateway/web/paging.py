"""Pages of a list that ends: the place at which the next one goes on, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.web.cursors import bad_cursor, read_cursor, write_cursor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.core.parties import Json

USUAL = 50
MOST = 100
MEMBER = "cursor"


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
