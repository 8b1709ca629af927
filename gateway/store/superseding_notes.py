"""Notes that were made private again before they left: their publication is overtaken by its retraction."""

from __future__ import annotations

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING

from sqlalchemy import Executable, select

from gateway.core.events import EventType
from gateway.core.values import dataclass
from gateway.store.bridging import Link, is_versioned
from gateway.store.columns import Number
from gateway.store.given import encode_rows, given
from gateway.store.superseding import Overtaken, WhyOvertaken
from gateway.store.tables import delivery, event

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.claims import ClaimedDelivery

_UNSETTLED = frozenset({"pending", "held"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDelivery:
    """A publication or a retraction of one note on one lane. `covered`: an earlier claim has covered it.

    `happened` is its event's place among those of the job: what is sent again stands further behind on its lane.
    """

    link: Link
    happened: int
    note: int
    type: str
    state: str
    covered: bool


async def find_taken_back(connection: AsyncConnection, covered: Collection[ClaimedDelivery]) -> list[Overtaken]:
    """What retractions overtook of the notes whose publications are `covered` by the caller's claim.

    However far behind the retraction stands: by one statement, and none where no note is published.
    """
    notes = {
        (one.destination, one.lane, one.event.note.number)
        for one in covered
        if one.event.type == EventType.NOTE_PUBLISHED and one.event.note is not None
    }
    if not notes:
        return []
    # Their counts of claims include the present one.
    covered_now = {one.number for one in covered}
    wanted = [{"destination": one, "key": key, "note": note} for one, key, note in sorted(notes)]
    rows = await connection.execute(_history(connection.dialect.name), encode_rows(connection, wanted))
    history = [
        NoteDelivery(
            link=Link(
                number=row.number,
                destination=row.destination,
                lane=row.lane,
                position=row.position,
                previous=row.previous,
                versioned=is_versioned(row.type, row.jobversion, row.operation),
            ),
            happened=row.happened,
            note=row.note,
            type=row.type,
            state=row.state,
            covered=row.claims > (1 if row.number in covered_now else 0),
        )
        for row in rows
    ]
    by = taken_back(history)
    return [
        Overtaken(link=one.link, by=by[one.link.number], why=WhyOvertaken.RETRACTED)
        for one in history
        if one.link.number in by
    ]


def taken_back(history: Iterable[NoteDelivery]) -> dict[int, int]:
    """What is superseded, and by which delivery.

    A publication not yet delivered, by the retraction after it; that retraction by the publication, if no claim before
    this one ever covered a publication that it takes back. A retraction that is sent again takes back nothing newer.
    """
    by: dict[int, int] = {}
    in_order = sorted(
        history,
        key=lambda one: (one.link.destination, one.link.lane, one.note, one.happened, one.link.position),
    )
    for _, chain in groupby(in_order, key=lambda one: (one.link.destination, one.link.lane, one.note)):
        published: list[NoteDelivery] = []
        for one in chain:
            if one.type == EventType.NOTE_PUBLISHED:
                published.append(one)
                continue
            by.update({each.link.number: one.link.number for each in published if each.state in _UNSETTLED})
            if published and one.state in _UNSETTLED and not any(each.covered for each in published):
                by[one.link.number] = published[-1].link.number
            published = []
    return by


@cache
def _history(dialect: str) -> Executable:
    rows = given(dialect, destination=Number, key=Number, note=Number)
    columns = (delivery.c.number, delivery.c.destination, delivery.c.lane, delivery.c.position, delivery.c.previous)
    types = [EventType.NOTE_PUBLISHED.value, EventType.NOTE_RETRACTED.value]
    states = (delivery.c.state, delivery.c.claims, delivery.c.operation)
    of_note = (event.c.job == rows.c.key) & (event.c.note == rows.c.note) & event.c.type.in_(types)
    of_lane = (
        (delivery.c.event == event.c.number)
        & (delivery.c.destination == rows.c.destination)
        & (delivery.c.lane == rows.c.key)
    )
    return (
        select(*columns, *states, event.c.position.label("happened"), event.c.note, event.c.type, event.c.jobversion)
        .join_from(rows, event, of_note)
        .join(delivery, of_lane)
        .where(delivery.c.state != "superseded")
    )
