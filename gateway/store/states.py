"""The states of a delivery as SQL conditions: literals, so that the partial indexes over them are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, literal_column, or_

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

# Owed (dead ones on strict destinations only), in the order of the index `ix_delivery_owed`.
OWED = ("pending", "held", "dead")
# Left the lane without having been delivered (dead ones on relaxed destinations only): index `ix_delivery_left`.
LEFT = ("superseded", "skipped", "dead")


def is_owed(state: ColumnElement[Any], strict: ColumnElement[bool]) -> ColumnElement[bool]:
    """A delivery in `state` is owed by its destination: what is dead only by a strict one."""
    return and_(is_any(state, OWED), or_(state != "dead", strict))


def is_any(column: ColumnElement[Any], states: tuple[str, ...]) -> ColumnElement[bool]:
    """`column` is one of `states`: words of the program's own, never given from outside."""
    return column.in_([literal_column(f"'{state}'") for state in states])
