"""Slots with leases, people with accounts, verdicts, removed photos"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _accounts()
    _queue()
    _answers()
    _fill_slots()


def _accounts() -> None:
    op.add_column(
        "labeller", sa.Column("role", sa.String(), nullable=False, server_default="labeller")
    )
    op.add_column("labeller", sa.Column("password", sa.String(), nullable=True))
    op.add_column("labeller", sa.Column("invitation", sa.String(), nullable=True))
    op.add_column("labeller", sa.Column("invited_until_ms", sa.BigInteger(), nullable=True))
    op.add_column(
        "labeller", sa.Column("sessions", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column(
        "labeller", sa.Column("seen_ms", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.execute(
        "UPDATE labeller SET seen_ms = COALESCE("
        "(SELECT max(created_ms) FROM answer WHERE answer.labeller_id = labeller.id), 0)"
    )
    op.create_index("labeller_invitation", "labeller", ["invitation"], unique=True)
    op.create_table(
        "login_failure",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_login_failure_name"), "login_failure", ["name"])
    op.create_index(op.f("ix_login_failure_address"), "login_failure", ["address"])
    op.create_table(
        "removed",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _queue() -> None:
    op.add_column("query", sa.Column("overlap", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("query", sa.Column("guess", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "slot",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("query_id", sa.Integer(), nullable=False),
        sa.Column("slot_no", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("labeller_id", sa.Integer(), nullable=True),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["query_id"], ["query.id"]),
        sa.ForeignKeyConstraint(["labeller_id"], ["labeller.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("query_id", "slot_no", name="slot_of_query"),
        sa.UniqueConstraint("query_id", "labeller_id", name="slot_one_a_person"),
    )
    op.create_index("slot_order", "slot", ["state", "round_id", "priority", "slot_no"])
    op.create_index("slot_of_labeller", "slot", ["labeller_id", "state"])
    op.create_table(
        "lease",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("labeller_id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("query_id", sa.Integer(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("exposed_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["labeller_id"], ["labeller.id"]),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"]),
        sa.ForeignKeyConstraint(["query_id"], ["query.id"]),
        sa.PrimaryKeyConstraint("token"),
    )
    op.create_index("lease_of_labeller", "lease", ["labeller_id", "query_id"])
    op.create_index(op.f("ix_lease_image_id"), "lease", ["image_id"])
    op.create_index(op.f("ix_lease_query_id"), "lease", ["query_id"])


def _answers() -> None:
    # SQLite adds a column with its reference only as part of the column, not of the table.
    token = sa.Column("token", sa.String(length=32), sa.ForeignKey("lease.token"), nullable=True)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("ALTER TABLE answer ADD COLUMN token VARCHAR(32) REFERENCES lease (token)")
    else:
        op.add_column("answer", token)
    false = sa.text("false")
    op.add_column("answer", sa.Column("late", sa.Boolean(), nullable=False, server_default=false))
    op.add_column(
        "answer", sa.Column("verdict", sa.Boolean(), nullable=False, server_default=false)
    )
    op.add_column("answer", sa.Column("reason", sa.String(), nullable=True))
    op.add_column("answer", sa.Column("proposal", sa.String(), nullable=True))
    op.add_column("answer", sa.Column("labels_shown", sa.Integer(), nullable=True))
    op.execute("UPDATE answer SET labels_shown = (SELECT count(*) FROM label)")
    op.drop_index(op.f("ix_answer_query_id"), "answer")
    op.create_index("answer_of_query", "answer", ["query_id", "labeller_id", "id"])
    op.create_index("answer_of_labeller", "answer", ["labeller_id", "id"])
    op.create_index(op.f("ix_answer_token"), "answer", ["token"])


def _fill_slots() -> None:
    """One slot a query: free where it waits, else of whoever answered first."""
    op.execute(
        "INSERT INTO slot (query_id, slot_no, round_id, priority, state) "
        "SELECT id, 0, round_id, priority, "
        "CASE state WHEN 'open' THEN 'free' ELSE 'closed' END FROM query"
    )
    op.execute(
        "UPDATE slot SET state = 'answered', labeller_id = "
        "(SELECT labeller_id FROM answer WHERE id = (SELECT min(id) FROM answer "
        "WHERE answer.query_id = slot.query_id AND kind <> 'skip')) "
        "WHERE state = 'closed' AND EXISTS (SELECT 1 FROM answer "
        "WHERE answer.query_id = slot.query_id AND kind <> 'skip')"
    )
    op.execute(
        "UPDATE answer SET late = true WHERE kind <> 'skip' AND query_id IS NOT NULL AND "
        "labeller_id <> (SELECT labeller_id FROM slot WHERE slot.query_id = answer.query_id)"
    )
