"""Wishes to go back to an earlier snapshot, and what a fork begins with."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "restores",
        sa.Column("installation", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("volume", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=True),
        sa.Column("conflict", sa.Text(), nullable=True),
        sa.Column("app_digest", sa.Text(), nullable=False),
        sa.Column("asked_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("saved", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["installation"], ["installations.id"], name="fk_restores_installation"),
        sa.ForeignKeyConstraint(["volume"], ["volumes.id"], name="fk_restores_volume"),
        sa.PrimaryKeyConstraint("installation", name="pk_restores"),
    )
    op.create_table(
        "origins",
        sa.Column("installation", sa.Text(), nullable=False),
        sa.Column("volume", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["installation"], ["installations.id"], name="fk_origins_installation"),
        sa.ForeignKeyConstraint(["volume"], ["volumes.id"], name="fk_origins_volume"),
        sa.PrimaryKeyConstraint("installation", name="pk_origins"),
    )
