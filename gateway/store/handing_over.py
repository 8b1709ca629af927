"""Hands what was just appended to a relay of the same process: claimed where it is appended, sent once it is committed.

Spares the relay being woken, claiming and reading. Only what any claim would take as it is goes this way: the one
delivery of a lane, that nothing overtakes, while its destination has room for it. All else is left to the claims.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter, defaultdict
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import orjson
from sqlalchemy import TextClause, bindparam, text

from gateway.core.document import StoredEvent
from gateway.core.events import EventType, NoteRevision
from gateway.store.claims import Claim, ClaimedDelivery, ClaimedLane
from gateway.store.columns import Moment
from gateway.store.given import encode_rows
from gateway.store.prepared import fetch
from gateway.store.standings import claimed_lanes
from gateway.store.superseding_progress import PROGRESS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.claims import LaneKey
    from gateway.store.destinations import Destination
    from gateway.store.outbox import NewDelivery, NewEvent
    from gateway.store.standings import Standing

_OF_NOTES = frozenset({EventType.NOTE_PUBLISHED, EventType.NOTE_RETRACTED})


class Fresh(NamedTuple):
    """A delivery as it was appended, and its event."""

    delivery: NewDelivery
    event: NewEvent

    @property
    def place(self) -> LaneKey:
        return self.delivery.destination, self.delivery.lane


class Taker(Protocol):
    """A relay of this process."""

    def takes_more(self, destination: int) -> bool:
        """Whether there may be room there for what is new: nothing that was owed before waits for it."""

    async def claim_fresh(
        self, connection: AsyncConnection, fresh: Sequence[Fresh], committed: asyncio.Future[bool]
    ) -> int:
        """Claims the lanes of `fresh`, or some of them, and returns how many.

        In the transaction that appended them: what is claimed is sent once `committed` says that it was.
        """


class HandOver:
    """Which relays of this process take what is new, by their kinds of destination."""

    def __init__(self) -> None:
        self.takers: dict[str, Taker] = {}

    @contextlib.contextmanager
    def of_one_commit(self) -> Iterator[Handing]:
        """Holds one transaction: an exception that leaves it says that nothing was committed."""
        handing = Handing(self.takers)
        is_committed = False
        try:
            yield handing
            is_committed = True
        finally:
            handing.committed.set_result(is_committed)


class Handing:
    """What one transaction hands over. `owed`: the kinds of destination that it left something to be claimed for."""

    def __init__(self, takers: Mapping[str, Taker]) -> None:
        self.committed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.owed: set[str] = set()
        self._takers = takers
        self._chosen: dict[str, list[Fresh]] = defaultdict(list)

    def choose(
        self, events: Sequence[NewEvent], deliveries: Sequence[NewDelivery], owed_to: Mapping[int, Destination]
    ) -> bool:
        """Chooses what may be handed over of what is appended. Returns whether that is all of it."""
        by_number = {one.number: one for one in events} if self._takers else {}
        lanes = Counter((one.destination, one.lane) for one in deliveries) if self._takers else Counter()
        for one in deliveries:
            to = owed_to[one.destination]
            taker = self._takers.get(to.kind)
            if taker is None or lanes[one.destination, one.lane] > 1 or not taker.takes_more(one.destination):
                self.owed.add(to.kind)
            elif _is_plain(fresh := Fresh(one, by_number[one.event]), to):
                self._chosen[to.kind].append(fresh)
            else:
                self.owed.add(to.kind)
        return not self.owed

    async def claim(self, connection: AsyncConnection) -> bool:
        """Claims what was chosen, at the end of the transaction: from here on rows of destinations are locked.

        Returns whether it was all of that.
        """
        for kind, fresh in self._chosen.items():
            if await self._takers[kind].claim_fresh(connection, fresh, self.committed) < len(fresh):
                self.owed.add(kind)
        return self.owed.isdisjoint(self._chosen)


def _is_plain(one: Fresh, to: Destination) -> bool:
    """Whether it can be sent now, and nothing that comes can overtake it or take it back."""
    if one.delivery.state != "pending" or one.event.type in _OF_NOTES:
        return False
    return not (to.superseding and one.event.type in PROGRESS)


async def claim_fresh(
    connection: AsyncConnection,
    fresh: Sequence[Fresh],
    standings: Sequence[Standing],
    rooms: Mapping[int, int],
    *,
    now: datetime,
    until: datetime,
) -> Claim:
    """Claims the lanes of `fresh` on which nothing else is owed, as many as have room, by one statement.

    `standings` are their destinations, as far as the caller has locked them; `rooms`: how many lanes of each may be
    claimed at a time, by whatever relays.
    """
    token = secrets.token_hex(16)
    destinations = {one.number: one.destination for one in standings}
    by_place = {one.place: one for one in fresh if one.delivery.destination in rooms}
    nth: Counter[int] = Counter()
    rows = []
    for number, key in by_place:
        rows.append({"destination": number, "key": key, "nth": nth[number], "room": rooms[number]})
        nth[number] += 1
    terms = {**encode_rows(connection, rows), "token": token, "now": now, "until": until}
    found = await fetch(connection, _claim(connection.dialect.name), terms) if rows else ()
    lanes = (
        ClaimedLane(destinations[number], (number, key), (_claimed(by_place[number, key], previous),), token)
        for number, key, previous in found
    )
    return Claim(token=token, now=now, until=until, lanes=tuple(lanes))


def _claimed(fresh: Fresh, previous: int | None) -> ClaimedDelivery:
    one = fresh.delivery
    return ClaimedDelivery(
        number=one.number,
        destination=one.destination,
        lane=one.lane,
        position=one.position,
        previous=previous,
        claims=1,
        attempts=0,
        retries=0,
        event=stored(fresh.event),
        operation=one.operation,
    )


def stored(new: NewEvent) -> StoredEvent:
    """The event as it is read from the outbox."""
    return StoredEvent(
        number=new.number,
        type=new.type,
        job=new.job,
        source=new.source,
        brand=new.brand,
        jobversion=new.jobversion,
        profile_version=new.profile_version,
        occurred_at=new.occurred_at.astimezone(UTC),
        recorded_at=new.recorded_at.astimezone(UTC),
        body=orjson.loads(orjson.dumps(new.body)),
        note=None if new.note is None or new.note_revision is None else NoteRevision(new.note, new.note_revision),
    )


# A lane's only delivery is the new one where one is owed; its `previous` may have been bridged when it was inserted.
_PREVIOUS = """
(
    SELECT previous FROM delivery
    WHERE delivery.destination = lane.destination AND delivery.lane = lane.key AND delivery.state = 'pending'
    ORDER BY delivery.position LIMIT 1
) AS previous
"""

_CLAIM_POSTGRESQL = f"""
UPDATE lane SET due_at = :until, token = :token
WHERE ctid = ANY (ARRAY(
    SELECT found.ctid
    FROM json_to_recordset(CAST(:rows AS json)) AS fresh(destination bigint, key bigint, nth integer, room integer)
    JOIN (
        SELECT listed.destination, {claimed_lanes("listed.destination")} AS claimed
        FROM (
            SELECT DISTINCT destination FROM json_to_recordset(CAST(:rows AS json)) AS each(destination bigint)
        ) AS listed
    ) AS counted ON counted.destination = fresh.destination AND counted.claimed + fresh.nth < fresh.room
    CROSS JOIN LATERAL (
        SELECT lane.ctid FROM lane
        WHERE lane.destination = fresh.destination AND lane.key = fresh.key
          AND lane.owed = 1 AND lane.token IS NULL AND lane.due_at <= :now
        LIMIT 1
    ) AS found
))
RETURNING destination, key, {_PREVIOUS}
"""

_CLAIM_SQLITE = f"""
UPDATE lane SET due_at = :until, token = :token
WHERE (destination, key) IN (
    SELECT fresh.value ->> 'destination', fresh.value ->> 'key' FROM json_each(:rows) AS fresh
    WHERE {claimed_lanes("fresh.value ->> 'destination'")} + (fresh.value ->> 'nth') < fresh.value ->> 'room'
) AND owed = 1 AND token IS NULL AND due_at <= :now
RETURNING destination, key, {_PREVIOUS}
"""


@cache
def _claim(dialect: str) -> TextClause:
    statement = text(_CLAIM_SQLITE if dialect == "sqlite" else _CLAIM_POSTGRESQL)
    return statement.bindparams(bindparam("now", type_=Moment()), bindparam("until", type_=Moment()))
