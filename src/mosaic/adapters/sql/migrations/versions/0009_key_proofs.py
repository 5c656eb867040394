"""What each Device says of its keys, for the owner's clients to check."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the step."""
    op.add_column("devices", sa.Column("key_proof", sa.Text()))
