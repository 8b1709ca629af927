"""The states of a delivery as SQL conditions: literals, so that the partial indexes over them are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

# Owed (dead ones on strict destinations only), in the order of the index `ix_delivery_owed`.
OWED = ("pending", "held", "dead")
# Left the lane without having been delivered (dead ones on relaxed destinations only): index `ix_delivery_left`.
LEFT = ("superseded", "skipped", "dead")


def is_any(column: ColumnElement[Any], states: tuple[str, ...]) -> ColumnElement[bool]:
    """`column` is one of `states`."""
    return column.in_(bindparam(None, list(states), expanding=True, literal_execute=True, unique=True))
