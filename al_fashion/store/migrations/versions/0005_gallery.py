"""What models predict, which answers look wrong, and the gallery that follows from both"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    _findings()
    _gallery()


def _findings() -> None:
    op.create_table(
        "prediction",
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("top", sa.Integer(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("uncertainty", sa.Double(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"]),
        sa.ForeignKeyConstraint(["round_id"], ["round.id"]),
        sa.PrimaryKeyConstraint("image_id"),
    )
    op.create_table(
        "suspect",
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("suspicion", sa.Double(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"]),
        sa.PrimaryKeyConstraint("image_id"),
    )


def _gallery() -> None:
    op.create_table(
        "gallery_photo",
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("uncertainty", sa.Double(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"]),
        sa.PrimaryKeyConstraint("image_id"),
    )
    op.create_index("gallery_order", "gallery_photo", ["uncertainty", "image_id", "state"])
    op.create_table(
        "gallery_label",
        sa.Column("image_id", sa.String(length=64), nullable=False),
        sa.Column("label_id", sa.Integer(), nullable=False),
        sa.Column("answered", sa.Boolean(), nullable=False),
        sa.Column("predicted", sa.Boolean(), nullable=False),
        sa.Column("uncertainty", sa.Double(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"]),
        sa.ForeignKeyConstraint(["label_id"], ["label.id"]),
        sa.PrimaryKeyConstraint("image_id", "label_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "gallery_label_order",
        "gallery_label",
        ["label_id", "uncertainty", "image_id", "state", "answered", "predicted"],
    )
    op.create_table(
        "gallery_progress",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("answer_id", sa.Integer(), nullable=False),
        sa.Column("query_id", sa.Integer(), nullable=False),
        sa.Column("round_id", sa.Integer(), nullable=False),
        sa.Column("suspects_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
