"""A gateway group's tables: they are what the steps make, lie beside a Hive's, and tell of changes."""

import threading

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from mosaic.adapters.sql.engine import Database
from mosaic.adapters.sql.gateway import changes, links, migrations, numbers, schema, sightings
from mosaic.adapters.sql.gateway.changes import Changes
from mosaic.adapters.sql.gateway.sightings import Sighting
from mosaic.core.ids import LinkId
from mosaic.core.tunnel_addresses import DEFAULT_NETWORK, QUARANTINE_NS, parse
from mosaic.wire.links import DesiredLink

LINK = LinkId("a" * 12)


def test_both_schemas_lie_in_one_database_and_are_what_their_steps_make(database: Database) -> None:
    migrations.upgrade(database)
    migrations.upgrade(database)
    with database.read() as tx:
        found = compare_metadata(
            MigrationContext.configure(tx, opts={"include_name": _is_ours, "version_table": "gw_alembic_version"}),
            schema.metadata,
        )
        tables = set(inspect(tx).get_table_names())
    assert found == []
    assert {"hive", "alembic_version", "gw_links", "gw_alembic_version"} <= tables


def test_a_change_wakes_who_waits_for_it(database: Database) -> None:
    migrations.upgrade(database)
    waiting, found = Changes(database), []
    thread = threading.Thread(target=lambda: found.append(waiting.wait(0, seconds=60)))
    thread.start()
    with database.write() as tx:
        assert changes.next_change(tx) == 1
    thread.join(60)
    assert found == [1]
    assert waiting.wait(0, seconds=60) == 1, "one that was made before is not missed"
    waiting.stop()
    assert waiting.wait(1, seconds=60) == 1
    waiting.close()


def test_changes_of_many_writers_are_numbered_without_a_gap(database: Database) -> None:
    migrations.upgrade(database)
    made: list[int] = []

    def change() -> None:
        for _ in range(10):
            with database.write() as tx:
                made.append(changes.next_change(tx))

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(1, 41))


def test_numbers_are_taken_once_and_come_back_after_their_time(database: Database) -> None:
    migrations.upgrade(database)
    network = parse(DEFAULT_NETWORK)
    with database.write() as tx:
        assert [numbers.take(tx, network, LINK, now_ns=0) for _ in range(3)] == [256, 257, 258]
        numbers.free(tx, 257, now_ns=10)
        assert numbers.take(tx, network, LINK, now_ns=QUARANTINE_NS) == 259
        assert numbers.take(tx, network, LINK, now_ns=QUARANTINE_NS + 10) == 257
        assert numbers.take(tx, network, LINK, now_ns=QUARANTINE_NS + 10) == 260


def test_what_gateways_saw_of_a_link_adds_up(database: Database) -> None:
    migrations.upgrade(database)
    with database.write() as tx:
        links.put(tx, LINK, "h" * 64, DesiredLink(1, "ada", [], []), 1)
        sightings.add(tx, "one", {LINK: Sighting(5, 1, 10)})
        sightings.add(tx, "one", {LINK: Sighting(3, 1, 10)})
        sightings.add(tx, "two", {LINK: Sighting(4, 2, 20), LinkId("b" * 12): Sighting(1, 1, 1)})
        assert sightings.total(tx) == {LINK: Sighting(5, 4, 40)}
        sightings.put_endpoints(tx, "one", {"K": "192.0.2.1:1", "L": "192.0.2.2:2"}, [])
        sightings.put_endpoints(tx, "one", {"K": "192.0.2.3:3"}, ["L"])
        assert sightings.endpoints(tx, "one") == {"K": "192.0.2.3:3"}
        assert sightings.endpoints(tx, "two") == {}


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or (name or "").startswith("gw_")
