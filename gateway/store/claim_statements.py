"""The two statements of a claim, as each database says them.

PostgreSQL goes to the rows by address and by primary key, whatever the planner believes of the tables' sizes, and past
rows that others hold. SQLite has one writer, so there is nobody to go past.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import TextClause, TextualSelect, bindparam, column, text

from gateway.store.columns import Moment
from gateway.store.tables import delivery, event

# What one claim takes of one lane at most.
DEPTH = 8

# `turns` are (destination, rank) in the order in which they may take; a claim stops as soon as it has `lanes`.
# An address found under a row lock is the row's newest, so no other writer can have moved it.
_LANES_POSTGRESQL = """
UPDATE lane SET due_at = :until, token = :token
WHERE ctid = ANY (ARRAY(
    SELECT due.ctid
    FROM json_to_recordset(CAST(:turns AS json)) AS turn(destination bigint, rank smallint)
    CROSS JOIN LATERAL (
        SELECT lane.ctid FROM lane
        WHERE lane.destination = turn.destination AND lane.rank = turn.rank AND lane.due_at <= :now
        ORDER BY lane.due_at LIMIT :share FOR UPDATE SKIP LOCKED
    ) AS due
    LIMIT :lanes
))
RETURNING destination, key
"""

_LANES_SQLITE = """
UPDATE lane SET due_at = :until, token = :token
WHERE rowid IN (
    SELECT due.rowid FROM json_each(:turns) AS turn JOIN lane AS due ON due.rowid IN (
        SELECT lane.rowid FROM lane
        WHERE lane.destination = turn.value ->> 'destination' AND lane.rank = turn.value ->> 'rank'
          AND lane.due_at <= :now
        ORDER BY lane.due_at LIMIT :share
    )
    LIMIT :lanes
)
RETURNING destination, key
"""

# `turns` are (destination, lanes): how many of each may be taken, the urgent ranks first.
_ALLOWED_POSTGRESQL = """
UPDATE lane SET due_at = :until, token = :token
WHERE ctid = ANY (ARRAY(
    SELECT due.ctid
    FROM json_to_recordset(CAST(:turns AS json)) AS turn(destination bigint, lanes bigint)
    CROSS JOIN LATERAL (
        SELECT urgent.ctid
        FROM unnest(CAST(:ranks AS smallint[])) AS ranked(rank)
        CROSS JOIN LATERAL (
            SELECT lane.ctid FROM lane
            WHERE lane.destination = turn.destination AND lane.rank = ranked.rank AND lane.due_at <= :now
            ORDER BY lane.due_at LIMIT turn.lanes FOR UPDATE SKIP LOCKED
        ) AS urgent
        LIMIT turn.lanes
    ) AS due
    LIMIT :lanes
))
RETURNING destination, key
"""

# A limit of its own for each is not said in SQLite's LIMIT; `share` is the largest of them.
_ALLOWED_SQLITE = """
UPDATE lane SET due_at = :until, token = :token
WHERE rowid IN (
    SELECT listed.address FROM (
        SELECT due.rowid AS address, turn.key AS nth, turn.value ->> 'lanes' AS most,
               row_number() OVER (PARTITION BY turn.key ORDER BY due.rank, due.due_at) AS place
        FROM json_each(:turns) AS turn JOIN json_each(:ranks) AS ranked JOIN lane AS due ON due.rowid IN (
            SELECT lane.rowid FROM lane
            WHERE lane.destination = turn.value ->> 'destination' AND lane.rank = ranked.value
              AND lane.due_at <= :now
            ORDER BY lane.due_at LIMIT :share
        )
    ) AS listed
    WHERE listed.place <= listed.most
    ORDER BY listed.nth LIMIT :lanes
)
RETURNING destination, key
"""

# Of each lane the first few that are owed. Those behind a held or dead one are among them: the reader stops there.
_READ_POSTGRESQL = """
SELECT {columns}
FROM json_to_recordset(CAST(:rows AS json)) AS claimed(destination bigint, key bigint, strict boolean)
CROSS JOIN LATERAL (
    SELECT * FROM delivery
    WHERE delivery.destination = claimed.destination AND delivery.lane = claimed.key
      AND state IN ('pending', 'held', 'dead') AND (state <> 'dead' OR claimed.strict)
    ORDER BY position LIMIT {depth}
) AS ahead
JOIN event ON event.number = ahead.event
"""

_READ_SQLITE = """
SELECT {columns}
FROM json_each(:rows) AS claimed
JOIN delivery AS ahead ON ahead.number IN (
    SELECT number FROM delivery
    WHERE destination = claimed.value ->> 'destination' AND lane = claimed.value ->> 'key'
      AND state IN ('pending', 'held', 'dead') AND (state <> 'dead' OR claimed.value ->> 'strict')
    ORDER BY position LIMIT {depth}
)
JOIN event ON event.number = ahead.event
"""

_OF_DELIVERY = (
    "destination",
    "lane",
    "position",
    "number",
    "state",
    "previous",
    "claims",
    "attempts",
    "retries",
    "part",
    "operation",
    "profile_version",
)
# What a stored event is made from (`claims.event_from`).
OF_EVENT = (
    "number",
    "type",
    "job",
    "source",
    "brand",
    "jobversion",
    "profile_version",
    "occurred_at",
    "recorded_at",
    "body",
    "note",
    "note_revision",
)


@cache
def take_lanes(dialect: str) -> TextClause:
    """Claims due lanes. Parameters: turns (JSON), now, until, token, share (per turn), lanes (in all)."""
    statement = text(_LANES_SQLITE if dialect == "sqlite" else _LANES_POSTGRESQL)
    return statement.bindparams(bindparam("now", type_=Moment()), bindparam("until", type_=Moment()))


@cache
def take_allowed(dialect: str) -> TextClause:
    """Claims due lanes, of each destination so many. Parameters as of `take_lanes`, where `turns` say it, and ranks."""
    statement = text(_ALLOWED_SQLITE if dialect == "sqlite" else _ALLOWED_POSTGRESQL)
    return statement.bindparams(bindparam("now", type_=Moment()), bindparam("until", type_=Moment()))


@cache
def read_claimed(dialect: str, depth: int = DEPTH) -> TextualSelect:
    """The first `depth` deliveries owed on the lanes `rows` (JSON): the columns of each, then those of its event."""
    columns = [f"ahead.{name} AS delivery_{name}" for name in _OF_DELIVERY]
    columns += [f"event.{name} AS event_{name}" for name in OF_EVENT]
    template = _READ_SQLITE if dialect == "sqlite" else _READ_POSTGRESQL
    statement = text(template.format(columns=", ".join(columns), depth=depth))
    return statement.columns(
        *(column(f"delivery_{name}", delivery.c[name].type) for name in _OF_DELIVERY),
        *(column(f"event_{name}", event.c[name].type) for name in OF_EVENT),
    )
