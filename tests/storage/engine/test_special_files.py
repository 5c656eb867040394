"""Every kind of file comes back as it was, or is said to be left out."""

import os
import socket
import stat
import struct
from pathlib import Path

import pytest

from mosaic.storage.engine.damage import SourceChanged
from mosaic.storage.engine.restore import TargetNotEmpty, restore
from mosaic.storage.engine.roots import shown
from support.trees import holds_xattrs, tree_difference
from support.volumes import KEYS, Machine

ACL_ACCESS = "system.posix_acl_access"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    top.mkdir()
    return top


def round_trip(source: Path) -> Path:
    here = Machine()
    target = source.parent / "target"
    here.restore(here.replicate(source).root, target)
    assert tree_difference(source, target) == []
    return target


def test_an_empty_volume_comes_back(source: Path) -> None:
    assert list(round_trip(source).iterdir()) == []


def test_hard_links_stay_one_file(source: Path) -> None:
    (source / "one").write_bytes(b"x" * 100_000)
    (source / "folder").mkdir()
    os.link(source / "one", source / "folder" / "two")
    (source / "soft").symlink_to("nowhere")
    os.link(source / "soft", source / "soft2", follow_symlinks=False)
    target = round_trip(source)
    assert (target / "one").stat().st_ino == (target / "folder" / "two").stat().st_ino
    assert (target / "soft").lstat().st_nlink == 2


def test_a_hard_link_that_is_taken_apart_becomes_two_files(source: Path, tmp_path: Path) -> None:
    (source / "one").write_bytes(b"x")
    os.link(source / "one", source / "two")
    here = Machine()
    here.replicate(source, settled=True)
    (source / "two").unlink()
    (source / "two").write_bytes(b"x")
    here.restore(here.replicate(source, settled=True).root, tmp_path / "target")
    assert tree_difference(source, tmp_path / "target") == []


def test_symbolic_links_are_never_followed(source: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (source / "folder").symlink_to(outside)
    (source / "file").symlink_to(outside / "secret")
    (source / "loop").symlink_to("loop")
    target = round_trip(source)
    assert (target / "folder").is_symlink()
    assert (outside / "secret").read_bytes() == b"secret"


def test_times_keep_their_nanoseconds_even_before_1970(source: Path) -> None:
    for number, instant in enumerate((0, 1, -1, -86_400 * 10**9 + 123_456_789, 1_700_000_000_123_456_789)):
        path = source / f"file{number}"
        path.touch()
        os.utime(path, ns=(instant, instant))
    (source / "folder").mkdir()
    os.utime(source / "folder", ns=(5, 5))
    os.utime(source, ns=(7, 7))
    round_trip(source)


def test_modes_come_back_with_their_special_bits(source: Path) -> None:
    for mode in (0o600, 0o444, 0o755, 0o4755, 0o2755, 0o6711):
        (source / f"{mode:o}").touch()
        (source / f"{mode:o}").chmod(mode)
    (source / "sticky").mkdir()
    (source / "sticky").chmod(0o1777)
    (source / "readonly").mkdir()
    (source / "readonly" / "file").touch()
    (source / "readonly").chmod(0o555)
    round_trip(source)


def test_extended_attributes_come_back_on_files_and_directories(source: Path) -> None:
    if not holds_xattrs(source):
        pytest.skip("this file system has no user attributes")
    (source / "folder").mkdir()
    for path in (source / "file", source / "folder", source):
        if not path.exists():
            path.touch(mode=0o444)
            path.chmod(0o644)
        os.setxattr(path, "user.colour", b"blue\0\xff")
        os.setxattr(path, "user.empty", b"")
        os.setxattr(path, "user.long", b"x" * 2000)
    (source / "file").chmod(0o444)
    round_trip(source)


def test_access_control_lists_come_back(source: Path) -> None:
    (source / "file").touch()
    entries = [(0x01, 6, -1), (0x02, 4, 1234), (0x04, 4, -1), (0x10, 4, -1), (0x20, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(source / "file", ACL_ACCESS, acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    target = round_trip(source)
    assert os.getxattr(target / "file", ACL_ACCESS) == acl


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owners_come_back_as_the_container_saw_them(source: Path) -> None:
    for number, owner in enumerate(((1000, 1001), (0, 70), (4_000_000_000, 4_000_000_001))):
        (source / f"file{number}").touch()
        os.chown(source / f"file{number}", *owner)
        (source / f"file{number}").chmod(0o6755)
    os.chown(source, 999, 999)
    round_trip(source)


def test_names_are_bytes_and_not_text(source: Path) -> None:
    for name in (b"\xff\xfe", b"new\nline", b" ", b"-rf *", b"\\", "ü".encode(), "ü".encode(), b"y" * 255):
        (source / os.fsdecode(name)).write_bytes(name)
    round_trip(source)


def test_paths_may_be_longer_than_the_system_allows(source: Path, tmp_path: Path) -> None:
    fd = os.open(source, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=fd)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=fd))
    os.close(fd)
    here = Machine()
    state = here.replicate(source)
    assert state.directories == 31
    here.restore(state.root, tmp_path / "target")
    assert here.replicate(tmp_path / "target").root == state.root


def test_fifos_are_kept_and_sockets_are_left_out_and_listed(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(source / "fifo", 0o640)
    monkeypatch.chdir(source)
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket\n")
    server.close()
    here = Machine()
    state = here.replicate(source)
    assert [(one.path, one.reason) for one in state.skipped] == [("socket\\n", "it is a socket")]
    here.restore(state.root, source.parent / "target")
    assert [path.name for path in (source.parent / "target").iterdir()] == ["fifo"]
    assert stat.S_ISFIFO((source.parent / "target" / "fifo").stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_device_nodes_are_left_out_and_listed(source: Path) -> None:
    try:
        os.mknod(source / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("device nodes are not allowed here")
    state = Machine().replicate(source)
    assert [(one.path, one.reason) for one in state.skipped] == [("null", "it is a device node")]


def test_a_file_that_becomes_a_directory_and_back_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    here = Machine()
    (source / "thing").write_bytes(b"x" * 400_000)
    here.replicate(source, settled=True)
    (source / "thing").unlink()
    (source / "thing").mkdir()
    (source / "thing" / "inside").write_bytes(b"y")
    here.replicate(source, settled=True)
    here.restore(here.replicate(source, settled=True).root, tmp_path / "one")
    assert tree_difference(source, tmp_path / "one") == []


def test_a_folder_that_changes_while_it_is_read_is_no_snapshot(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "file").write_bytes(b"x" * 1000)
    real = os.pread

    def read_and_write(fd: int, length: int, offset: int) -> bytes:
        content = real(fd, length, offset)
        (source / "file").write_bytes(b"y" * 999)
        return content

    monkeypatch.setattr(os, "pread", read_and_write)
    with pytest.raises(SourceChanged):
        Machine().replicate(source)


def test_a_restore_overwrites_nothing(source: Path, tmp_path: Path) -> None:
    here = Machine()
    root = here.replicate(source).root
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "mine").write_bytes(b"mine")
    with pytest.raises(TargetNotEmpty):
        restore(root, KEYS, here.store, tmp_path / "target", known=here.known, nodes=here.nodes)
    assert (tmp_path / "target" / "mine").read_bytes() == b"mine"


def test_paths_are_shown_without_control_characters() -> None:
    assert shown(b"a/\xff\x1b[31m\n") == "a/\\xff\\x1b[31m\\n"
    assert shown("ü".encode()) == "ü"
