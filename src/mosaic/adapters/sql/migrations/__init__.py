"""How the tables came to be: `upgrade` brings a database of any earlier Mosaic to this one.

Each file in `versions` is one step, never changed once released. Alembic is
imported only when there is a step to take: an up-to-date Hive does not carry it.
"""

from pathlib import Path

from sqlalchemy import inspect, text

from mosaic.adapters.sql.engine import Database, Tx
from mosaic.core.errors import Refused

NEWEST = "0006"
_TABLE = "alembic_version"


class DatabaseTooNew(Refused):
    """A later Mosaic has changed the tables."""

    code = "database-too-new"

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the Hive's database has the tables of step {found}, and this Mosaic knows steps up to {NEWEST}",
            hint="run the newer Mosaic again, or restore the database from before its update",
        )


def upgrade(database: Database) -> None:
    """Take every step that is missing, in one transaction. Doing it twice is fine. Raises DatabaseTooNew."""
    with database.read() as tx:
        found = _revision(tx)
    if found == NEWEST:
        return
    if found is not None and found > NEWEST:
        raise DatabaseTooNew(found)
    with database.write() as tx:
        _run(tx)


def _revision(tx: Tx) -> str | None:
    if not inspect(tx).has_table(_TABLE):
        return None
    found = tx.scalar(text("SELECT version_num FROM alembic_version"))
    return str(found) if found else None


def _run(tx: Tx) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
