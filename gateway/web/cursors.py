"""Cursors and page sizes: how far a caller has read, as one word that only the gateway can read."""

from __future__ import annotations

import base64
import binascii
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import orjson

from gateway.core.ids import MAX_NUMBER
from gateway.web.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request

    from gateway.core.parties import Json

LARGEST_PAGE = 500
USUAL_PAGE = 100
AFTER = "after"
_LONGEST = 4_000


AFTER_PARAMETER: Final[dict[str, Json]] = {
    "name": AFTER,
    "in": "query",
    "description": "`next` of the page before, or the `cursor` of an item. Without it: from the oldest kept.",
    "schema": {"type": "string"},
}
LIMIT_PARAMETER: Final[dict[str, Json]] = {
    "name": "limit",
    "in": "query",
    "description": "How many items a page holds at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE},
}


def write_cursor(what: str, numbers: Iterable[int]) -> str:
    """The cursor of `what` (which list, and whose) at a place that `numbers` tell."""
    return base64.urlsafe_b64encode(orjson.dumps([what, *numbers])).rstrip(b"=").decode()


def read_cursor(what: str, cursor: str, member: str = AFTER) -> tuple[int, ...]:
    """The numbers in a cursor of `what`; 400 `bad_cursor` for anything that `write_cursor` did not write for it.

    It proves nothing: what the numbers name is checked like anything that a caller says.
    """
    if len(cursor) > _LONGEST:
        raise bad_cursor(member)
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        written, *numbers = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise bad_cursor(member) from None
    whole = all(type(one) is int and 0 <= one <= MAX_NUMBER for one in numbers)
    if written != what or not whole or write_cursor(what, numbers) != cursor:
        raise bad_cursor(member)
    return tuple(numbers)


def bad_cursor(member: str = AFTER) -> ProblemError:
    """The answer to a cursor that is not one, or another's."""
    return ProblemError(HTTPStatus.BAD_REQUEST, "bad_cursor", "not a cursor of this list", member=member)


def read_page(request: Request) -> tuple[str | None, int]:
    """The cursor after which the caller asks for a page, if any, and how many it asks for at most."""
    limit = read_limit(request.query_params, usual=USUAL_PAGE, most=LARGEST_PAGE)
    return request.query_params.get(AFTER), limit


def read_limit(query: Mapping[str, str], *, usual: int, most: int) -> int:
    """How many items the request wants on a page: `usual` where it does not say."""
    written = query.get("limit", str(usual))
    if not re.fullmatch(r"[0-9]{1,3}", written, re.ASCII) or not 1 <= int(written) <= most:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_value", f"a number of 1 to {most} is expected", member="limit")
    return int(written)
