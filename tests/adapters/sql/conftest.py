"""Every test here runs on SQLite, and on a real PostgreSQL server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.sql import migrations
from mosaic.adapters.sql.engine import Database, open_sqlite, open_url
from support.postgres import new_database, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The server's URL."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database with its tables."""
    if request.param == "sqlite":
        opened = open_sqlite(tmp_path / "hive.db")
    else:
        opened = open_url(new_database(request.getfixturevalue("postgres")))
    migrations.upgrade(opened)
    yield opened
    opened.close()
