"""How far each partition has been read: what expiry waits for, and what tells that a record may be known."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import case, or_, select, true

from gateway.store.bulk import insert_missing
from gateway.store.dialect import insert_into
from gateway.store.given import encode_rows, given
from gateway.store.prepared import fetch
from gateway.store.tables import caught_up

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Executable
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.intake import Intake

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


async def read_up_to(connection: AsyncConnection, counted: Iterable[Intake]) -> dict[tuple[str, int], int]:
    """Notes the offset and append time up to which partitions were read; returns the next offset of each before.

    Their rows stay locked until the transaction ends, so that an old and a new owner of one never take in at once.
    Reading again after a crash moves nothing back; a topic made anew, whose records are later, begins anew.
    """
    rows = [
        {
            "topic": one.door,
            "partition": one.partition,
            "next_offset": one.last_offset + 1,
            "caught_up_to": one.caught_up_to,
        }
        for one in sorted(counted, key=lambda one: (one.door, one.partition))
        if one.last_offset is not None and one.caught_up_to is not None
    ]
    if not rows:
        return {}
    noted = await fetch(connection, _note(connection.dialect.name), encode_rows(connection, rows))
    return {(row.topic, row.partition): row.read_before for row in noted}


@cache
def _note(dialect: str) -> Executable:
    names = ("topic", "partition", "next_offset", "caught_up_to")
    rows = given(dialect, **{name: caught_up.c[name].type for name in names})
    # SQLite needs the WHERE to tell ON CONFLICT from a join's ON.
    noted = insert_into(dialect, caught_up).from_select(names, select(*(rows.c[name] for name in names)).where(true()))
    incoming, held = noted.excluded, caught_up.c
    is_later = incoming.caught_up_to > held.caught_up_to
    further = or_(is_later, incoming.next_offset > held.next_offset)
    return noted.on_conflict_do_update(
        index_elements=["topic", "partition"],
        set_={
            "read_before": held.next_offset,
            "next_offset": case((further, incoming.next_offset), else_=held.next_offset),
            "caught_up_to": case((is_later, incoming.caught_up_to), else_=held.caught_up_to),
        },
    ).returning(held.topic, held.partition, held.read_before)


async def expect_partitions(connection: AsyncConnection, topics: Iterable[str], partitions: int) -> None:
    """Notes that these partitions are there and not read yet, so that expiry waits for them."""
    rows = [
        {"topic": topic, "partition": partition, "next_offset": 0, "caught_up_to": _NEVER}
        for topic in sorted(topics)
        for partition in range(partitions)
    ]
    await insert_missing(connection, caught_up, rows)
