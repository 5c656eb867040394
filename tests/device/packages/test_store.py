"""The Device's packages: whole or absent, mended when touched, kept while anything needs them."""

import os
import shutil
import time
from itertools import count
from pathlib import Path

import pytest

from mosaic.adapters.bundle import BundleUnusable
from mosaic.adapters.bundle_archive import write
from mosaic.adapters.bundle_extraction import extract
from mosaic.core import file_index
from mosaic.core.file_index import FileIndex
from mosaic.core.oci_types import Descriptor, Digest, digest_of
from mosaic.device.packages import changes
from mosaic.device.packages.blobs import BlobMissing, BlobWrong
from mosaic.device.packages.changes import Change, What
from mosaic.device.packages.store import PackageMissing, PackageNameRefused, PackageStore, VersionsUnreadable
from support.killed_disk import killed_anywhere
from support.waiting import eventually

V1, V2, V3 = (digest_of(word) for word in (b"manifest 1", b"manifest 2", b"manifest 3"))


def store(state: Path) -> PackageStore:
    return PackageStore(state, now_ns=time.time_ns)


def fetched(packages: PackageStore, folder: Path, page: bytes) -> tuple[str, FileIndex]:
    """A bundle with a page, a link to it, a program and an empty folder, in the store."""
    if not folder.exists():
        (folder / "site").mkdir(parents=True)
        (folder / "empty").mkdir()
        (folder / "docker-compose.yml").write_bytes(b"services: {}\n")
        (folder / "run").write_bytes(b"#!/bin/sh\n")
        (folder / "run").chmod(0o755)
        (folder / "link").symlink_to("site/page")
    (folder / "site" / "page").write_bytes(page)
    written = write(folder, folder.with_name(f"{folder.name}.tgz"), skip=lambda _: False)
    packages.blobs.part(written.digest).write_bytes(folder.with_name(f"{folder.name}.tgz").read_bytes())
    packages.blobs.keep(written.digest)
    return written.digest, written.index


@pytest.fixture
def packages(tmp_path: Path) -> PackageStore:
    return store(tmp_path / "state")


@pytest.fixture
def folder(packages: PackageStore, tmp_path: Path) -> Path:
    """Version 1 of notes, installed."""
    return packages.install(*fetched(packages, tmp_path / "app", b"one"), "notes", V1).folder


def test_a_new_version_lies_beside_the_one_before_which_can_be_gone_back_to(
    packages: PackageStore, tmp_path: Path, folder: Path
) -> None:
    second = packages.install(*fetched(packages, tmp_path / "app", b"two"), "notes", V2)
    assert (second.folder / "link").read_bytes() == b"two"
    assert (folder / "link").read_bytes() == b"one"
    assert second.previous == V1
    assert store(tmp_path / "state").current("notes") == second
    back = packages.roll_back("notes")
    assert back is not None
    assert (back.digest, back.folder, back.previous) == (V1, folder, None)
    assert packages.current("never") is None


def test_installing_again_changes_nothing_and_mends_what_is_there(
    packages: PackageStore, tmp_path: Path, folder: Path
) -> None:
    first = packages.current("notes")
    inode = (folder / "run").stat().st_ino
    (folder / "site" / "page").write_bytes(b"touched")
    assert packages.install(*fetched(packages, tmp_path / "app", b"one"), "notes", V1) == first
    assert (folder / "run").stat().st_ino == inode
    assert (folder / "site" / "page").read_bytes() == b"one"


def test_a_bundle_that_is_not_there_or_not_what_it_should_be_leaves_the_version_before(
    packages: PackageStore, tmp_path: Path, folder: Path
) -> None:
    bundle, index = fetched(packages, tmp_path / "app", b"two")
    with pytest.raises(BlobMissing):
        packages.install(digest_of(b"other"), index, "notes", V2)
    damaged = packages.blobs.path(bundle)
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(BundleUnusable):
        packages.install(bundle, index, "notes", V2)
    current = packages.current("notes")
    assert current is not None
    assert current.digest == V1
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, "versions.json"]


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "Notes", "a" * 64, "é"])
def test_a_name_that_would_be_another_path_is_refused(packages: PackageStore, tmp_path: Path, name: str) -> None:
    bundle, index = fetched(packages, tmp_path / "app", b"one")
    with pytest.raises(PackageNameRefused):
        packages.install(bundle, index, name, V1)
    with pytest.raises(PackageNameRefused):
        packages.install(bundle, index, "notes", "sha256:../../../x")


def touch(folder: Path) -> dict[str, What]:
    """Do to a version all that can be done to one; return what should be found."""
    page = folder / "site" / "page"
    before = page.stat()
    page.write_bytes(b"ONE")
    os.utime(page, ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / "run").chmod(0o644)
    (folder / "link").unlink()
    (folder / "link").symlink_to("run")
    (folder / "docker-compose.yml").unlink()
    (folder / "empty").rmdir()
    (folder / "empty").write_bytes(b"no folder")
    (folder / "more" / "deep").mkdir(parents=True)
    (folder / "site" / ".env").write_bytes(b"X=1")
    os.mkfifo(folder / "pipe")
    changed = dict.fromkeys(["site/page", "run", "link", "empty"], What.CHANGED)
    return {**changed, "docker-compose.yml": What.MISSING, **dict.fromkeys(["more", "site/.env", "pipe"], What.ADDED)}


def test_every_file_that_somebody_touched_is_found_and_put_back(packages: PackageStore, folder: Path) -> None:
    assert packages.changed_files("notes", V1) == []
    expected = [Change(path, what) for path, what in sorted(touch(folder).items())]
    assert packages.changed_files("notes", V1) == expected
    assert packages.heal("notes", V1) == expected
    assert packages.changed_files("notes", V1) == []
    assert (folder / "link").read_bytes() == b"one"
    assert os.access(folder / "run", os.X_OK)
    aside = folder.with_name(f".{folder.name}.aside")
    assert (aside / "site" / ".env").read_bytes() == b"X=1"
    assert (aside / "site" / "page").read_bytes() == b"ONE"
    assert packages.heal("notes", V1) == []


def test_a_version_that_is_gone_or_replaced_by_a_link_comes_back(
    packages: PackageStore, tmp_path: Path, folder: Path
) -> None:
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "run").write_bytes(b"evil")
    packages.heal("notes", V1)
    assert not folder.is_symlink()
    assert (folder / "run").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "elsewhere" / "run").read_bytes() == b"evil"
    with pytest.raises(PackageMissing):
        packages.heal("notes", V2)


def test_a_file_with_its_old_size_and_time_is_read_anew(tmp_path: Path) -> None:
    # A clock that is far ahead: whatever was looked at counts as old enough to be believed.
    packages = PackageStore(tmp_path / "state", now_ns=lambda: time.time_ns() + 60 * 10**9)
    folder = packages.install(*fetched(packages, tmp_path / "app", b"one"), "notes", V1).folder
    assert packages.changed_files("notes", V1) == []
    extracted_ns = (folder / "site" / "page").stat().st_ctime_ns
    eventually(lambda: stamp(tmp_path / "clock") > extracted_ns)
    touch(folder)
    assert Change("site/page", What.CHANGED) in packages.changed_files("notes", V1)


def stamp(file: Path) -> int:
    """The time as the file system has it."""
    file.write_bytes(b"")
    return file.stat().st_ctime_ns


def test_what_was_found_right_is_read_again_after_an_hour_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = 60 * 10**9
    packages = PackageStore(tmp_path / "state", now_ns=lambda: time.time_ns() + ahead)
    packages.install(*fetched(packages, tmp_path / "app", b"one"), "notes", V1)
    assert packages.changed_files("notes", V1) == []
    read: list[str] = []

    def note(_: object, sha256: str) -> bool:
        read.append(sha256)
        return True

    monkeypatch.setattr(changes, "_has", note)
    assert packages.changed_files("notes", V1) == []
    assert read == []
    ahead += 3600 * 10**9
    assert packages.changed_files("notes", V1) == []
    assert len(read) == 3


def test_nothing_is_put_aside_through_a_link_that_was_put_aside_before(
    packages: PackageStore, tmp_path: Path, folder: Path
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_bytes(b"the machine's")
    shutil.rmtree(folder / "site")
    (folder / "site").symlink_to(tmp_path / "etc")
    packages.heal("notes", V1)
    (folder / "site" / "passwd").write_bytes(b"the app's")
    packages.heal("notes", V1)
    assert (tmp_path / "etc" / "passwd").read_bytes() == b"the machine's"
    assert (folder.with_name(f".{folder.name}.aside") / "site" / "passwd").read_bytes() == b"the app's"
    assert packages.changed_files("notes", V1) == []


def test_nothing_is_moved_through_a_link_that_appears_while_a_version_is_healed(
    packages: PackageStore, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("page", "passwd"):
        (tmp_path / "etc" / name).write_bytes(b"the machine's")
    (folder / "site" / "page").write_bytes(b"changed")
    (folder / "site" / "passwd").write_bytes(b"added")

    def slowly(archive: Path, target: Path, index: FileIndex) -> None:
        extract(archive, target, index)
        shutil.rmtree(folder / "site")
        (folder / "site").symlink_to(tmp_path / "etc")

    with monkeypatch.context() as patched:
        patched.setattr("mosaic.device.packages.healing.extract", slowly)
        packages.heal("notes", V1)
    assert [(tmp_path / "etc" / name).read_bytes() for name in ("page", "passwd")] == [b"the machine's"] * 2
    packages.heal("notes", V1)
    assert packages.changed_files("notes", V1) == []


def test_an_index_that_rotted_here_is_written_again_when_the_version_is_installed_again(
    packages: PackageStore, tmp_path: Path, folder: Path
) -> None:
    index = packages.blobs.path(digest_of(file_index.write(fetched(packages, tmp_path / "app", b"one")[1])))
    index.write_bytes(index.read_bytes()[:-1])
    packages.install(*fetched(packages, tmp_path / "app", b"one"), "notes", V1)
    assert packages.changed_files("notes", V1) == []


def test_what_vanishes_while_it_is_looked_at_is_a_change(
    packages: PackageStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = changes._beneath

    def vanishing(top: Path, above: str, index: FileIndex) -> list[tuple[str, os.DirEntry[str]]]:
        found = list(listed(top, above, index))
        (folder / "link").unlink(missing_ok=True)
        shutil.rmtree(folder / "empty", ignore_errors=True)
        return found

    monkeypatch.setattr(changes, "_beneath", vanishing)
    assert packages.changed_files("notes", V1) == [Change("empty", What.CHANGED), Change("link", What.CHANGED)]


def test_healing_from_a_damaged_blob_changes_nothing(packages: PackageStore, tmp_path: Path, folder: Path) -> None:
    bundle, _ = fetched(packages, tmp_path / "app", b"one")
    blob = packages.blobs.path(bundle)
    blob.write_bytes(blob.read_bytes()[:-1])
    assert not packages.blobs.is_whole(bundle)
    (folder / "run").write_bytes(b"mine")
    with pytest.raises(BundleUnusable):
        packages.heal("notes", V1)
    assert (folder / "run").read_bytes() == b"mine"
    assert packages.changed_files("notes", V1) == [Change("run", What.CHANGED)]


def test_pruning_leaves_what_is_current_previous_or_referred_to(
    packages: PackageStore, tmp_path: Path, folder: Path
) -> None:
    bundles = []
    for digest, page in ((V1, b"one"), (V2, b"two"), (V3, b"three")):
        bundle, index = fetched(packages, tmp_path / "app", page)
        bundles.append(bundle)
        packages.install(bundle, index, "notes", digest)
    manifest = packages.blobs.add(b"manifest 3")
    fetching = digest_of(b"being fetched")
    for digest in (fetching, digest_of(b"given up")):
        packages.blobs.part(digest).write_bytes(b"half")
    (folder.parent / f".{folder.name}.new").mkdir()
    (folder.parent / f".{folder.name}.aside").mkdir()

    assert packages.prune(lambda: {"notes": {V1}}, {fetching}).versions == []
    assert packages.blobs.part(fetching).exists()
    assert not packages.blobs.part(digest_of(b"given up")).exists()
    assert not (folder.parent / f".{folder.name}.new").exists()
    assert (folder.parent / f".{folder.name}.aside").exists()

    gone = packages.prune(dict)
    assert gone.versions == [f"notes/{folder.name}"]
    assert bundles[0] in gone.blobs
    assert manifest not in gone.blobs
    assert not (folder.parent / f".{folder.name}.aside").exists()
    assert packages.changed_files("notes", V3) == packages.changed_files("notes", V2) == []

    packages.forget("notes")
    assert packages.prune(lambda: {"notes": {V3}}).versions == [f"notes/{V2.removeprefix('sha256:')}"]
    packages.prune(dict)
    assert list((tmp_path / "state" / "apps").iterdir()) == []
    assert list((tmp_path / "state" / "blobs" / "sha256").iterdir()) == []


def test_versions_that_an_older_mosaic_extracted_stay_while_they_are_used(
    packages: PackageStore, tmp_path: Path
) -> None:
    older = tmp_path / "state" / "apps" / "wiki" / V1.removeprefix("sha256:")
    older.mkdir(parents=True)
    assert packages.prune(lambda: {"wiki": {V1}}).versions == []
    assert packages.prune(dict).versions == [f"wiki/{older.name}"]
    assert not older.parent.exists()


def test_what_is_fetched_while_it_is_looked_what_is_in_use_stays(packages: PackageStore) -> None:
    coming: list[str] = []

    def look() -> dict[str, set[str]]:
        coming.append(packages.blobs.add(b"of a package that was assigned just now"))
        return {}

    assert packages.prune(look).blobs == []
    assert packages.blobs.is_whole(coming[0])


def test_nothing_is_pruned_when_a_record_cannot_be_read(packages: PackageStore, folder: Path) -> None:
    (folder.parent / "versions.json").write_bytes(b"{")
    with pytest.raises(VersionsUnreadable):
        packages.prune(dict)
    assert folder.is_dir()


def test_a_download_goes_on_where_it_ended_and_is_kept_only_when_it_is_right(packages: PackageStore) -> None:
    wanted = Descriptor("application/x", digest_of(b"content"), 7)
    assert packages.blobs.missing([wanted, wanted]) == [(wanted, 0)]
    part = packages.blobs.part(wanted.digest)
    part.write_bytes(b"cont")
    assert packages.blobs.missing([wanted]) == [(wanted, 4)]
    with part.open("ab") as file:
        file.write(b"ent")
    packages.blobs.keep(wanted.digest)
    assert packages.blobs.keep(wanted.digest).read_bytes() == b"content"
    assert packages.blobs.missing([wanted]) == []
    other = Descriptor("application/x", digest_of(b"other"), 5)
    packages.blobs.part(other.digest).write_bytes(b"wrong")
    with pytest.raises(BlobWrong):
        packages.blobs.keep(other.digest)
    assert packages.blobs.missing([other]) == [(other, 0)]
    with pytest.raises(BlobMissing):
        packages.blobs.keep(other.digest)


def test_killed_anywhere_it_converges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a package's life: updated, touched, healed, pruned. Killed at any change, and begun again."""
    # A kill loses nothing that was written, and thousands of syncs take their time.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    before = store(tmp_path / "before")
    before.install(*fetched(before, tmp_path / "app", b"one"), "notes", V1)
    before.install(*fetched(before, tmp_path / "app", b"two"), "notes", V2)
    bundle, index = fetched(store(tmp_path / "third"), tmp_path / "app", b"three")
    numbers = count()

    def begin() -> Path:
        return shutil.copytree(tmp_path / "before", tmp_path / "worlds" / str(next(numbers)), symlinks=True)

    def live(place: Path) -> None:
        packages = store(place)
        if packages.blobs.missing([Descriptor("application/x", Digest(bundle), 1)]):
            shutil.copy(tmp_path / "app.tgz", place / "fetched")
            packages.blobs.adopt(bundle, place / "fetched")
        third = packages.install(bundle, index, "notes", V3)
        (third.folder / "run").write_bytes(b"mine")
        packages.heal("notes", V3)
        packages.prune(dict)

    for place in killed_anywhere(begin, live):
        packages = store(place)
        current = packages.current("notes")
        assert current is not None
        assert (current.digest, current.previous) in ((V2, V1), (V3, V2))
        for digest in (current.digest, str(current.previous)):
            # Whole, but for what was touched and is not healed yet.
            assert {change.path for change in packages.changed_files("notes", digest)} <= {"run"}
        live(place)
        assert packages.changed_files("notes", V3) == packages.changed_files("notes", V2) == []
        names = {path.name for path in (place / "apps" / "notes").iterdir() if not path.name.endswith(".aside")}
        assert names == {"versions.json", V2.removeprefix("sha256:"), V3.removeprefix("sha256:")}
        assert len(list((place / "blobs" / "sha256").iterdir())) == 4
        shutil.rmtree(place)
    assert next(numbers) > 40
