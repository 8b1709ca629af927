"""The named functions that expressions of a profile may call besides JMESPath's own.

Null in, null out, unless said otherwise. What cannot be read raises, and the expression fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jmespath import functions

from gateway.core.document import stamp

if TYPE_CHECKING:
    from gateway.core.parties import Json

Tables = Mapping[str, Mapping[str, str | int]]

_DIRECTIVES = re.compile(r"(?:[^%]|%[YymdHIMSfpjBbAaZz%])*")
_NOT_DIGITS = re.compile(r"\D", re.ASCII)
# North American numbering plan: area code and exchange begin with 2 to 9.
_NORTH_AMERICAN = re.compile(r"1?([2-9]\d{2}[2-9]\d{6})")
LONGEST_PATTERN = 60


def _moment(text: str) -> datetime:
    """An RFC 3339 moment or a plain date; without a zone it is read as UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _checked(pattern: str) -> str:
    if len(pattern) > LONGEST_PATTERN or _DIRECTIVES.fullmatch(pattern) is None:
        raise ValueError("the date pattern has an unknown directive")
    return pattern


class ProfileFunctions(functions.Functions):
    """JMESPath's functions and ours, with the tables of one profile. A method `_func_x` is the function `x`."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self._tables = tables

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_date_format(self, value: str | None, pattern: str) -> str | None:
        """`date_format(time, '%m/%d/%Y')`: strftime directives, in the zone that the time is written in."""
        return None if value is None else _moment(value).strftime(_checked(pattern))

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_date_parse(self, value: str | None, pattern: str) -> str | None:
        """`date_parse('12/31/2026', '%m/%d/%Y')`: the moment as RFC 3339; without a zone it is read as UTC."""
        if value is None:
            return None
        moment = datetime.strptime(value, _checked(pattern))  # noqa: DTZ007 - the zone is settled in the next line
        return stamp((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC))

    @functions.signature({"types": ["string", "null"]})
    def _func_date_only(self, value: str | None) -> str | None:
        """`2026-12-31`, in the zone that the time is written in."""
        return None if value is None else _moment(value).date().isoformat()

    @functions.signature({"types": ["string", "null"]})
    def _func_to_epoch(self, value: str | None) -> int | None:
        """Whole seconds since 1970 in UTC."""
        return None if value is None else int(_moment(value).timestamp())

    @functions.signature({"types": ["number", "null"]})
    def _func_from_epoch(self, value: float | None) -> str | None:
        """Seconds since 1970 as RFC 3339."""
        return None if value is None else stamp(datetime.fromtimestamp(value, UTC))

    @functions.signature({"types": ["string", "null"]})
    def _func_phone_e164(self, value: str | None) -> str | None:
        """A number of the United States or Canada as +1 and ten digits; null for any other."""
        match = _NORTH_AMERICAN.fullmatch(_NOT_DIGITS.sub("", value)) if value is not None else None
        return f"+1{match[1]}" if match else None

    @functions.signature({"types": ["string", "null"]})
    def _func_digits(self, value: str | None) -> str | None:
        """Only the digits of a text."""
        return None if value is None else _NOT_DIGITS.sub("", value)

    @functions.signature({"types": ["string"]}, {"types": ["string", "number", "null"]})
    def _func_code(self, table: str, key: str | float | None) -> str | int | None:
        """`code('table', key)`: the entry of a table of this profile; null where it has none."""
        return self._tables[table].get(str(key)) if key is not None else None

    @functions.signature({"types": []}, {"types": []})
    def _func_default(self, value: Json, otherwise: Json) -> Json:
        """`otherwise` in the place of null; anything else stays, empty text too."""
        return otherwise if value is None else value

    @functions.signature({"types": [], "variadic": True})
    def _func_coalesce(self, *values: Json) -> Json:
        """The first that is neither null nor empty text."""
        return next((value for value in values if value is not None and value != ""), None)

    @functions.signature({"types": ["string", "null"]})
    def _func_lower(self, value: str | None) -> str | None:
        return None if value is None else value.lower()

    @functions.signature({"types": ["string", "null"]})
    def _func_upper(self, value: str | None) -> str | None:
        return None if value is None else value.upper()

    @functions.signature({"types": ["object", "null"]})
    def _func_compact(self, value: dict[str, Json] | None) -> dict[str, Json] | None:
        """An object without its null members."""
        return None if value is None else {name: member for name, member in value.items() if member is not None}
