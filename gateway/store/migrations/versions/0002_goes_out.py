"""Events, and what is owed to whom."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")

NOTIFICATIONS = {
    "name": "notifications",
    "kind": "kafka",
    "audience": "customer",
    "owner": "",
    "settings": '{"topic": "notifications.v1"}',
    "state": "active",
    "strict": True,
    "sandbox": False,
}


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("job", NUMBER),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("jobversion", sa.Integer()),
        sa.Column("brand", sa.String(100)),
        sa.Column("profile_version", sa.Integer()),
        sa.Column("record", NUMBER),
        sa.Column("note", NUMBER),
        sa.Column("note_revision", sa.Integer()),
        sa.Column("by_user", NUMBER),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("recipients", sa.SmallInteger(), nullable=False),
        sa.Column("unmatched", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_event"),
    )
    op.create_index("ix_event_job", "event", ["job", "position"])
    _create_partial_index("ix_event_unmatched", "event", ["brand", "number"], "unmatched IS NOT NULL")
    _create_partial_index(
        "ix_event_reason",
        "event",
        ["brand", "number"],
        "type IN ('appointment.canceled', 'appointment.completed', 'appointment.paused', "
        "'job.canceled', 'job.completed', 'job.declined')",
    )
    op.create_index(
        "ix_event_receipt",
        "event",
        ["record"],
        postgresql_where=sa.text("job IS NULL"),
        sqlite_where=sa.text("job IS NULL"),
    )
    destination = op.create_table(
        "destination",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(249), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("audience", sa.String(20), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("state_reason", sa.String(200)),
        sa.Column("state_at", MOMENT),
        sa.Column("strict", sa.Boolean(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("breaker", sa.Text()),
        sa.Column("budget", sa.Text()),
        sa.PrimaryKeyConstraint("number", name="pk_destination"),
        sa.UniqueConstraint("name", name="uq_destination_name"),
    )
    op.create_table(
        "destination_secret",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("destination", NUMBER, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.PrimaryKeyConstraint("number", name="pk_destination_secret"),
    )
    op.create_index("ix_destination_secret_destination", "destination_secret", ["destination"])
    op.create_table(
        "delivery",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event", NUMBER, nullable=False),
        sa.Column("destination", NUMBER, nullable=False),
        sa.Column("lane", NUMBER, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("previous", sa.Integer()),
        sa.Column("profile_version", sa.Integer()),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(60)),
        sa.Column("detail", sa.Text()),
        sa.Column("waits_kind", sa.String(8)),
        sa.Column("waits_text", sa.Text()),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("digest", sa.String(64)),
        sa.Column("operation", NUMBER),
        sa.Column("superseded_by", NUMBER),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("settled_at", MOMENT),
        sa.PrimaryKeyConstraint("number", name="pk_delivery"),
    )
    op.create_index("ix_delivery_event", "delivery", ["event"])
    _create_partial_index(
        "ix_delivery_left", "delivery", ["destination", "lane"], "state IN ('superseded', 'skipped', 'dead')"
    )
    _create_partial_index(
        "ix_delivery_owed", "delivery", ["destination", "lane", "position"], "state IN ('pending', 'held', 'dead')"
    )
    _create_partial_index(
        "ix_delivery_state", "delivery", ["state", "number"], "state IN ('held', 'dead', 'skipped', 'superseded')"
    )
    _create_partial_index("ix_delivery_settled", "delivery", ["destination", "settled_at"], "state = 'delivered'")
    op.create_table(
        "lane",
        sa.Column("destination", NUMBER, nullable=False),
        sa.Column("key", NUMBER, nullable=False),
        sa.Column("owed", sa.Integer(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("token", sa.String(32)),
        sa.PrimaryKeyConstraint("destination", "key", name="pk_lane"),
    )
    op.create_index("ix_lane_due", "lane", ["rank", "destination", "due_at"])
    _create_partial_index("ix_lane_claimed", "lane", ["destination", "due_at"], "token IS NOT NULL")
    op.create_table(
        "attempt",
        sa.Column("delivery", NUMBER, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(60)),
        sa.Column("detail", sa.Text()),
        sa.Column("fault_domain", sa.String(20)),
        sa.Column("profile_version", sa.Integer()),
        sa.Column("digest", sa.String(64)),
        sa.PrimaryKeyConstraint("delivery", "ordinal", name="pk_attempt"),
        sa.ForeignKeyConstraint(["delivery"], ["delivery.number"], name="fk_attempt_delivery"),
    )
    op.create_table(
        "applied_version",
        sa.Column("brand", sa.String(100), nullable=False),
        sa.Column("job", NUMBER, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("confirmed_by", sa.String(10), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("brand", "job", name="pk_applied_version"),
    )
    op.create_table(
        "feed_position",
        sa.Column("destination", NUMBER, nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("delivery", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("destination", "position", name="pk_feed_position"),
    )
    op.create_table(
        "last_position",
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("owner", NUMBER, nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("kind", "owner", name="pk_last_position"),
    )
    op.create_table(
        "operation",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("state_reason", sa.String(200)),
        sa.Column("author", sa.String(100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("preview", sa.Text()),
        sa.Column("progress", sa.Text()),
        sa.Column("made", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("state_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_operation"),
    )
    op.create_table(
        "operation_item",
        sa.Column("operation", NUMBER, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("verb", sa.String(20), nullable=False),
        sa.Column("subject", NUMBER, nullable=False),
        sa.Column("destination", NUMBER),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("verdict", sa.String(60)),
        sa.Column("made", NUMBER),
        sa.PrimaryKeyConstraint("operation", "ordinal", name="pk_operation_item"),
    )
    _create_partial_index(
        "ix_operation_item_waiting", "operation_item", ["operation", "ordinal"], where="state = 'waiting'"
    )
    op.create_table(
        "operator_action",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("author", sa.String(100), nullable=False),
        sa.Column("verb", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(40), nullable=False),
        sa.Column("numbers", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_operator_action"),
    )
    op.create_table(
        "refused_call",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("reason", sa.String(30), nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("hour", "address", "key", "reason", name="pk_refused_call"),
    )
    op.create_table(
        "retired_total",
        sa.Column("flow", sa.String(10), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("flow", "state", name="pk_retired_total"),
    )
    op.bulk_insert(destination, [NOTIFICATIONS])


def _create_partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=condition, sqlite_where=condition)
