"""Whose folder a mount is, told by file system and path; tables of processes, which may end at any moment."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.adapters.mount_tables import Located, located, mounts, namespace_of, read, table_of

MACHINE = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
40 22 0:50 / /pool rw,relatime shared:20 - btrfs /dev/loop0 rw
41 22 0:51 /@data /srv/a\\040pool rw,relatime shared:21 - btrfs /dev/sdb rw
42 22 0:52 / /twice rw,relatime shared:22 - btrfs /dev/loop1 rw
43 22 0:53 / /twice rw,relatime shared:23 - btrfs /dev/loop2 rw
"""


def container(number: str, within: str) -> str:
    return f"90 89 {number} {within} /data rw,relatime master:20 - btrfs /dev/loop0 rw\n"


@pytest.mark.parametrize(
    ("folder", "where"),
    [
        ("/pool/live/ab", Located("0:50", "/live/ab")),
        ("/srv/a pool/live/ab", Located("0:51", "/@data/live/ab")),
        ("/twice/live/ab", Located("0:53", "/live/ab")),
        ("/poolside/live/ab", Located("254:1", "/poolside/live/ab")),
    ],
)
def test_a_folder_is_found_on_the_mount_that_is_nearest_and_seen(folder: str, where: Located) -> None:
    assert located(Path(folder), MACHINE) == where


def test_where_the_table_does_not_say_where_a_folder_is_nobody_guesses() -> None:
    assert located(Path("/live/ab"), MACHINE.partition("\n")[2]) is None


@pytest.mark.parametrize("within", ["/live/ab", "/live/ab/data", "/live/ab/data//deleted", "/live/ab/with\\040space"])
def test_who_has_a_part_of_a_folder_mounted_uses_it(within: str) -> None:
    assert Located("0:50", "/live/ab").is_mounted_in(MACHINE + container("0:50", within))


@pytest.mark.parametrize(
    ("number", "within"),
    [
        ("0:50", "/live/abc/data"),
        ("0:50", "/live"),
        ("0:50", "/elsewhere/live/ab/data"),
        ("0:51", "/live/ab/data"),
    ],
)
def test_who_has_something_else_mounted_does_not(number: str, within: str) -> None:
    assert not Located("0:50", "/live/ab").is_mounted_in(MACHINE + container(number, within))


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("41 22 0:51 / /nas rw - nfs4 nas.local:/a\\134\\011b rw", "nas.local:/a\\\tb"),
        ("41 22 0:51 / /odd rw shared:1 master:2 - tmpfs  rw", ""),
    ],
)
def test_what_is_mounted_is_read_whatever_is_in_its_name(line: str, source: str) -> None:
    (found,) = mounts(f"nonsense\n{line}\n41 22\n")
    assert (found.source, found.is_shared) == (source, "shared:" in line)


def test_a_path_of_any_bytes_is_one_mount(tmp_path: Path) -> None:
    table, path = tmp_path / "mountinfo", "/a\rb\fc\u2028d".encode() + b"\xff"
    table.write_bytes(b"41 22 0:51 " + path + b" " + path + b" rw shared:1 - ext4 /dev/vda1 rw\n")
    (found,) = mounts(read(table))
    assert os.fsencode(found.within) == os.fsencode(found.point) == path


@pytest.mark.parametrize("ask", [table_of, namespace_of])
def test_a_process_that_has_ended_has_none(ask: Callable[[Path], str | None]) -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    try:
        # Ended and not waited for: it is still listed, and the kernel has let go of its mounts.
        assert Path(f"/proc/{child}").exists()
        assert ask(Path(f"/proc/{child}")) is None
    finally:
        os.waitpid(child, 0)
    assert ask(Path(f"/proc/{child}")) is None
