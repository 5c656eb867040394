"""Catalogs that the owner believes, his own apps, and which versions of an app an installation ran."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("installations", sa.Column("catalog", sa.Text(), nullable=True))
    op.add_column("installations", sa.Column("approval", sa.Text(), nullable=True))
    op.add_column("installations", sa.Column("label", sa.Text(), nullable=False, server_default=""))
    op.add_column("installations", sa.Column("follows", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "catalogs",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("added_ns", sa.BigInteger(), nullable=False),
        sa.Column("refreshed_ns", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_catalogs_account"),
        sa.PrimaryKeyConstraint("account", "name", name="pk_catalogs"),
    )
    op.create_table(
        "own_apps",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("added_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_own_apps_account"),
        sa.PrimaryKeyConstraint("account", "app", name="pk_own_apps"),
    )
    op.create_table(
        "updates",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("installation", sa.Text(), nullable=False),
        sa.Column("from_digest", sa.Text(), nullable=False),
        sa.Column("app_digest", sa.Text(), nullable=False),
        sa.Column("catalog", sa.Text(), nullable=True),
        sa.Column("approval", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("gate_seconds", sa.BigInteger(), nullable=False),
        sa.Column("by_itself", sa.Boolean(), nullable=False),
        sa.Column("asked_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("kept", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["installation"], ["installations.id"], name="fk_updates_installation"),
        sa.PrimaryKeyConstraint("id", name="pk_updates"),
    )
    op.create_index("ix_updates_installation", "updates", ["installation", "asked_ns"])
    op.create_index(
        "uq_updates_open",
        "updates",
        ["installation"],
        unique=True,
        sqlite_where=sa.text("ended_ns IS NULL"),
        postgresql_where=sa.text("ended_ns IS NULL"),
    )
    op.create_table(
        "generations",
        sa.Column("installation", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("app_digest", sa.Text(), nullable=False),
        sa.Column("catalog", sa.Text(), nullable=True),
        sa.Column("approval", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("images", sa.Text(), nullable=False),
        sa.Column("began_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_head", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["installation"], ["installations.id"], name="fk_generations_installation"),
        sa.PrimaryKeyConstraint("installation", "n", name="pk_generations"),
    )
