"""Taking the steps by which a database's tables came to be what they are now.

Each file in a folder's `versions` is one step, never changed once released.
Alembic is imported only when there is a step to take: who is up to date does
not carry it. Sets of tables with a version table each can lie in one database.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import column, func, inspect, select, table

from mosaic.adapters.sql.engine import Database, Tx
from mosaic.core.errors import Refused

_LOCK = 0x6D6F73616963
"""Held while steps are taken; only has to be no other program's."""


@dataclass(frozen=True, slots=True)
class Steps:
    """One set of tables: where its steps are, which table has the number of the last one, and whose they are."""

    folder: Path
    version_table: str
    newest: str
    owner: str


class DatabaseTooNew(Refused):
    """A later Mosaic has changed the tables."""

    code = "database-too-new"

    def __init__(self, owner: str, found: str, newest: str) -> None:
        super().__init__(
            f"the {owner}'s database has the tables of step {found}, and this Mosaic knows steps up to {newest}",
            hint="run the newer Mosaic again, or restore the database from before its update",
        )


def upgrade(database: Database, steps: Steps) -> None:
    """Take every step that is missing, in one transaction. Doing it twice is fine. Raises DatabaseTooNew."""
    with database.read() as tx:
        found = _revision(tx, steps)
    if found == steps.newest:
        return
    if found is not None and found > steps.newest:
        raise DatabaseTooNew(steps.owner, found, steps.newest)
    with database.write() as tx:
        # Two programs that share a server may start at the same moment; SQLite has one writer anyway.
        if tx.dialect.name == "postgresql":
            tx.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        if _revision(tx, steps) != steps.newest:
            _run(tx, steps)


def _revision(tx: Tx, steps: Steps) -> str | None:
    if not inspect(tx).has_table(steps.version_table):
        return None
    found = tx.scalar(select(column("version_num")).select_from(table(steps.version_table)))
    return str(found) if found else None


def _run(tx: Tx, steps: Steps) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(steps.folder))
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
