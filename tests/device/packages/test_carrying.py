"""An app in one file, for machines without a registry: the same root decides as everywhere else."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from mosaic.adapters import written_tree
from mosaic.adapters.disk_room import room_of
from mosaic.adapters.oci_layout import ExportUnusable
from mosaic.adapters.trust.refusals import TrustExpired, TrustRefused, TrustRollback
from mosaic.core.disk_forecast import NoRoom
from mosaic.device.packages.carrying import AppNotListed, NothingToExport, export_app, import_app
from mosaic.device.packages.store import Installed
from support.app_repositories import NOW_NS, Workshop
from support.killed_disk import killed_anywhere
from support.receiving_device import Receiver, publish_page, receiver_of
from support.target_world import AMD64, DAY_NS

pytestmark = pytest.mark.registry


def export(device: Receiver, to: Path, *, now_ns: int = NOW_NS) -> Path:
    export_app("notes", to, trusted=device.trusted, taker=AMD64, now_ns=now_ns, store=device.store)
    return to


def take_in(device: Receiver, file: Path, *, now_ns: int = NOW_NS) -> dict[str, Installed]:
    return import_app(
        file,
        device.folder / "state" / "import",
        trusted=device.trusted,
        taker=AMD64,
        now_ns=now_ns,
        store=device.store,
        disks=device.disks,
    )


@pytest.fixture
def exported(device: Receiver, tmp_path: Path) -> Path:
    """The first version of notes, from a Device that had pruned meanwhile."""
    device.fetch()
    device.store.prune(dict)
    return export(device, tmp_path / "notes.tar")


@pytest.fixture
def offline(workshop: Workshop, tmp_path: Path) -> Iterator[Receiver]:
    """A Device that reaches neither a registry nor a repository of Targets."""
    made = receiver_of(workshop, tmp_path / "offline")
    made.base = (tmp_path / "nothing").as_uri()
    made.registries.fall_silent()
    yield made
    made.registries.close()


def test_an_exported_app_is_installed_where_nobody_answers(offline: Receiver, exported: Path) -> None:
    installed = take_in(offline, exported)["notes"]
    assert (offline.page("notes"), installed.previous) == (b"one", None)
    # From here on it is as if it had been fetched: nobody is asked, and it can be carried on.
    assert offline.fetch().installed == {"notes": installed}
    assert offline.registries.asked == []
    assert export(offline, exported.with_name("again.tar")).read_bytes() == exported.read_bytes()
    assert take_in(offline, exported) == {"notes": installed}
    assert not (offline.folder / "state" / "import").exists()


def test_an_export_that_another_root_signed_is_refused(
    offline: Receiver, exported: Path, workshop: Workshop, tmp_path: Path
) -> None:
    other = Workshop(tmp_path / "other", workshop.host)
    offline.root = receiver_of(other, tmp_path).root
    with pytest.raises(TrustRefused):
        take_in(offline, exported)
    assert offline.page("notes") is None


def test_an_export_cannot_take_a_device_back(workshop: Workshop, device: Receiver, exported: Path) -> None:
    publish_page(workshop, "notes", page=b"two")
    device.target()
    device.fetch()
    with pytest.raises(TrustRollback):
        take_in(device, exported)
    assert device.page("notes") == b"two"


def test_an_export_whose_time_is_over_is_refused_and_not_written_either(
    device: Receiver, offline: Receiver, exported: Path
) -> None:
    later = NOW_NS + 8 * DAY_NS
    with pytest.raises(TrustExpired):
        take_in(offline, exported, now_ns=later)
    with pytest.raises(TrustExpired):
        export(device, exported.with_name("late.tar"), now_ns=later)
    assert not exported.with_name("late.tar").exists()


def test_a_damaged_export_is_refused_and_changes_nothing(offline: Receiver, exported: Path) -> None:
    content = bytearray(exported.read_bytes())
    content[content.index(b"services") + 3] ^= 1
    exported.write_bytes(content)
    with pytest.raises(ExportUnusable):
        take_in(offline, exported)
    assert offline.page("notes") is None
    assert list((offline.folder / "state" / "blobs" / "sha256").iterdir()) == []


def test_an_export_that_is_not_there_or_does_not_fit_is_refused_before_it_is_read(
    offline: Receiver, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExportUnusable, match=r"other\.tar is no file"):
        take_in(offline, exported.with_name("other.tar"))
    full = replace(room_of(exported.parent), free_bytes=0)
    monkeypatch.setattr("mosaic.device.packages.fitting.room_of", lambda _: full)
    with pytest.raises(NoRoom):
        take_in(offline, exported)
    assert not (offline.folder / "trust").exists()


def test_what_a_killed_import_left_makes_room_for_the_next(
    offline: Receiver, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = written_tree.draft_of(offline.folder / "state" / "import")
    draft.mkdir(parents=True)
    (draft / "blob").write_bytes(b"half")
    room = room_of(exported.parent)
    left = replace(room, free_bytes=0)
    monkeypatch.setattr("mosaic.device.packages.fitting.room_of", lambda _: left if draft.exists() else room)
    take_in(offline, exported)
    assert offline.page("notes") == b"one"


def test_a_version_that_the_target_does_not_list_is_not_exported(
    workshop: Workshop, device: Receiver, exported: Path, tmp_path: Path
) -> None:
    publish_page(workshop, "notes", page=b"two")
    device.target()
    with pytest.raises(AppNotListed):
        export(device, tmp_path / "old.tar")
    assert not (tmp_path / "old.tar").exists()
    device.store.forget("notes")
    with pytest.raises(NothingToExport):
        export(device, tmp_path / "old.tar")


def test_an_import_that_is_killed_anywhere_converges(
    offline: Receiver, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    numbers = count()

    def begin() -> Receiver:
        place = tmp_path / "worlds" / str(next(numbers))
        return Receiver(place, offline.root, offline.base, offline.registries)

    for world in killed_anywhere(begin, lambda world: take_in(world, exported)):
        assert world.page("notes") in (None, b"one")
        take_in(world, exported)
        assert world.page("notes") == b"one"
        assert not (world.folder / "state" / "import").exists()
        shutil.rmtree(world.folder)
    assert next(numbers) > 40
