"""Refreshing catalogs beside whatever else happens to them, and to others."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.adapters.sql import catalogs
from mosaic.adapters.sql.catalogs import KeptCatalog
from mosaic.adapters.trust import publishing
from mosaic.adapters.trust.publishing import Release
from mosaic.core.ids import AccountId
from mosaic.core.roll_out import EVERYONE
from mosaic.hive import refreshing
from mosaic.hive.runtime import Hive
from mosaic.wire.versions import AddCatalog, Catalog
from support import target_world
from support.owner_catalogs import signed, sources
from support.running_hive import Owner
from support.second_account import second_account
from support.target_world import Publisher


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """A repository that lists nothing yet."""
    return Publisher(tmp_path / "publisher").create("stable")


def _add(owner: Owner, publisher: Publisher, name: str = "community") -> None:
    wish = AddCatalog(signed(owner, publisher.root, name), publisher.public.as_uri(), publisher.root)
    with owner.client() as client:
        client.send("POST", "/api/catalogs", wish, Catalog)


def _remove(owner: Owner, name: str = "community") -> None:
    with owner.client() as client:
        client.order("DELETE", f"/api/catalogs/{name}", None)


def _kept(owner: Owner, name: str = "community") -> KeptCatalog:
    async def look(hive: Hive) -> KeptCatalog | None:
        return await hive.read(lambda tx: catalogs.get(tx, AccountId(owner.logged_in.account), name))

    found = owner.hive.ask(look)
    assert found is not None
    return found


def test_a_refresh_that_waited_while_its_catalog_was_replaced_asks_the_one_that_is_there_now(
    owner: Owner, publisher: Publisher, tmp_path: Path
) -> None:
    other = Publisher(tmp_path / "other").create("stable")
    _add(owner, publisher)
    before = _kept(owner)
    _remove(owner)
    _add(owner, other)
    publisher.now_ns += 1
    owner.hive.ask(lambda hive: refreshing.refresh(hive, before))
    now = _kept(owner)

    async def handed_out(hive: Hive) -> dict[str, bytes]:
        return dict(await hive.in_thread(lambda: hive.catalogs.served(now).files))

    files = owner.hive.ask(handed_out)
    assert (now.root, now.problem) == (other.root, None)
    assert files["1.root.json"] == other.root
    assert files["timestamp.json"] == (other.public / "metadata" / "timestamp.json").read_bytes()


def test_what_was_trusted_from_another_root_under_the_same_name_is_no_part_of_what_devices_get(
    owner: Owner, publisher: Publisher, tmp_path: Path
) -> None:
    other = Publisher(tmp_path / "other").create("stable")
    _add(owner, publisher)
    before = _kept(owner)
    _remove(owner)
    _add(owner, other)
    now = _kept(owner)

    async def mixed(hive: Hive) -> set[bytes]:
        # As a refresh of the removed one ends that a restored copy, or a kill, left behind.
        await hive.in_thread(lambda: hive.catalogs.refresh(before, now_ns=hive.clock.wall_ns()))
        return set((await hive.in_thread(lambda: hive.catalogs.served(now).files)).values())

    files = owner.hive.ask(mixed)
    assert files == {path.read_bytes() for path in (other.public / "metadata").glob("*.json")}


def test_a_mistake_about_one_catalog_ends_neither_the_hive_nor_the_refreshing_of_others(
    owner: Owner, publisher: Publisher
) -> None:
    _add(owner, publisher, "broken")
    _add(owner, publisher, "community")
    folder = owner.hive.config.state / "catalogs" / owner.logged_in.account / "broken" / "apps"
    folder.rmdir()
    folder.write_bytes(b"no folder")

    async def again(hive: Hive) -> set[str]:
        hive.catalogs.due_ns.clear()
        await refreshing.refresh_due(hive)
        return {name for _, name in hive.catalogs.due_ns}

    assert owner.hive.ask(again) == {"broken", "community"}
    assert {one.name for one in sources(owner)} == {"broken", "community"}


def test_a_repository_that_answers_slowly_makes_nobody_elses_catalogs_wait(owner: Owner, publisher: Publisher) -> None:
    other = second_account(owner.hive)
    for one in (owner, other):
        _add(one, publisher)
    hive = owner.hive.hive
    assert hive is not None
    ask, answers, asked = hive.catalogs.refresh, threading.Event(), set[str]()

    def slowly(catalog: KeptCatalog, *, now_ns: int) -> None:
        # Whoever is asked first answers only when the other one was asked, too.
        asked.add(catalog.account)
        if len(asked) == 2:
            answers.set()
        assert answers.wait(60)
        ask(catalog, now_ns=now_ns)

    async def again(hive: Hive) -> None:
        hive.catalogs.due_ns.clear()
        await refreshing.refresh_due(hive)

    hive.catalogs.refresh = slowly  # type: ignore[method-assign] # a real one would take as long as its deadline
    try:
        owner.hive.ask(again)
    finally:
        answers.set()
    assert asked == {owner.logged_in.account, other.logged_in.account}


def test_a_registry_that_never_answers_keeps_nobody_waiting_for_what_its_apps_bring(
    owner: Owner, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(owner, publisher)
    kept, answers, hive = _kept(owner), threading.Event(), owner.hive.hive
    assert hive is not None

    def look(*_: object, goes_on: Callable[[], bool]) -> str:
        assert goes_on()
        answers.wait()
        return "all"

    monkeypatch.setattr(refreshing, "_LAST_SECONDS", 0.1)
    monkeypatch.setattr(hive.catalog_apps, "look_at", look)
    try:
        owner.hive.ask(lambda hive: refreshing.look_at_apps(hive, kept, seconds=0.1))
        due = hive.catalogs.due_ns[kept.account, kept.name]
        assert due > hive.clock.boot_ns(), "it is tried again, and not at once"
    finally:
        answers.set()


def test_an_address_that_makes_no_sense_is_a_problem_of_its_app_alone(owner: Owner, publisher: Publisher) -> None:
    found = target_world.release("web", "one")
    uri = found.uri.replace("registry.example/apps", "registry.example//apps")
    publishing.publish(
        publisher.alone,
        channel="stable",
        hardware=["generic-amd64"],
        apps={"web": Release(uri, found.manifest)},
        now_ns=publisher.now_ns,
        commit="0123abc",
        roll_out=EVERYONE,
    )
    _add(owner, publisher)
    assert [one.problem for one in sources(owner)] == [None]
    assert "registry.example//apps" in (owner.catalog()[-1].problem or "")


def test_what_a_kill_left_of_handing_a_catalog_out_is_removed_by_the_next_time(
    owner: Owner, publisher: Publisher
) -> None:
    _add(owner, publisher)
    kept = _kept(owner)
    left = owner.hive.config.state / "catalogs" / kept.account / kept.name / ".served-left" / "copy"
    left.mkdir(parents=True)

    async def hand_out(hive: Hive) -> None:
        await hive.in_thread(lambda: hive.catalogs.served(kept))

    owner.hive.ask(hand_out)
    assert not left.parent.exists()
