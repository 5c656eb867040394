"""How the Hive's tables came to be: `upgrade` brings a database of any earlier Mosaic to this one."""

from pathlib import Path

from mosaic.adapters.sql import steps
from mosaic.adapters.sql.engine import Database

NEWEST = "0012"
_STEPS = steps.Steps(Path(__file__).parent, "alembic_version", NEWEST, "Hive")


def upgrade(database: Database) -> None:
    """Take every step that is missing, in one transaction. Doing it twice is fine. Raises DatabaseTooNew."""
    steps.upgrade(database, _STEPS)
