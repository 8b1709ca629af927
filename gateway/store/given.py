"""Rows given to a statement as one JSON parameter: its text, and so its plan, is the same for any number of rows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Text, bindparam, cast, column, func, select, type_coerce
from sqlalchemy.dialects.postgresql import JSON

from gateway.store.columns import to_microseconds
from gateway.store.dialect import is_sqlite

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import FromClause
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.types import TypeEngine


def given(dialect: str, **columns: TypeEngine[Any] | type[TypeEngine[Any]]) -> FromClause:
    """A list of rows, `given`, with these columns; its parameter is `rows`, as `encode_rows` makes it."""
    rows = bindparam("rows", type_=Text())
    if dialect == "sqlite":
        each = func.json_each(rows).table_valued("value", name="each")
        members = (
            type_coerce(func.json_extract(each.c.value, f"$.{name}"), kind).label(name)
            for name, kind in columns.items()
        )
        return select(*members).subquery("given")
    listed = func.json_to_recordset(cast(rows, JSON)).table_valued(*(column(n, kind) for n, kind in columns.items()))
    return listed.render_derived(name="given", with_types=True)


def encode_rows(connection: AsyncConnection, rows: Iterable[Mapping[str, Any]] | Iterable[object]) -> dict[str, str]:
    """The parameter of a statement over `given`, from mappings or dataclasses; what it does not name is passed over.

    Moments become what the database's own functions read.
    """
    option = orjson.OPT_PASSTHROUGH_DATETIME if is_sqlite(connection) else None
    return {"rows": orjson.dumps(list(rows), default=_plain, option=option).decode()}


def _plain(value: object) -> int:
    if isinstance(value, datetime):
        return to_microseconds(value)
    raise TypeError(f"a {type(value).__name__} does not fit in a column")
