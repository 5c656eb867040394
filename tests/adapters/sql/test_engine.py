"""Transactions: whole or not at all, one after the other, durable."""

import contextlib
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from mosaic.adapters.sql import migrations, schema, settings
from mosaic.adapters.sql.engine import Database, DatabaseUnavailable, DatabaseUrlUnreadable, open_sqlite, open_url
from mosaic.adapters.sql.steps import DatabaseTooNew


def test_the_migrations_make_exactly_the_schema(database: Database) -> None:
    with database.read() as tx:
        assert compare_metadata(MigrationContext.configure(tx), schema.metadata) == []


def test_upgrading_again_changes_nothing(database: Database) -> None:
    with database.write() as tx:
        settings.put(tx, "term", "7")
    migrations.upgrade(database)
    with database.read() as tx:
        assert settings.get(tx, "term") == "7"


def test_a_database_of_a_later_mosaic_is_refused(database: Database) -> None:
    with database.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="step 9999"):
        migrations.upgrade(database)


def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    with database.write() as tx:
        settings.put(tx, "kept", "1")
    with pytest.raises(ZeroDivisionError), database.write() as tx:
        settings.put(tx, "kept", "2")
        settings.put(tx, "lost", "3")
        raise ZeroDivisionError
    with database.read() as tx:
        assert (settings.get(tx, "kept"), settings.get(tx, "lost")) == ("1", None)


def test_a_server_that_only_reads_is_one_that_does_not_answer(database: Database) -> None:
    reads_only = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET TRANSACTION READ ONLY"}
    with pytest.raises(DatabaseUnavailable, match=r"the database \("), database.write() as tx:
        tx.execute(text(reads_only[tx.dialect.name]))
        settings.put(tx, "lost", "1")


def test_a_read_sees_one_instant(database: Database) -> None:
    with database.write() as tx:
        settings.put(tx, "a", "1")
    with database.read() as look:
        assert settings.get(look, "a") == "1"
        with database.write() as tx:
            settings.put(tx, "a", "2")
        assert settings.get(look, "a") == "1"


def test_writers_in_many_threads_lose_nothing(database: Database) -> None:
    def count() -> None:
        for _ in range(10):
            with database.write() as tx:
                tx.execute(text("UPDATE hive SET value = value WHERE name = 'n'"))
                settings.put(tx, "n", str(int(settings.get(tx, "n") or 0) + 1))

    with database.write() as tx:
        settings.put(tx, "n", "0")
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as tx:
        assert settings.get(tx, "n") == "40"


def test_an_sqlite_file_is_its_owners_alone_and_synced_at_each_commit(tmp_path: Path) -> None:
    with contextlib.closing(open_sqlite(tmp_path / "hive.db")) as database, database.write() as tx:
        pragmas = [tx.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert pragmas == ["wal", 2, 1]
    assert (tmp_path / "hive.db").stat().st_mode & 0o777 == 0o600


def test_a_server_that_is_not_there_is_said_without_its_password() -> None:
    database = open_url("postgresql://ada:hunter2@127.0.0.1:1/mosaic")
    with pytest.raises(DatabaseUnavailable) as caught, database.read():
        pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://somewhere/x", "nonsense", "", "postgresql:/"])
def test_an_address_that_is_not_one_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlUnreadable):
        open_url(url).close()
