"""Which installation is being given new keys, and by which one it is succeeded."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "successions",
        sa.Column("installation", sa.Text(), nullable=False),
        sa.Column("successor", sa.Text(), nullable=False),
        sa.Column("asked_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["installation"], ["installations.id"], name="fk_successions_installation"),
        sa.PrimaryKeyConstraint("installation", name="pk_successions"),
        sa.UniqueConstraint("successor", name="uq_successions_successor"),
    )
