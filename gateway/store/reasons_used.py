"""Which reasons recorded events have given: asked where a new version of a brand's profile has them no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.dialects.postgresql import JSON

from gateway.core.reasons import ReasonKind
from gateway.store import codec
from gateway.store.dialect import is_sqlite
from gateway.store.given import encode_rows, given
from gateway.store.tables import GIVES_A_REASON, event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection


async def load_last_used(
    connection: AsyncConnection, brand: str, reasons: Iterable[tuple[ReasonKind, str]]
) -> dict[tuple[ReasonKind, str], datetime]:
    """When `brand` had its last event that gave one of these reasons, by kind and code; those without are left out.

    One statement. It goes back through the brand's events that gave a reason, for each of `reasons` as far as the last.
    """
    asked = {f"{kind} {code}": (kind, code) for kind, code in reasons}
    if not asked:
        return {}
    sqlite = is_sqlite(connection)
    rows = given(connection.dialect.name, reason=Text, told=Text)
    # First what costs least: few bodies are read as JSON.
    place = func.instr if sqlite else func.strpos
    said = _of_reason("kind", sqlite=sqlite) + " " + _of_reason("code", sqlite=sqlite)
    last = (
        select(event.c.recorded_at)
        .where(event.c.brand == brand, text(GIVES_A_REASON))
        .where(place(event.c.body, rows.c.told) > 0, said == rows.c.reason)
        .order_by(event.c.number.desc())
        .limit(1)
        .correlate(rows)
        .scalar_subquery()
    )
    given_rows = [{"reason": reason, "told": _told(code)} for reason, (_, code) in asked.items()]
    found = await connection.execute(select(rows.c.reason, last.label("at")), encode_rows(connection, given_rows))
    return {asked[reason]: at for reason, at in found if at is not None}


def _told(code: str) -> str:
    """How a body has it, letter by letter."""
    return codec.encode({"code": code})[1:-1]


def _of_reason(member: str, *, sqlite: bool) -> ColumnElement[str]:
    """A member of the reason in an event's body, as text."""
    if sqlite:
        return func.json_extract(event.c.body, f"$.reason.{member}", type_=Text())
    return func.json_extract_path_text(cast(event.c.body, JSON), "reason", member, type_=Text())
