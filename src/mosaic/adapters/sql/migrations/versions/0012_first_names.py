"""Since when each name of a link counts: the app is told the one that has counted longest."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step. Of the names that are there already, the order stays what it was."""
    op.add_column("link_names", sa.Column("counts_ns", sa.BigInteger(), nullable=False, server_default="0"))
