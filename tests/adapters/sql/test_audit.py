"""The Hive's audit log: one line of rows for each account, whoever writes at once, and bounded."""

import threading

import pytest

from adapters.sql import rows
from adapters.sql.rows import ADA
from mosaic.adapters.sql import accounts, audit, events
from mosaic.adapters.sql.accounts import Account
from mosaic.adapters.sql.engine import Database
from mosaic.adapters.sql.events import Happened
from mosaic.core.audit import Entry, Row, broken_at
from mosaic.core.ids import AccountId


def written(database: Database, account: AccountId = ADA) -> list[Row]:
    with database.read() as tx:
        return audit.after(tx, account, 0, limit=10_000)


def order(database: Database, n: int, account: AccountId = ADA) -> None:
    with database.write() as tx:
        audit.append(tx, account, Entry(n, "owner", "read-logs", said={"service": f"\0é{n}"}))


def test_rows_of_writers_that_race_are_one_chain(database: Database) -> None:
    rows.account(database)
    writers = [threading.Thread(target=order, args=(database, n)) for n in range(12)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()

    found = written(database)
    assert broken_at(found) == ""
    assert sorted(row.entry.at_ns for row in found) == list(range(12))


def test_each_account_has_a_chain_of_its_own(database: Database) -> None:
    rows.account(database)
    eve = AccountId("eve")
    with database.write() as tx:
        accounts.add(tx, Account(eve, "eve", "verifier", None, None), now_ns=1)
    for n in range(4):
        order(database, n, eve if n % 2 else ADA)

    assert [row.n for row in written(database)] == [row.n for row in written(database, eve)] == [1, 2]


def test_old_rows_go_only_from_the_beginning_and_the_chain_says_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "KEPT", 8)
    monkeypatch.setattr(audit, "LET_GO_AT_ONCE", 4)
    rows.account(database)
    for n in range(30):
        order(database, n)

    found = written(database)
    assert broken_at(found) == ""
    assert 8 <= len(found) <= 14


def test_what_was_ordered_is_written_down_with_its_event_and_what_only_happened_is_not(database: Database) -> None:
    rows.account(database)
    with database.write() as tx:
        events.add(tx, Happened(ADA, "stopped", "notes", "notes shall stop."), now_ns=1)
        events.add(tx, Happened(ADA, "settled", "notes", "notes is settled."), now_ns=2)
        events.add(tx, Happened(ADA, "settled", "notes", "notes is settled."), now_ns=3, by="scheduler")
        events.add(tx, Happened(ADA, "holder-changed", "notes", "attic holds notes."), now_ns=4, by="scheduler")

    told = [(row.entry.by, row.entry.kind, row.entry.said["text"]) for row in written(database)]
    assert told == [
        ("owner", "stopped", "notes shall stop."),
        ("scheduler", "holder-changed", "attic holds notes."),
    ]


def test_every_order_is_an_event_that_the_hive_makes() -> None:
    from mosaic.hive.stories import KINDS

    assert set().union(*events.ORDERED.values()) <= KINDS
