"""Every table, with the meaning of a row and of its states.

JSON is kept as text that is encoded once (`codec`); nothing but `reasons_used` queries inside it. Times are `Moment`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from gateway.store.columns import Moment, Number

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


def _where(condition: str) -> dict[str, Any]:
    """Only rows of this condition, on either database."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


# Blocks of numbers handed to processes: next free one per kind.
counter = Table(
    "counter",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("next", Number, nullable=False),
)

# An enterprise; `first_party`: the organizations it puts are its branches. `receipts`: all | problems | none,
# `receipts_to`: topic | poll; null: as the record's protocol has it.
account = Table(
    "account",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("name", String(100), nullable=False, unique=True),
    Column("first_party", Boolean, nullable=False, default=False),
    Column("receipts", String(10)),
    Column("receipts_to", String(10)),
)

# A service company. `members` is what was put of it, `latest` the digest of each source's last put (JSON).
organization = Table(
    "organization",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("handle", String(200), nullable=False, unique=True),
    Column("branch_of", Number),
    Column("receipts", String(10), nullable=False, default="problems"),
    Column("members", Text, nullable=False),
    Column("latest", Text, nullable=False),
)

# A dispatcher or technician of one organization.
user = Table(
    "gateway_user",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("organization", Number, nullable=False, index=True),
    Column("role", String(20), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("deactivated_at", Moment),
    Column("members", Text, nullable=False),
    Column("latest", Text, nullable=False),
    Column("position_at", Moment),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("position_why_none", String(40)),
)

customer = Table(
    "customer",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("source", String(200), nullable=False),
    Column("members", Text, nullable=False),
)

# The aggregate's columns that are searched by; everything else of it is in `state` (JSON, see `codec`).
# `accept_by` is set only while the offer is open, for the clock. `version` grows with every save.
job = Table(
    "job",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("source", String(200), nullable=False),
    Column("account", Number),
    Column("brand", String(100)),
    Column("organization", Number, nullable=False),
    Column("external_id", String(200)),
    Column("customer", Number, nullable=False),
    Column("status", String(20), nullable=False),
    Column("closure", String(20)),
    Column("accept_by", Moment),
    Column("held_by", Number),
    Column("state", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("ix_job_accept_by", "accept_by", **_where("accept_by IS NOT NULL")),
    # Lists of one party's jobs, page by page; by nothing that changes while a job lives.
    Index("ix_job_account", "account", "number"),
    Index("ix_job_organization", "organization", "number"),
    Index("ix_job_external_id", "external_id"),
)

appointment = Table(
    "appointment",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("job", Number, nullable=False, index=True),
    Column("status", String(20), nullable=False),
    Column("technician", Number, index=True),
    Column("start_at", Moment, nullable=False),
    Column("state", Text, nullable=False),
)

# `text` is private unless the note is public; only `store.notes` reads it, into `Private`.
note = Table(
    "note",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("job", Number, nullable=False, index=True),
    Column("source", String(200), nullable=False),
    Column("by_enterprise", Boolean, nullable=False),
    Column("user", Number),
    Column("visibility", String(10), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("published", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("latest", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

# A sender's own id -> our number, or none yet. `source` is empty for the gateway's own names. `job` is the job of
# an appointment or note. `waiting`: parked records may wait here; whoever parks and whoever creates locks the row.
reference = Table(
    "reference",
    metadata,
    Column("external_id", String(200), primary_key=True),
    Column("source", String(200), primary_key=True),
    Column("kind", String(4), primary_key=True),
    Column("number", Number),
    Column("job", Number),
    Column("waiting", Boolean, nullable=False, default=False),
)

# One record taken in. `state`: applied | ignored | refused | parked | unmapped | quarantined | requeued.
# `place` columns are null for HTTP and internal records. `holds_id`: this row owns (source, message_id); repeats,
# refused and quarantined ones do not. A repeat points at the `first` and keeps no bytes. Parked ones wait on
# (waits_source, waits_kind, waits_id), or on job `job` that an unmapped record holds. `by_user`: whose own key sent it.
# `receipts` counts its own; `receipt_position`: its place among its sender's, null until somebody reads them, and when
# decided anew.
inbound_record = Table(
    "inbound_record",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("door", String(249), nullable=False),
    Column("partition", Integer),
    Column("offset", Number),
    Column("append_time", Moment),
    Column("arrived_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("source", String(200)),
    Column("message_id", String(200)),
    Column("type", String(100)),
    Column("digest", String(64), nullable=False),
    Column("holds_id", Boolean, nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", String(60)),
    Column("field", String(200)),
    Column("detail", Text),
    Column("first", Number),
    Column("job", Number),
    Column("brand", String(100)),
    Column("by_user", Number),
    Column("waits_source", String(200)),
    Column("waits_kind", String(4)),
    Column("waits_id", String(200)),
    Column("waits_text", Text),
    Column("settled_at", Moment),
    Column("receipt_position", Number),
    Column("receipts", SmallInteger, nullable=False, server_default="0"),
    Column("headers", Text),
    Column("raw", LargeBinary),
    Index(
        "uq_inbound_record_place",
        "door",
        "partition",
        "offset",
        "append_time",
        unique=True,
        **_where('"offset" IS NOT NULL'),
    ),
    Index(
        "uq_inbound_record_message",
        "message_id",
        "source",
        unique=True,
        **_where("holds_id AND message_id IS NOT NULL"),
    ),
    Index(
        "ix_inbound_record_open",
        "state",
        "number",
        **_where("state IN ('parked', 'unmapped', 'quarantined', 'requeued')"),
    ),
    Index("ix_inbound_record_receipt", "source", "receipt_position", "received_at"),
    Index("ix_inbound_record_waits", "waits_id", "waits_source", "waits_kind", **_where("state = 'parked'")),
    # What was sent about a job, for whoever sent it.
    Index("ix_inbound_record_job", "job", "number", **_where("job IS NOT NULL")),
    Index("ix_inbound_record_undecided_job", "job", "number", **_where("state IN ('parked', 'requeued')")),
)

# Said the same way by the index and by whoever uses it.
KEEPS_POSITION = "type = 'user.position' AND raw IS NOT NULL"
Index("ix_inbound_record_position", inbound_record.c.received_at, **_where(KEEPS_POSITION))

# What was taken in, counted at the door in the receiving transaction; append-only, folded by the clock.
# `partition` is -1 where the door has none. `folded` rows are sums of what was folded.
intake = Table(
    "intake",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("door", String(249), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("count", Number, nullable=False),
    Column("first_offset", Number),
    Column("last_offset", Number),
    Column("taken_at", Moment, nullable=False),
    Index("ix_intake_door", "door", "partition"),
)

# The append time up to which a partition has been read: what expiry waits for. `read_before` is `next_offset` as it
# was before the last batch.
caught_up = Table(
    "caught_up",
    metadata,
    Column("topic", String(249), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", Number, nullable=False),
    Column("read_before", Number, nullable=False, server_default="0"),
    Column("caught_up_to", Moment, nullable=False),
)

# Something that happened. `body` is canonical JSON without note texts; `recipients` is how many deliveries it was
# appended for. `unmatched` is why there were none (JSON, by destination), where somebody could have been told.
# `jobversion` is null for events without one; `position` orders the events of a job; `source` is the name of the
# account, organization or channel whose job it is.
event = Table(
    "event",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("type", String(40), nullable=False),
    Column("job", Number),
    Column("source", String(200), nullable=False),
    Column("position", Integer, nullable=False),
    Column("jobversion", Integer),
    Column("brand", String(100)),
    Column("profile_version", Integer),
    Column("record", Number),
    Column("note", Number),
    Column("note_revision", Integer),
    Column("by_user", Number),
    Column("occurred_at", Moment, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("recipients", SmallInteger, nullable=False),
    Column("unmatched", Text),
    Column("body", Text, nullable=False),
    Index("ix_event_job", "job", "position"),
    Index("ix_event_unmatched", "brand", "number", **_where("unmatched IS NOT NULL")),
    Index("ix_event_receipt", "record", postgresql_where=text("job IS NULL"), sqlite_where=text("job IS NULL")),
)

# Said the same way by the index and by whoever uses it: what is decided with a reason. Others repeat it.
GIVES_A_REASON = (
    "type IN ('appointment.canceled', 'appointment.completed', 'appointment.paused', "
    "'job.canceled', 'job.completed', 'job.declined')"
)
Index("ix_event_reason", event.c.brand, event.c.number, **_where(GIVES_A_REASON))

# Where documents go: a topic, webhook or queue of a brand, an organization, a source, or the notifications.
# `state`: active | paused | open | half_open, for `state_reason`, since `state_at`. `settings` is JSON for its
# publisher and its relay; `breaker` and `budget` (JSON) are moved by whoever claims. `strict`: a dead head blocks its
# lane.
destination = Table(
    "destination",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("name", String(249), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("audience", String(20), nullable=False),
    Column("owner", String(200), nullable=False, default=""),
    Column("settings", Text, nullable=False),
    Column("state", String(12), nullable=False, default="active"),
    Column("state_reason", String(200)),
    Column("state_at", Moment),
    Column("strict", Boolean, nullable=False, default=True),
    Column("sandbox", Boolean, nullable=False, default=False),
    Column("breaker", Text),
    Column("budget", Text),
)

# One event owed to one destination. `state`: pending | held | delivered | superseded | dead | skipped.
# A held one waits until the brand's profile maps `waits_text`: a reason, or with `waits_kind` status a standing.
# `lane` is the job's number, or minus the record's for what has no job; `position` orders it within its lane.
# `previous` is the jobversion sent before it on this lane (null: none). `claims` counts the claims that covered it and
# were recorded (of what may be overtaken, those begun), `attempts` the tries that left the building. A first try that
# succeeded has no row in `attempt`. `part` is how many of its messages a poller has acknowledged, while some are left.
# `profile_version` renders it instead of the version that decided its event, where an operator has asked for that.
delivery = Table(
    "delivery",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("event", Number, nullable=False),
    Column("destination", Number, nullable=False),
    Column("lane", Number, nullable=False),
    Column("position", Integer, nullable=False),
    Column("previous", Integer),
    Column("profile_version", Integer),
    Column("state", String(12), nullable=False),
    Column("reason", String(60)),
    Column("detail", Text),
    Column("waits_kind", String(8)),
    Column("waits_text", Text),
    Column("claims", Integer, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("retries", Integer, nullable=False, default=0),
    Column("part", SmallInteger, nullable=False, default=0),
    Column("due_at", Moment),
    Column("digest", String(64)),
    Column("operation", Number),
    Column("superseded_by", Number),
    Column("created_at", Moment, nullable=False),
    Column("settled_at", Moment),
    Index("ix_delivery_owed", "destination", "lane", "position", **_where("state IN ('pending', 'held', 'dead')")),
    Index("ix_delivery_state", "state", "number", **_where("state IN ('held', 'dead', 'skipped', 'superseded')")),
    Index("ix_delivery_left", "destination", "lane", **_where("state IN ('superseded', 'skipped', 'dead')")),
    Index("ix_delivery_event", "event"),
    # How many were delivered to a destination lately.
    Index("ix_delivery_settled", "destination", "settled_at", **_where("state = 'delivered'")),
)

# One (destination, job) with something owed. `owed` counts pending, held and, where strict, dead deliveries.
# A claim is a `due_at` in the future plus a `token`; `due_at` is null while the head is held or dead.
lane = Table(
    "lane",
    metadata,
    Column("destination", Number, primary_key=True),
    Column("key", Number, primary_key=True),
    Column("owed", Integer, nullable=False),
    Column("rank", SmallInteger, nullable=False),
    Column("due_at", Moment),
    Column("token", String(32)),
    # Led by the rank: while it believes the table empty the planner would take an index led by the destination for as
    # good as the primary key, and read all lanes of a destination for each one that is recorded.
    Index("ix_lane_due", "rank", "destination", "due_at"),
    # How many lanes of a destination are claimed.
    Index("ix_lane_claimed", "destination", "due_at", **_where("token IS NOT NULL")),
)

# One try that did not simply succeed at first: what was answered, and whose fault it was.
attempt = Table(
    "attempt",
    metadata,
    Column("delivery", Number, ForeignKey("delivery.number"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("begun_at", Moment, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("reason", String(60)),
    Column("detail", Text),
    Column("fault_domain", String(20)),
    Column("profile_version", Integer),
    Column("digest", String(64)),
)
