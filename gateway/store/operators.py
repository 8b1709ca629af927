"""Who did what to which rows, and why: an audit row for every change that a person makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, or_, select

from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.tables_control import operator_action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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
    await write_actions(connection, [action], now)


async def write_actions(connection: AsyncConnection, actions: Iterable[Action], now: datetime) -> None:
    """The same for several, by one statement; by none for none."""
    rows = [
        {
            "at": now,
            "author": one.author,
            "verb": one.verb,
            "subject": one.subject,
            "numbers": codec.encode(one.numbers),
            "reason": one.reason,
        }
        for one in actions
    ]
    if rows:
        await connection.execute(insert(operator_action), rows)


async def find_actions(connection: AsyncConnection, subject: str, number: int) -> tuple[Mapping[str, Any], ...]:
    """What was done to one row of kind `subject`, in order. Numbers are kept as a JSON list."""
    patterns = (f"[{number}]", f"[{number},%", f"%,{number},%", f"%,{number}]")
    named = or_(*(operator_action.c.numbers.like(pattern) for pattern in patterns))
    done = select(operator_action).where(operator_action.c.subject == subject, named)
    rows = (await connection.execute(done.order_by(operator_action.c.number))).mappings()
    return tuple({**row, "numbers": codec.decode(row["numbers"])} for row in rows)
