"""Parties, jobs and what was taken in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "counter",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("next", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_counter"),
    )
    op.create_table(
        "account",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("first_party", sa.Boolean(), nullable=False),
        sa.Column("receipts", sa.String(10)),
        sa.Column("receipts_to", sa.String(10)),
        sa.PrimaryKeyConstraint("number", name="pk_account"),
        sa.UniqueConstraint("name", name="uq_account_name"),
    )
    op.create_table(
        "organization",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("handle", sa.String(200), nullable=False),
        sa.Column("branch_of", NUMBER),
        sa.Column("receipts", sa.String(10), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("latest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_organization"),
        sa.UniqueConstraint("handle", name="uq_organization_handle"),
    )
    op.create_table(
        "gateway_user",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("organization", NUMBER, nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("deactivated_at", MOMENT),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("latest", sa.Text(), nullable=False),
        sa.Column("position_at", MOMENT),
        sa.Column("latitude", sa.Float()),
        sa.Column("longitude", sa.Float()),
        sa.Column("position_why_none", sa.String(40)),
        sa.PrimaryKeyConstraint("number", name="pk_gateway_user"),
    )
    op.create_index("ix_gateway_user_organization", "gateway_user", ["organization"])
    op.create_table(
        "customer",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_customer"),
    )
    op.create_table(
        "job",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("account", NUMBER),
        sa.Column("brand", sa.String(100)),
        sa.Column("organization", NUMBER, nullable=False),
        sa.Column("external_id", sa.String(200)),
        sa.Column("customer", NUMBER, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("closure", sa.String(20)),
        sa.Column("accept_by", MOMENT),
        sa.Column("held_by", NUMBER),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_job"),
    )
    _create_partial_index("ix_job_accept_by", "job", ["accept_by"], "accept_by IS NOT NULL")
    op.create_index("ix_job_account", "job", ["account", "number"])
    op.create_index("ix_job_organization", "job", ["organization", "number"])
    op.create_index("ix_job_external_id", "job", ["external_id"])
    op.create_table(
        "appointment",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("job", NUMBER, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("technician", NUMBER),
        sa.Column("start_at", MOMENT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_appointment"),
    )
    op.create_index("ix_appointment_job", "appointment", ["job"])
    op.create_index("ix_appointment_technician", "appointment", ["technician"])
    op.create_table(
        "note",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("job", NUMBER, nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("by_enterprise", sa.Boolean(), nullable=False),
        sa.Column("user", NUMBER),
        sa.Column("visibility", sa.String(10), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("latest", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_note"),
    )
    op.create_index("ix_note_job", "note", ["job"])
    op.create_table(
        "reference",
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(4), nullable=False),
        sa.Column("number", NUMBER),
        sa.Column("job", NUMBER),
        sa.Column("waiting", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("external_id", "source", "kind", name="pk_reference"),
    )
    op.create_table(
        "inbound_record",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("door", sa.String(249), nullable=False),
        sa.Column("partition", sa.Integer()),
        sa.Column("offset", NUMBER),
        sa.Column("append_time", MOMENT),
        sa.Column("arrived_at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("source", sa.String(200)),
        sa.Column("message_id", sa.String(200)),
        sa.Column("type", sa.String(100)),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("holds_id", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("reason", sa.String(60)),
        sa.Column("field", sa.String(200)),
        sa.Column("detail", sa.Text()),
        sa.Column("first", NUMBER),
        sa.Column("job", NUMBER),
        sa.Column("brand", sa.String(100)),
        sa.Column("by_user", NUMBER),
        sa.Column("waits_source", sa.String(200)),
        sa.Column("waits_kind", sa.String(4)),
        sa.Column("waits_id", sa.String(200)),
        sa.Column("waits_text", sa.Text()),
        sa.Column("settled_at", MOMENT),
        sa.Column("receipt_position", NUMBER),
        sa.Column("receipts", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("headers", sa.Text()),
        sa.Column("raw", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("number", name="pk_inbound_record"),
    )
    _create_partial_index("ix_inbound_record_job", "inbound_record", ["job", "number"], "job IS NOT NULL")
    op.create_index("ix_inbound_record_receipt", "inbound_record", ["source", "receipt_position", "received_at"])
    _create_partial_index(
        "ix_inbound_record_undecided_job", "inbound_record", ["job", "number"], "state IN ('parked', 'requeued')"
    )
    _create_partial_index(
        "ix_inbound_record_position",
        "inbound_record",
        ["received_at"],
        "type = 'user.position' AND raw IS NOT NULL",
    )
    _create_partial_index(
        "ix_inbound_record_open",
        "inbound_record",
        ["state", "number"],
        "state IN ('parked', 'unmapped', 'quarantined', 'requeued')",
    )
    _create_partial_index(
        "ix_inbound_record_waits", "inbound_record", ["waits_id", "waits_source", "waits_kind"], "state = 'parked'"
    )
    _create_partial_index(
        "uq_inbound_record_message",
        "inbound_record",
        ["message_id", "source"],
        "holds_id AND message_id IS NOT NULL",
        unique=True,
    )
    _create_partial_index(
        "uq_inbound_record_place",
        "inbound_record",
        ["door", "partition", "offset", "append_time"],
        '"offset" IS NOT NULL',
        unique=True,
    )
    op.create_table(
        "intake",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("door", sa.String(249), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.Column("first_offset", NUMBER),
        sa.Column("last_offset", NUMBER),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_intake"),
    )
    op.create_index("ix_intake_door", "intake", ["door", "partition"])
    op.create_table(
        "caught_up",
        sa.Column("topic", sa.String(249), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", NUMBER, nullable=False),
        sa.Column("read_before", NUMBER, nullable=False, server_default="0"),
        sa.Column("caught_up_to", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="pk_caught_up"),
    )
    op.create_table(
        "profile",
        sa.Column("brand", sa.String(100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("author", sa.String(100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("brand", "version", name="pk_profile"),
    )
    op.create_table(
        "activation",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("brand", sa.String(100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("effective_at", MOMENT, nullable=False),
        sa.Column("author", sa.String(100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_activation"),
    )
    op.create_table(
        "in_place",
        sa.Column("brand", sa.String(100), nullable=False),
        sa.Column("activation", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("brand", name="pk_in_place"),
    )
    op.create_table(
        "access_key",
        sa.Column("number", NUMBER, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("owner", NUMBER, nullable=False),
        sa.Column("brand", sa.String(100)),
        sa.Column("transformation", sa.String(40), nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("secret", sa.LargeBinary()),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("number", name="pk_access_key"),
        sa.UniqueConstraint("token_hash", name="uq_access_key_token_hash"),
    )
    op.create_index("ix_access_key_owner", "access_key", ["owner", "kind", "transformation"])
    op.create_table(
        "booking_count",
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(220), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "subject", name="pk_booking_count"),
    )
    op.bulk_insert(
        sa.table("counter", sa.column("kind"), sa.column("next")),
        # Organizations are numbered after records, or by people, whose own numbers are below.
        [{"kind": "record", "next": 10_001}, {"kind": "event", "next": 1}, {"kind": "delivery", "next": 1}],
    )


def _create_partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=condition, sqlite_where=condition)
