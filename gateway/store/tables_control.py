"""Tables of the control bus: profiles, keys of callers, limits, what operators did, and what is kept to be read."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, text

from gateway.store.columns import Moment, Number
from gateway.store.tables import metadata

# One version of a brand profile: never changed. Which is in force, `activation` says.
profile = Table(
    "profile",
    metadata,
    Column("brand", String(100), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("author", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("imported_at", Moment, nullable=False),
)

# Append-only. Of a brand's activations whose moment has come the latest is in force; of one moment the last made holds,
# and one of version 0 takes back what was to happen then.
activation = Table(
    "activation",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("brand", String(100), nullable=False),
    Column("version", Integer, nullable=False),
    Column("effective_at", Moment, nullable=False),
    Column("author", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
)

# The activation that a brand's destinations and its account's settings go by: what is behind is brought up to date.
in_place = Table(
    "in_place",
    metadata,
    Column("brand", String(100), primary_key=True),
    Column("activation", Number, nullable=False),
)

# A key by which somebody calls the HTTP edge. `owner` is the number of the account or organization; operators, who have
# no table, are numbered here, and `label` is their name. `state`: active | revoked. `secret` is sealed (`sealing`), and
# forgotten once revoked; of the token there is only a hash. Two may be active of one kind, owner and transformation.
access_key = Table(
    "access_key",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("kind", String(20), nullable=False),
    Column("owner", Number, nullable=False),
    Column("brand", String(100)),
    Column("transformation", String(40), nullable=False),
    Column("label", String(200), nullable=False),
    Column("secret", LargeBinary),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("sandbox", Boolean, nullable=False),
    Column("state", String(12), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("last_used_at", Moment),
    Column("revoked_at", Moment),
    Index("ix_access_key_owner", "owner", "kind", "transformation"),
)

# A secret that signs webhooks to a destination, sealed; with `expires_at` it signs beside the newer one until then.
destination_secret = Table(
    "destination_secret",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("destination", Number, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Index("ix_destination_secret_destination", "destination"),
)

# How many bookings came in an hour (of those since 1970) by one subject: a page, or a visitor's address, signed. Rows
# of earlier hours go when the first of a new one comes.
booking_count = Table(
    "booking_count",
    metadata,
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("subject", String(220), primary_key=True),
    Column("count", Integer, nullable=False),
)

# A recovery operation with its progress; what it does is frozen in `operation_item`. `terms` is JSON: the canary, the
# rate, the share of failures at which it stops. `preview` (JSON) is what was seen when it was frozen, `progress` (JSON)
# how far it has come. `made`: deliveries that it made (owed as well).
# `state`: previewed | running | paused | stopped | canceled | done, for `state_reason`.
operation = Table(
    "operation",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("kind", String(30), nullable=False),
    Column("state", String(12), nullable=False),
    Column("state_reason", String(200)),
    Column("author", String(100), nullable=False),
    Column("reason", Text, nullable=False),
    Column("terms", Text, nullable=False),
    Column("preview", Text),
    Column("progress", Text),
    Column("made", Integer, nullable=False, default=0),
    Column("created_at", Moment, nullable=False),
    Column("state_at", Moment, nullable=False),
)

# One thing that an operation does, as it was seen when it was frozen. `verb`: reopen | redeliver | snapshot | skip |
# requeue | redeliver_by_active; `subject` is a delivery, a record, or for a snapshot the job; `destination` is where a
# snapshot goes.
# `state`: waiting | done | refused, with the `verdict`'s word; `made` is the delivery that it made.
operation_item = Table(
    "operation_item",
    metadata,
    Column("operation", Number, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("verb", String(20), nullable=False),
    Column("subject", Number, nullable=False),
    Column("destination", Number),
    Column("state", String(12), nullable=False),
    Column("verdict", String(60)),
    Column("made", Number),
    Index(
        "ix_operation_item_waiting",
        "operation",
        "ordinal",
        postgresql_where=text("state = 'waiting'"),
        sqlite_where=text("state = 'waiting'"),
    ),
)

# Who did what to which rows, and why. Append-only.
operator_action = Table(
    "operator_action",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("author", String(100), nullable=False),
    Column("verb", String(40), nullable=False),
    Column("subject", String(40), nullable=False),
    Column("numbers", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

# The newest version of a job of which a brand has said that it stands in its own system, and how it said so.
# `confirmed_by`: answer | feed | topic.
applied_version = Table(
    "applied_version",
    metadata,
    Column("brand", String(100), primary_key=True),
    Column("job", Number, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("confirmed_by", String(10), nullable=False),
    Column("at", Moment, nullable=False),
)

# An event's place in the feed of one destination, given in the recording transaction: no gaps that fill later.
feed_position = Table(
    "feed_position",
    metadata,
    Column("destination", Number, primary_key=True),
    Column("position", Number, primary_key=True),
    Column("delivery", Number, nullable=False),
)

# How far positions have been given. `kind`: feed (`owner` is a destination) | account | organization (the receipts of
# what it sent). Whoever gives some holds the row until they are visible.
last_position = Table(
    "last_position",
    metadata,
    Column("kind", String(12), primary_key=True),
    Column("owner", Number, primary_key=True),
    Column("position", Number, nullable=False),
)

# Counts of rows that retention removed, so that the sums still agree.
retired_total = Table(
    "retired_total",
    metadata,
    Column("flow", String(10), primary_key=True),
    Column("state", String(12), primary_key=True),
    Column("count", Number, nullable=False),
)

# Calls of one hour that proved nothing: from one address, under one public key (or none), for one reason.
refused_call = Table(
    "refused_call",
    metadata,
    Column("hour", Moment, primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("key", String(100), primary_key=True),
    Column("reason", String(30), primary_key=True),
    Column("count", Number, nullable=False),
    Column("last_at", Moment, nullable=False),
)
