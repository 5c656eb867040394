"""The first tables of a gateway group."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    _group()
    _links()
    _tunnels()


def _group() -> None:
    op.create_table(
        "gw_state",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_gw_state"),
    )
    counters = op.create_table(
        "gw_counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_gw_counters"),
    )
    op.bulk_insert(counters, [{"name": "change", "value": 0}, {"name": "next-number", "value": 256}])
    op.create_table(
        "gw_hives",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("vouches", sa.Boolean(), nullable=False),
        sa.Column("allowed_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_gw_hives"),
    )
    op.create_table(
        "gw_domains",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("hive", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["hive"], ["gw_hives.key"], name="fk_gw_domains_hive"),
        sa.PrimaryKeyConstraint("domain", name="pk_gw_domains"),
    )
    op.create_index("ix_gw_domains_hive", "gw_domains", ["hive"])
    op.create_table(
        "gw_gateways",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("lease_until_ns", sa.BigInteger(), nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_gw_gateways"),
        sa.UniqueConstraint("number", name="uq_gw_gateways_number"),
    )


def _links() -> None:
    op.create_table(
        "gw_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hive", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("removed_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_gw_links"),
    )
    op.create_index("ix_gw_links_hive", "gw_links", ["hive"])
    op.create_index("ix_gw_links_change", "gw_links", ["change"])
    op.create_table(
        "gw_names",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["link"], ["gw_links.id"], name="fk_gw_names_link"),
        sa.PrimaryKeyConstraint("name", name="pk_gw_names"),
    )
    op.create_index("ix_gw_names_link", "gw_names", ["link"])
    op.create_table(
        "gw_tokens",
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["link"], ["gw_links.id"], name="fk_gw_tokens_link"),
        sa.PrimaryKeyConstraint("link", "sha256", name="pk_gw_tokens"),
    )
    op.create_table(
        "gw_ports",
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("public", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("inner", sa.Integer(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["link"], ["gw_links.id"], name="fk_gw_ports_link"),
        sa.PrimaryKeyConstraint("protocol", "public", name="pk_gw_ports"),
    )
    op.create_index("ix_gw_ports_link", "gw_ports", ["link"])


def _tunnels() -> None:
    op.create_table(
        "gw_registrations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("session", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("tunnel_key", sa.Text(), nullable=True),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("gateways", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("superseded_ns", sa.BigInteger(), nullable=True),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["link"], ["gw_links.id"], name="fk_gw_registrations_link"),
        sa.PrimaryKeyConstraint("id", name="pk_gw_registrations"),
    )
    op.create_index("ix_gw_registrations_link", "gw_registrations", ["link"])
    there = sa.text("ended_ns IS NULL")
    for column in ("number", "public_key"):
        name = f"uq_gw_registrations_{column}"
        op.create_index(name, "gw_registrations", [column], unique=True, sqlite_where=there, postgresql_where=there)
    op.create_table(
        "gw_freed",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_gw_freed"),
    )
    op.create_index("ix_gw_freed_at_ns", "gw_freed", ["at_ns"])
    op.create_table(
        "gw_endpoints",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "public_key", name="pk_gw_endpoints"),
    )
    op.create_table(
        "gw_seen",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("seen_ns", sa.BigInteger(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sent_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "link", name="pk_gw_seen"),
    )
