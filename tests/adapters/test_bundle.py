"""Bundles: the same files are the same bytes, and unpacking trusts nothing."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.adapters.bundle import MAX_BYTES, AppUnpackable, BundleUnusable, digest, pack, unpack

NAMES = st.text("abc.-_ é", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))
FILES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=200), st.booleans()), max_size=6)


def write(folder: Path, files: dict[str, tuple[bytes, bool]]) -> Path:
    folder.mkdir(parents=True)
    for name, (content, executable) in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o755 if executable else 0o600)
    return folder


@settings(max_examples=40, deadline=None)
@given(files=FILES)
def test_a_bundle_comes_back_as_it_was_and_packs_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, tuple[bytes, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("app")
    first = pack(write(folder / "one", files))
    unpack(first, folder / "two")
    assert pack(folder / "two") == first
    assert {path.name: path.read_bytes() for path in (folder / "two").iterdir()} == {
        name: content for name, (content, _) in files.items()
    }


def test_time_owner_and_order_of_writing_change_nothing(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"a": (b"1", False), "b": (b"2", True)})
    two = write(tmp_path / "two", {"b": (b"2", True), "a": (b"1", False)})
    (two / "a").chmod(0o640)
    os.utime(two / "b", (1, 1))
    (two / ".git").mkdir()
    assert digest(pack(one)) == digest(pack(two))
    (two / "a").chmod(0o700)
    assert digest(pack(one)) != digest(pack(two))


def test_folders_and_links_within_are_kept(tmp_path: Path) -> None:
    app = write(tmp_path / "app", {"file": (b"x", False)})
    (app / "sub" / "deep").mkdir(parents=True)
    (app / "sub" / "deep" / "link").symlink_to("../../file")
    unpack(pack(app), tmp_path / "out")
    assert (tmp_path / "out" / "sub" / "deep" / "link").read_bytes() == b"x"


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside"])
def test_a_link_that_leads_out_is_not_packed(tmp_path: Path, target: str) -> None:
    app = write(tmp_path / "app", {"file": (b"x", False)})
    (app / "link").symlink_to(target)
    with pytest.raises(AppUnpackable, match="leads out"):
        pack(app)


def test_what_is_no_file_and_what_is_too_large_is_not_packed(tmp_path: Path) -> None:
    os.mkfifo(write(tmp_path / "app", {}) / "pipe")
    with pytest.raises(AppUnpackable, match="neither"):
        pack(tmp_path / "app")
    with (write(tmp_path / "large", {}) / "file").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(AppUnpackable, match="too large"):
        pack(tmp_path / "large")


def tar(fill: Callable[[tarfile.TarFile], None]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        fill(made)
    return buffer.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


HOSTILE = {
    "absolute": [entry("/etc/evil")],
    "dots": [entry("a/../../evil")],
    "link out": [entry("link", tarfile.SYMTYPE, "../..")],
    "absolute link": [entry("link", tarfile.SYMTYPE, "/etc")],
    "hard link": [entry("link", tarfile.LNKTYPE, "/etc/passwd")],
    "device": [entry("null", tarfile.CHRTYPE)],
    "pipe": [entry("pipe", tarfile.FIFOTYPE)],
    "twice": [entry("a"), entry("a")],
    "through a link": [entry("link", tarfile.SYMTYPE, "sub"), entry("link/evil")],
    "no name": [entry("")],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    def fill(made: tarfile.TarFile) -> None:
        for each in HOSTILE[name]:
            made.addfile(each)

    bundle = tar(fill)
    with pytest.raises(BundleUnusable):
        unpack(bundle, tmp_path / "box" / "app")
    assert list((tmp_path / "box").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["box"]


@given(st.binary(max_size=2000))
@settings(max_examples=60, deadline=None)
def test_bytes_that_are_no_bundle_are_refused(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("junk")
    try:
        unpack(junk, folder / "app")
    except BundleUnusable:
        assert list(folder.iterdir()) == []


def test_a_bundle_that_ends_early_is_refused(tmp_path: Path) -> None:
    bundle = pack(write(tmp_path / "app", {"file": (os.urandom(5000), False)}))
    with pytest.raises(BundleUnusable):
        unpack(bundle[:2000], tmp_path / "out")
    assert not (tmp_path / "out").exists()
