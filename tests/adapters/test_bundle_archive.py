"""Bundle archives: the same app is the same bytes for everybody, and others can read them."""

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.adapters.bundle import AppUnpackable
from mosaic.adapters.bundle_archive import WrittenBundle, write
from mosaic.adapters.bundle_extraction import extract, survey
from mosaic.core import file_index

NAMES = st.text("abc.-_ é/", min_size=1, max_size=9).filter(
    lambda name: all(part not in ("", ".", "..") for part in name.split("/"))
)
TREES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=1500), st.booleans()), max_size=8).filter(
    lambda tree: not any(other.startswith(name + "/") for name in tree for other in tree)
)


def everything(_: str) -> bool:
    return False


def fill(folder: Path, files: dict[str, tuple[bytes, bool]]) -> Path:
    folder.mkdir(parents=True)
    for name, (content, executable) in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o700 if executable else 0o600)
    return folder


def archive(folder: Path, target: Path) -> WrittenBundle:
    return write(folder, target, skip=everything)


@settings(max_examples=40, deadline=None)
@given(tree=TREES)
def test_an_archive_comes_back_as_it_was_and_is_written_as_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, tuple[bytes, bool]]
) -> None:
    place = tmp_path_factory.mktemp("app")
    first = archive(fill(place / "one", tree), place / "one.tgz")
    extract(place / "one.tgz", place / "two", first.index)
    assert archive(place / "two", place / "two.tgz") == first
    assert survey(place / "two.tgz") == first.index
    assert {name: (place / "two" / name).read_bytes() for name in tree} == {name: tree[name][0] for name in tree}


def test_two_checkouts_of_two_users_under_two_umasks_give_one_digest(tmp_path: Path) -> None:
    source = fill(tmp_path / "source", {"docker-compose.yml": (b"services: {}\n", False), "bin/run": (b"#!", True)})
    (source / "conf").mkdir()
    (source / "conf" / "link").symlink_to("../bin/run")
    git(source, "init", "--quiet")
    git(source, "add", ".")
    git(source, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=first")
    found = set()
    for name, umask in (("one", 0o022), ("two", 0o077), ("three", 0o002)):
        before = os.umask(umask)
        try:
            git(tmp_path, "clone", "--quiet", str(source), name)
        finally:
            os.umask(before)
    if os.geteuid() == 0:
        give_away(tmp_path / "two", 4711)
    for path in (tmp_path / "three").rglob("*"):
        os.utime(path, (86_400, 86_400), follow_symlinks=False)
    for name in ("one", "two", "three"):
        found.add(archive(tmp_path / name, tmp_path / f"{name}.tgz").digest)
    assert len(found) == 1
    (tmp_path / "one" / "bin" / "run").chmod(0o644)
    assert archive(tmp_path / "one", tmp_path / "one.tgz").digest not in found


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", *words], cwd=folder, check=True, timeout=60, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    )


def give_away(folder: Path, owner: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)


def test_the_bytes_are_those_that_they_were_at_the_beginning(tmp_path: Path) -> None:
    app = fill(tmp_path / "app", {"docker-compose.yml": (b"services: {}\n", False), "bin/run": (b"#!/bin/sh\n", True)})
    (app / "é").symlink_to("bin/run")
    (app / "empty").mkdir()
    written = archive(app, tmp_path / "app.tgz")
    # The tar's are ours alone. Those of the compressed file may change with another zlib; see decision 39.
    assert written.tar_digest == "sha256:97e4043ca366e8d183c2e4cb2075096d59cb596c05fa9945fce75ad28396d6f3"
    assert (
        hashlib.sha256(file_index.write(written.index)).hexdigest()
        == "10e4c273f16fbf588c7658871428353564355db52f20443f704381f1325711d5"
    )


def test_what_is_told_of_an_archive_is_true_and_other_programs_read_it(tmp_path: Path) -> None:
    deep = "/".join(["a-long-name-of-a-folder"] * 6) + "/fille-é"
    app = fill(tmp_path / "app", {"run": (b"x" * 70_000, True), deep: (b"y", False)})
    (app / "link").symlink_to("a" * 60 + "/" + "b" * 60)
    written = archive(app, tmp_path / "app.tgz")
    packed = (tmp_path / "app.tgz").read_bytes()
    plain = gzip.decompress(packed)
    assert (written.digest, written.size) == ("sha256:" + hashlib.sha256(packed).hexdigest(), len(packed))
    assert (written.tar_digest, written.tar_size) == ("sha256:" + hashlib.sha256(plain).hexdigest(), len(plain))
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        entries = {entry.name: entry for entry in tar}
        assert entries.keys() == {*written.index.files, *written.index.links, *written.index.folders}
        assert entries["link"].linkname == "a" * 60 + "/" + "b" * 60
        assert {(entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) for entry in tar} == {(0, 0, 0, "", "")}
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xzf", tmp_path / "app.tgz", "-C", tmp_path / "out"], check=True, timeout=60)
    assert (tmp_path / "out" / deep).read_bytes() == b"y"
    assert os.access(tmp_path / "out" / "run", os.X_OK)


def test_what_is_skipped_stays_out_and_what_is_replaced_comes_in(tmp_path: Path) -> None:
    app = fill(
        tmp_path / "app",
        {
            "docker-compose.yml": (b"old", True),
            "src/app.py": (b"1", False),
            "src/keep": (b"2", False),
            ".git/x": (b"", False),
        },
    )

    def skip(path: str) -> bool:
        return path in ("src", "src/app.py", "docker-compose.yml")

    written = write(app, tmp_path / "app.tgz", skip=skip, replaced={"docker-compose.yml": b"pinned", "made": b"new"})
    assert written.index.files.keys() == {"docker-compose.yml", "src/keep", "made"}
    extract(tmp_path / "app.tgz", tmp_path / "out", written.index)
    assert (tmp_path / "out" / "docker-compose.yml").read_bytes() == b"pinned"
    assert os.access(tmp_path / "out" / "docker-compose.yml", os.X_OK)
    assert (app / "docker-compose.yml").read_bytes() == b"old"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside"])
def test_a_link_that_leads_out_is_not_written(tmp_path: Path, target: str) -> None:
    app = fill(tmp_path / "app", {"file": (b"x", False)})
    (app / "link").symlink_to(target)
    with pytest.raises(AppUnpackable, match="leads out"):
        archive(app, tmp_path / "app.tgz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app"]


def test_names_that_are_one_on_some_disks_are_not_written(tmp_path: Path) -> None:
    for number, names in enumerate((("README", "readme"), ("e\u0301", "é"), ("sub/Straße", "sub/STRASSE"))):
        app = fill(tmp_path / f"app{number}", dict.fromkeys(names, (b"", False)))
        with pytest.raises(AppUnpackable, match="one name on some disks"):
            archive(app, tmp_path / "app.tgz")
    app = fill(tmp_path / "bytes", {})
    (app / os.fsdecode(b"\xff")).write_bytes(b"")
    with pytest.raises(AppUnpackable, match="UTF-8"):
        archive(app, tmp_path / "app.tgz")


def test_what_is_no_file_and_what_is_too_large_is_not_written(tmp_path: Path) -> None:
    os.mkfifo(fill(tmp_path / "app", {}) / "pipe")
    with pytest.raises(AppUnpackable, match="neither"):
        archive(tmp_path / "app", tmp_path / "app.tgz")
    with (fill(tmp_path / "large", {}) / "file").open("wb") as file:
        file.truncate(file_index.MAX_UNPACKED_BYTES + 1)
    with pytest.raises(AppUnpackable, match="1024 MiB"):
        archive(tmp_path / "large", tmp_path / "app.tgz")


def test_a_file_that_grows_while_it_is_packed_is_told_and_the_older_archive_stays(tmp_path: Path) -> None:
    app = fill(tmp_path / "app", {"a": (b"1", False), "sub/later": (b"2", False)})
    before = archive(app, tmp_path / "app.tgz")

    def grow(path: str) -> bool:
        if path == "sub/later":
            (app / "a").write_bytes(b"more than it was when it was looked at")
        return False

    with pytest.raises(AppUnpackable, match="changed while it was packed"):
        write(app, tmp_path / "app.tgz", skip=grow)
    assert "sha256:" + hashlib.sha256((tmp_path / "app.tgz").read_bytes()).hexdigest() == before.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "app.tgz"]
