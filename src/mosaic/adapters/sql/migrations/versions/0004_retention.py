"""Which snapshots were let go or pinned, and who reads one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("heads", sa.Column("let_go_ns", sa.BigInteger(), nullable=True))
    op.add_column("heads", sa.Column("pin", sa.Text(), nullable=True))
    op.create_table(
        "read_leases",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("volume", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("since_seq", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["volume"], ["volumes.id"], name="fk_read_leases_volume"),
        sa.PrimaryKeyConstraint("id", name="pk_read_leases"),
    )
    op.create_index("ix_read_leases_volume", "read_leases", ["volume"], unique=False)
