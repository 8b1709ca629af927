"""Notes: the only reader and writer of their texts, which leave here as `Private`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from gateway.core.events import EventType
from gateway.core.notes import Note
from gateway.core.visibility import Audience, Private, Visibility, open_for_storage
from gateway.store import codec
from gateway.store.dialect import any_of, by_key, key_set
from gateway.store.prepared import fetch_mappings
from gateway.store.tables import delivery, event, inbound_record, note

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.bulk import Writes


async def load_notes(connection: AsyncConnection, numbers: Iterable[int]) -> dict[int, Note]:
    """The notes of these numbers, as they are now. Their job's lock is theirs too."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    query = by_key(connection.dialect.name, note.c.number)
    rows = await fetch_mappings(connection, query, {"keys": key_set(connection, wanted)})
    return {row["number"]: _note_from(row) for row in rows}


async def list_notes(
    connection: AsyncConnection, job: int, audience: Audience, *, uses_notes: bool, before: int | None, limit: int
) -> list[Note]:
    """The notes of a job that may be for `audience`, the newest first, below the number `before`.

    No more than may be: how many others there are does not show in what is left of a page.
    """
    query = select(note).where(note.c.job == job).order_by(note.c.number.desc()).limit(limit)
    if audience is not Audience.PROVIDER:
        is_public = note.c.visibility == Visibility.PUBLIC.value
        query = query.where(or_(note.c.by_enterprise, is_public) if uses_notes else note.c.by_enterprise)
    if before is not None:
        query = query.where(note.c.number < before)
    return [_note_from(row) for row in (await connection.execute(query)).mappings()]


async def find_published_to(connection: AsyncConnection, held: Iterable[Note]) -> dict[int, set[int]]:
    """By note, the destinations that any of its publications was appended for."""
    listed = list(held)
    if not listed:
        return {}
    query = (
        select(event.c.note, delivery.c.destination)
        .join(delivery, delivery.c.event == event.c.number)
        .where(
            any_of(connection, event.c.job, sorted({one.job for one in listed})),
            any_of(connection, event.c.note, sorted({one.number for one in listed})),
            event.c.type == EventType.NOTE_PUBLISHED.value,
        )
    )
    found: dict[int, set[int]] = {}
    for number, destination in (await connection.execute(query)).all():
        found.setdefault(number, set()).add(destination)
    return found


async def find_texts(
    connection: AsyncConnection, jobs: Iterable[int], since: datetime
) -> dict[tuple[int, str, Private], tuple[datetime, int]]:
    """What was said of these jobs by records received after `since`: (job, source, text) to the last time, and record.

    A note has the number of the record that made it.
    """
    record = inbound_record.c
    query = (
        select(note, record.received_at)
        .join(inbound_record, record.number == note.c.number)
        .where(any_of(connection, note.c.job, sorted(jobs)), record.received_at > since)
        .order_by(record.received_at, note.c.number)
    )
    rows = (await connection.execute(query)).mappings()
    return {(row["job"], row["source"], Private(row["text"])): (row["received_at"], row["number"]) for row in rows}


def save_notes(writes: Writes, changed: Iterable[Note]) -> None:
    """Writes new and changed notes, in the transaction of their job."""
    writes.upsert(note, [_note_row(one) for one in sorted(changed, key=lambda one: one.number)])


def _note_row(one: Note) -> codec.Row:
    return {
        "number": one.number,
        "job": one.job,
        "source": one.source,
        "by_enterprise": one.by_enterprise,
        "user": one.user,
        "visibility": one.visibility.value,
        "revision": one.revision,
        "published": one.published,
        "text": open_for_storage(one.text),
        "latest": codec.nested(one.latest),
        "created_at": one.created_at,
    }


def _note_from(row: RowMapping) -> Note:
    return Note(
        number=row["number"],
        job=row["job"],
        source=row["source"],
        by_enterprise=row["by_enterprise"],
        user=row["user"],
        visibility=Visibility(row["visibility"]),
        revision=row["revision"],
        published=row["published"],
        text=Private(row["text"]),
        latest=codec.decode(row["latest"]),
        created_at=row["created_at"],
    )
