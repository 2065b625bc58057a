"""What near duplicates are found by"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("file", sa.Column("phash", sa.String(length=16), nullable=True))
    op.add_column("file", sa.Column("thumbnail", sa.LargeBinary(), nullable=True))
