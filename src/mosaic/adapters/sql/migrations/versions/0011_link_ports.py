"""The raw ports of links: what their owners wish gateways to open for them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.create_table(
        "link_ports",
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("named", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("public", sa.Integer(), nullable=False),
        sa.Column("inner", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["link"], ["links.id"], name="fk_link_ports_link"),
        sa.PrimaryKeyConstraint("link", "protocol", "named", name="pk_link_ports"),
        sa.UniqueConstraint("link", "inner", name="uq_link_ports_link"),
    )
