"""Links, their names and tokens, the gateways that carry them, and each account's part of the names."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _make_accounts_part()
    _make_links()
    _make_parts_of_links()


def _make_accounts_part() -> None:
    op.create_table(
        "account_labels",
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("chosen_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("label", name="pk_account_labels"),
        sa.UniqueConstraint("account", name="uq_account_labels_account"),
    )
    op.create_table(
        "gateways",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=True),
        sa.Column("certificate", sa.Text(), nullable=True),
        sa.Column("about", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("added_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gateways"),
        sa.UniqueConstraint("url", name="uq_gateways_url"),
    )


def _make_links() -> None:
    op.create_table(
        "links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("installation", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("token_number", sa.Integer(), nullable=False),
        sa.Column("ends_older", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("removed_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_links_account"),
        sa.ForeignKeyConstraint(["installation"], ["installations.id"], name="fk_links_installation"),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"], name="fk_links_gateway"),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
    )
    op.create_index("ix_links_account", "links", ["account"])
    op.create_index(
        "uq_links_installation",
        "links",
        ["installation"],
        unique=True,
        sqlite_where=sa.text("removed_ns IS NULL"),
        postgresql_where=sa.text("removed_ns IS NULL"),
    )


def _make_parts_of_links() -> None:
    op.create_table(
        "link_names",
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("next_ns", sa.BigInteger(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("warned_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["link"], ["links.id"], name="fk_link_names_link"),
        sa.PrimaryKeyConstraint("link", "name", name="pk_link_names"),
    )
    op.create_index(
        "uq_link_names_name",
        "link_names",
        ["name"],
        unique=True,
        sqlite_where=sa.text("counts"),
        postgresql_where=sa.text("counts"),
    )
    op.create_index("ix_link_names_next_ns", "link_names", ["next_ns"])
    op.create_table(
        "link_tokens",
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("root_id", sa.Text(), nullable=False),
        sa.Column("known_ns", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["link"], ["links.id"], name="fk_link_tokens_link"),
        sa.PrimaryKeyConstraint("link", "number", name="pk_link_tokens"),
    )
    op.create_table(
        "link_pushes",
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("taken_revision", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=True),
        sa.Column("heard_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["link"], ["links.id"], name="fk_link_pushes_link"),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"], name="fk_link_pushes_gateway"),
        sa.PrimaryKeyConstraint("link", "gateway", name="pk_link_pushes"),
    )
