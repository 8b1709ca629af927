"""Who did what to which rows, and why: an audit row for every change that a person makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert

from gateway.store import codec
from gateway.store.tables import operator_action

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Action:
    """`verb` done to the rows `numbers` of kind `subject`."""

    author: str
    verb: str
    subject: str
    numbers: tuple[int, ...]
    reason: str


async def write_action(connection: AsyncConnection, action: Action, now: datetime) -> None:
    """Appends the audit row, in the transaction of what was done."""
    await connection.execute(
        insert(operator_action).values(
            at=now,
            author=action.author,
            verb=action.verb,
            subject=action.subject,
            numbers=codec.encode(action.numbers),
            reason=action.reason,
        )
    )
