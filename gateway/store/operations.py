"""Recovery operations: what is to be done to many rows, frozen when it was seen, and how far it has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from sqlalchemy import insert

from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.bulk import insert_rows
from gateway.store.operators import Action, write_action
from gateway.store.tables_control import operation, operation_item

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.deliveries import Operator

Verb: TypeAlias = Literal["reopen", "redeliver", "snapshot", "skip", "requeue"]


class NewItem(NamedTuple):
    """One thing to do. `subject` is a delivery, a record, or for a snapshot the job, which goes to `destination`."""

    verb: Verb
    subject: int
    destination: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an operation goes: `canary` items first, the rest at `rate` a second (0: at once).

    It stops where more than `stop_at` of what it did, as a share from 0 to 1, has failed.
    """

    canary: int = 0
    rate: float = 0.0
    stop_at: float = 0.2


async def create_operation(
    connection: AsyncConnection, kind: str, items: Sequence[NewItem], terms: Terms, operator: Operator, now: datetime
) -> int:
    """Freezes an operation, which is `previewed` until somebody starts it, with its audit row; returns its number."""
    members = {"canary": terms.canary, "rate": terms.rate, "stop_at": terms.stop_at}
    row = {
        "kind": kind,
        "state": "previewed",
        "author": operator.author,
        "reason": operator.reason,
        "terms": codec.encode(members),
        "made": 0,
        "created_at": now,
        "state_at": now,
    }
    [number] = (await connection.execute(insert(operation).values(**row).returning(operation.c.number))).one()
    rows = [
        {
            "operation": number,
            "ordinal": ordinal,
            "verb": one.verb,
            "subject": one.subject,
            "destination": one.destination,
            "state": "waiting",
        }
        for ordinal, one in enumerate(items, 1)
    ]
    await insert_rows(connection, operation_item, rows)
    await write_action(
        connection, Action(operator.author, f"preview {kind}", "operation", (number,), operator.reason), now
    )
    return int(number)
