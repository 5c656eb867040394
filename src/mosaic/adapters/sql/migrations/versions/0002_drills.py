"""What was found when a snapshot was restored to scratch."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "drills",
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("volume", sa.Text(), nullable=False),
        sa.Column("instant_ns", sa.BigInteger(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("content_bytes", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("differing", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["volume"], ["volumes.id"], name="fk_drills_volume"),
        sa.PrimaryKeyConstraint("head", name="pk_drills"),
    )
    op.create_index("ix_drills_volume", "drills", ["volume"], unique=False)
