"""Mount tables: what is mounted where, for which processes, and where a folder lies.

A container has a folder mounted at a place of its own; what is the same in
every table is the file system and the path within it.

Source: proc_pid_mountinfo(5).
"""

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OWN = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")
_FIELDS = 6
"""At least so many stand before the hyphen; what follows them there is optional."""

_OVER = (errno.ENOENT, errno.ESRCH, errno.EINVAL)
"""What the kernel answers for a process that is about to end: the last, once it has left its mount namespace."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount. `device` is the file system's number (`major:minor`), `within` the path in it that is seen at `point`.

    `is_shared`: what is mounted beneath it is passed on. `kind`, `source` and `options` are the file system's, such as
    `ext4`, `/dev/sda1` and `rw`.
    """

    device: str
    within: str
    point: Path
    is_shared: bool
    kind: str
    source: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """Where a folder is, whoever sees it: the number of its file system (`major:minor`), and the path within."""

    device: str
    path: str

    def is_mounted_in(self, table: str) -> bool:
        """Return whether the folder, or anything in it, is mounted by itself."""
        # What was removed since it was mounted has `//deleted` after its path.
        return any(
            mount.device == self.device and f"{mount.within}/".startswith(f"{self.path}/") for mount in mounts(table)
        )


def mounts(table: str) -> Iterator[Mount]:
    """Yield every mount, the oldest first. Lines of another form are left out."""
    # Not by splitlines(): of all that may look like the end of a line, the kernel writes only this one differently.
    for line in table.split("\n"):
        before, found, after = line.partition(" - ")
        fields, described = before.split(" "), after.split(" ")
        if not found or len(fields) < _FIELDS or len(described) < 2:
            continue
        yield Mount(
            device=fields[2],
            within=_plain(fields[3]),
            point=Path(_plain(fields[4])),
            is_shared=any(one.startswith("shared:") for one in fields[_FIELDS:]),
            kind=described[0],
            source=_plain(described[1]),
            options=tuple(described[2].split(",")) if len(described) > 2 else (),
        )


def nearest(folder: Path, table: str) -> Mount | None:
    """Return the mount that a folder lies on; None when the table does not say it, as in a changed root.

    The folder is absolute, and no part of it a link.
    """
    found = None
    for mount in mounts(table):
        # Of two at one point the later one hides the other.
        is_nearer = found is None or len(mount.point.parts) >= len(found.point.parts)
        if is_nearer and folder.is_relative_to(mount.point):
            found = mount
    return found


def located(folder: Path, table: str) -> Located | None:
    """Return where a folder is, which need not exist; None when the table does not say it. As for `nearest`."""
    mount = nearest(folder, table)
    if mount is None:
        return None
    return Located(mount.device, str(Path(mount.within) / folder.relative_to(mount.point)))


def own_table() -> str:
    """Return this process's mount table."""
    return read(OWN)


def read(file: Path) -> str:
    """Return a mount table whose paths may have any bytes. Raises OSError."""
    return file.read_bytes().decode(errors="surrogateescape")


def table_of(process: Path) -> str | None:
    """Return the mount table of a process, a folder in /proc; None when it has ended. Raises OSError."""
    try:
        return read(process / "mountinfo")
    except OSError as error:
        if error.errno in _OVER:
            return None
        raise


def namespace_of(process: Path) -> str | None:
    """Return the name of a process's mount namespace; None when it has ended. Raises OSError."""
    try:
        return str((process / "ns" / "mnt").readlink())
    except OSError as error:
        if error.errno in _OVER:
            return None
        raise


def _plain(field: str) -> str:
    r"""Return a field as it is: spaces, tabs, line ends and backslashes stand as `\040` and the like."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field)
