"""An SQLite database with its tables, made once a test run and copied: the steps are the same every time."""

import contextlib
import tempfile
from functools import cache
from pathlib import Path

from mosaic.adapters.sql import migrations
from mosaic.adapters.sql.engine import open_sqlite


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hive.db"
        with contextlib.closing(open_sqlite(path)) as database:
            migrations.upgrade(database)
        return path.read_bytes()


def write_migrated(path: Path) -> None:
    """Write the database, unless there is one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_template())
