"""What a poller's calls ask of the store beside claims: what a receipt stands for, and jobs as they are now."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gateway.core.document import KeptJob
from gateway.core.events import EventType
from gateway.store import codec
from gateway.store.claim_statements import read_claimed
from gateway.store.claims import Claim, ClaimedLane, delivery_from
from gateway.store.dialect import key_set, one_of
from gateway.store.given import encode_rows
from gateway.store.prepared import fetch
from gateway.store.recording import lock_claimed
from gateway.store.tables import delivery, event, job

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.destinations import Destination


async def find_handed(
    connection: AsyncConnection, token: str, number: int, destinations: Mapping[int, Destination], now: datetime
) -> Claim | None:
    """The claim by which the delivery `number` was handed out, reduced to that delivery; its lane is locked.

    None where it is not owed to one of `destinations`, is not the head of its lane any more, or the lane has another
    claim's token by now. A claim whose lease has ended is found as long as nobody made another.
    """
    query = select(delivery.c.destination, delivery.c.lane).where(delivery.c.number == number)
    row = (await connection.execute(query)).one_or_none()
    destination = destinations.get(row.destination) if row is not None else None
    if row is None or destination is None:
        return None
    place = (row.destination, row.lane)
    if place not in await lock_claimed(connection, {place: token}):
        return None
    wanted = encode_rows(connection, [{"destination": place[0], "key": place[1], "strict": destination.strict}])
    head = (await connection.execute(read_claimed(connection.dialect.name, 1), wanted)).one_or_none()
    if head is None or head.delivery_number != number or head.delivery_state != "pending":
        return None
    found = delivery_from(tuple(head))
    if found.event.type == EventType.NOTE_PUBLISHED:
        # Its claims were counted when they began.
        found = found._replace(claims=found.claims - 1)
    return Claim(token=token, now=now, until=now, lanes=(ClaimedLane(destination, place, (found,), token),))


async def load_kept_jobs(connection: AsyncConnection, numbers: Iterable[int]) -> dict[int, KeptJob]:
    """The jobs of these numbers as they are now, in one statement and without a lock."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    rows = await fetch(connection, _kept(connection.dialect.name), {"keys": key_set(connection, wanted)})
    return {
        row.number: KeptJob(
            number=row.number,
            external_id=row.external_id,
            status=row.status,
            closure=row.closure,
            details=codec.decode(row.state)["details"],
            created_at=row.created_at,
        )
        for row in rows
    }


@cache
def _kept(dialect: str) -> Select[Any]:
    first = select(event.c.recorded_at).where(event.c.job == job.c.number).order_by(event.c.position).limit(1)
    created_at = first.scalar_subquery().label("created_at")
    columns = (job.c.number, job.c.external_id, job.c.status, job.c.closure, job.c.state)
    return select(*columns, created_at).where(one_of(dialect, job.c.number, "keys"))
