"""Claims: a relay's temporary right to lanes, with what is owed on them.

A claim is a due time in the future plus a token on the lane's row; there is no other state. Whoever's token is no
longer on a lane has lost it and changes nothing there.
"""

from __future__ import annotations

import secrets
from collections import Counter
from itertools import groupby, islice, takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Executable, null, update

from gateway.core.document import StoredEvent, rendered_by
from gateway.core.events import EventType, NoteRevision
from gateway.core.values import dataclass
from gateway.store import codec
from gateway.store.claim_statements import DEPTH, read_claimed, take_allowed, take_lanes
from gateway.store.dialect import any_of, key_set
from gateway.store.given import encode_rows, given
from gateway.store.lanes import is_each
from gateway.store.outbox import RANKS
from gateway.store.prepared import fetch
from gateway.store.recording import delete_lanes
from gateway.store.superseding import supersede
from gateway.store.superseding_notes import find_taken_back
from gateway.store.superseding_progress import PROGRESS, find_overtaken
from gateway.store.tables import delivery, lane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy.ext.asyncio import AsyncConnection

    from gateway.store.destinations import Destination

LaneKey = tuple[int, int]

# Columns of `read_claimed`.
_LANE = itemgetter(0, 1)
_DESTINATION = 0
_NUMBER = 3
_STATE = 4
_EVENT_TYPE = 13

# While several destinations are due, one of them takes at most this part of a claim.
_LARGEST_PART = 4


class ClaimedDelivery(NamedTuple):
    """A delivery that a claim covers. `claims` counts this one too; `attempts` and `retries` are before it.

    `part` is which of its messages a poller gets next, `operation` what made it, where no event did.
    """

    number: int
    destination: int
    lane: int
    position: int
    previous: int | None
    claims: int
    attempts: int
    retries: int
    event: StoredEvent
    part: int = 0
    operation: int | None = None


class ClaimedLane(NamedTuple):
    """The claimed part of a lane, in its order; empty where everything covered was superseded. `token`: the claim's."""

    destination: Destination
    place: LaneKey
    deliveries: tuple[ClaimedDelivery, ...]
    token: str

    @property
    def key(self) -> int:
        return self.place[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one relay may send until `until`, and nobody else."""

    token: str
    now: datetime
    until: datetime
    lanes: tuple[ClaimedLane, ...]


class Turn(NamedTuple):
    """What a claim may take of one destination: lanes, and deliveries on them in all (None: as many as there are)."""

    destination: Destination
    lanes: int
    deliveries: int | None


class _Terms(NamedTuple):
    token: str
    now: datetime
    until: datetime


async def claim(
    connection: AsyncConnection,
    destinations: Sequence[Destination],
    *,
    now: datetime,
    lease: timedelta,
    lanes: int = 500,
    depth: int = DEPTH,
) -> Claim:
    """Claims up to `lanes` due lanes of `destinations` in the caller's transaction; urgent ranks first.

    At most `depth` deliveries of each lane, in order. The number of statements is constant. Lanes whose head turns out
    to wait (held, or dead where strict) are put to rest, those with nothing owed go; what is overtaken is superseded.
    """
    terms = _Terms(secrets.token_hex(16), now, now + lease)
    taken = await _take(connection, destinations, terms, lanes)
    return await _claimed(connection, taken, destinations, terms, lambda _: depth)


async def claim_allowed(
    connection: AsyncConnection, turns: Sequence[Turn], *, now: datetime, lease: timedelta, lanes: int = 500
) -> Claim:
    """`claim`, of each destination what it allows: its lanes, and what is covered of them in all."""
    terms = _Terms(secrets.token_hex(16), now, now + lease)
    taken = await _take_allowed(connection, turns, terms, lanes) if turns else []
    counts = Counter(number for number, _ in taken)
    depths = {
        one.destination.number: DEPTH if one.deliveries is None else one.deliveries // counts[one.destination.number]
        for one in turns
        if counts[one.destination.number]
    }
    destinations = [one.destination for one in turns]
    return await _claimed(connection, taken, destinations, terms, lambda number: min(DEPTH, depths[number]))


async def _claimed(
    connection: AsyncConnection,
    taken: Sequence[LaneKey],
    destinations: Iterable[Destination],
    terms: _Terms,
    depth_of: Callable[[int], int],
) -> Claim:
    token, now, until = terms
    if not taken:
        return Claim(token=token, now=now, until=until, lanes=())
    by_number = {one.number: one for one in destinations}
    covered = await _cover(connection, taken, by_number, depth_of)
    resting = [key for key in taken if key not in covered]
    if resting:
        rows = encode_rows(connection, _key_rows(resting))
        await fetch(connection, _rest(connection.dialect.name), rows)
        # A claim that superseded all of a lane and died left it with nothing owed: what comes next needs a new one.
        await fetch(connection, delete_lanes(connection.dialect.name, finished_only=True), rows)
    covered = await _without_overtaken(connection, covered, by_number, now)
    claimed = (ClaimedLane(by_number[place[0]], place, deliveries, token) for place, deliveries in covered.items())
    return Claim(token=token, now=now, until=until, lanes=tuple(claimed))


async def _take(
    connection: AsyncConnection, destinations: Sequence[Destination], terms: _Terms, lanes: int
) -> list[LaneKey]:
    turns = [{"destination": one.number, "rank": rank} for rank in RANKS for one in destinations]
    share = max(1, lanes // max(1, min(len(destinations), _LARGEST_PART)))
    given_turns = encode_rows(connection, turns)["rows"]
    parameters = {**terms._asdict(), "turns": given_turns, "share": share, "lanes": lanes}
    rows = await fetch(connection, take_lanes(connection.dialect.name), parameters)
    return sorted((row.destination, row.key) for row in rows)


async def _take_allowed(connection: AsyncConnection, turns: Sequence[Turn], terms: _Terms, lanes: int) -> list[LaneKey]:
    given_turns = encode_rows(
        connection, [{"destination": one.destination.number, "lanes": one.lanes} for one in turns]
    )["rows"]
    parameters = {
        **terms._asdict(),
        "turns": given_turns,
        "ranks": key_set(connection, RANKS),
        "share": max(one.lanes for one in turns),
        "lanes": lanes,
    }
    rows = await fetch(connection, take_allowed(connection.dialect.name), parameters)
    return sorted((row.destination, row.key) for row in rows)


async def _cover(
    connection: AsyncConnection,
    taken: Iterable[LaneKey],
    destinations: Mapping[int, Destination],
    depth_of: Callable[[int], int],
) -> dict[LaneKey, tuple[ClaimedDelivery, ...]]:
    lanes = [{"destination": number, "key": key, "strict": destinations[number].strict} for number, key in taken]
    deepest = max(depth_of(number) for number, _ in taken)
    found = await fetch(connection, read_claimed(connection.dialect.name, deepest), encode_rows(connection, lanes))
    # The first three columns are a delivery's place in its lane.
    rows = sorted(map(tuple, found))
    ahead = [
        row
        for place, of_lane in groupby(rows, key=_LANE)
        for row in takewhile(_is_pending, islice(of_lane, depth_of(place[0])))
    ]
    counted = [row[_NUMBER] for row in ahead if _may_be_overtaken(row, destinations)]
    if counted:
        # Now, not when the claim is recorded: what would overtake it asks whether it may have left.
        mine = any_of(connection, delivery.c.number, counted)
        await connection.execute(update(delivery).where(mine).values(claims=delivery.c.claims + 1))
    return {place: tuple(map(delivery_from, of_lane)) for place, of_lane in groupby(ahead, key=_LANE)}


def _is_pending(row: tuple[Any, ...]) -> bool:
    """What is held waits for a mapping and what is dead for an operator, and so does everything behind it."""
    state: str = row[_STATE]
    return state == "pending"


def _may_be_overtaken(row: tuple[Any, ...], destinations: Mapping[int, Destination]) -> bool:
    kind: str = row[_EVENT_TYPE]
    return kind == EventType.NOTE_PUBLISHED or (kind in PROGRESS and destinations[row[_DESTINATION]].superseding)


async def _without_overtaken(
    connection: AsyncConnection,
    covered: dict[LaneKey, tuple[ClaimedDelivery, ...]],
    destinations: Mapping[int, Destination],
    now: datetime,
) -> dict[LaneKey, tuple[ClaimedDelivery, ...]]:
    """What is left to send after what was overtaken is gone, with the `previous` that each now has."""
    overtaken = await find_taken_back(connection, [one for deliveries in covered.values() for one in deliveries])
    for (number, _), deliveries in covered.items():
        if destinations[number].superseding:
            overtaken += find_overtaken(deliveries)
    if not overtaken:
        return covered
    strict = {number for number, one in destinations.items() if one.strict}
    handed_on = await supersede(connection, overtaken, strict, now)
    gone = {one.link.number for one in overtaken}
    return {
        place: tuple(
            one._replace(previous=handed_on.get(one.number, one.previous))
            for one in deliveries
            if one.number not in gone
        )
        for place, deliveries in covered.items()
    }


def _rest(dialect: str) -> Executable:
    rows = given(dialect, destination=lane.c.destination.type, key=lane.c.key.type)
    return update(lane).where(is_each(dialect, rows)).values(due_at=null(), token=null())


def _key_rows(keys: Iterable[LaneKey]) -> list[dict[str, int]]:
    return [{"destination": number, "key": key} for number, key in keys]


def delivery_from(row: tuple[Any, ...]) -> ClaimedDelivery:
    """From the columns of `read_claimed`, by position: thousands a second pass here."""
    destination, key, position, number, _, previous, claims, attempts, retries, part, *rest = row
    operation, version, *of_event = rest
    return ClaimedDelivery(
        number=number,
        destination=destination,
        lane=key,
        position=position,
        previous=previous,
        claims=claims + 1,
        attempts=attempts,
        retries=retries,
        part=part,
        operation=operation,
        event=rendered_by(event_from(of_event), version),
    )


def event_from(row: Sequence[Any]) -> StoredEvent:
    """From the columns `OF_EVENT`."""
    number, kind, job, source, brand, version, profile, occurred_at, recorded_at, body, note, revision = row
    return StoredEvent(
        number=number,
        type=kind,
        job=job,
        source=source,
        brand=brand,
        jobversion=version,
        profile_version=profile,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        body=codec.decode(body),
        note=None if note is None else NoteRevision(note, revision),
    )
