"""What an owner wants to be kept of an installation's snapshots."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("installations", sa.Column("keeps", sa.Text(), nullable=True))
