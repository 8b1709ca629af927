"""What is overtaken before it leaves is superseded: recorded with what overtook it, and bridged.

At claim only, under the lane's token: nobody else is sending what is judged here.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Executable, bindparam, update

from gateway.core.values import dataclass
from gateway.store.bridging import Link, hand_on
from gateway.store.columns import Moment, Number
from gateway.store.given import encode_rows, given
from gateway.store.lanes import lower_owed
from gateway.store.tables import delivery

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection


class WhyOvertaken(StrEnum):
    """Under which rule. Values are stable."""

    # A note's publication by its retraction, or both by each other.
    RETRACTED = "retracted"
    # A visit's progress by how it went on.
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """A delivery that will never be sent, and the delivery that is why."""

    link: Link
    by: int
    why: WhyOvertaken


async def supersede(
    connection: AsyncConnection, overtaken: Collection[Overtaken], strict: Collection[int], now: datetime
) -> dict[int, int | None]:
    """Settles `overtaken` on lanes that the caller has claimed, in its transaction, by a constant number of statements.

    `strict` are the destinations whose dead deliveries are still owed. Returns each changed `previous` by number.
    """
    settled = [{"number": one.link.number, "by": one.by, "why": one.why} for one in overtaken]
    await connection.execute(_supersede(connection.dialect.name), {**encode_rows(connection, settled), "at": now})
    counts = Counter((one.link.destination, one.link.lane) for one in overtaken)
    lanes = [{"destination": one, "key": key, "count": count} for (one, key), count in sorted(counts.items())]
    await connection.execute(lower_owed(connection.dialect.name), encode_rows(connection, lanes))
    return await hand_on(connection, [one.link for one in overtaken], strict)


@cache
def _supersede(dialect: str) -> Executable:
    rows = given(dialect, number=Number, by=Number, why=delivery.c.reason.type)
    values = {
        "state": "superseded",
        "reason": rows.c.why,
        "superseded_by": rows.c.by,
        "settled_at": bindparam("at", type_=Moment()),
    }
    return update(delivery).where(delivery.c.number == rows.c.number).values(values)
