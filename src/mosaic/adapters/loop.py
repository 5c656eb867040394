"""A btrfs file system in one preallocated file, mounted by a loop device.

`open_image` makes whatever is missing (the file, its file system, the loop
device, the mount) and adopts whatever is there already, for example what a
killed daemon left behind; so it may be called at any time, and killed in it.
The file is preallocated, because a sparse image on a full disk turns 'no
space' into I/O errors inside databases, and discards are off, because they
would make it sparse again. Direct I/O keeps its pages from being cached twice.
"""

import os
import time
from pathlib import Path

from mosaic.adapters import process
from mosaic.core.errors import MosaicError, Refused

_TOOL_SECONDS = 120.0
_DETACHED_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_OPTIONS = "noatime,nodiscard"
MIN_IMAGE_BYTES = 256 * 1024 * 1024


class DiskTooSmall(Refused):
    """The disk cannot hold the image."""

    code = "disk-too-small"

    def __init__(self, path: Path, *, wanted: int, free: int) -> None:
        super().__init__(
            f"the pool image {path} needs {_mib(wanted)} MiB, and its disk has {_mib(free)} MiB free",
            hint="free some space, choose a smaller pool, or give a folder on btrfs as the pool",
        )


class NoBtrfsHere(Refused):
    """The kernel does not know btrfs, or has no loop devices."""

    code = "no-btrfs-here"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this machine cannot mount btrfs: {reason}",
            hint="load the modules btrfs and loop, or use plain folders: `mosaic storage serve --scan FOLDER`",
        )


def open_image(image: Path, mountpoint: Path, *, size_bytes: int) -> None:
    """Make sure that `image` exists and is mounted at `mountpoint`.

    An image that exists keeps its size.

    Raises:
        DiskTooSmall: there is no room for a new image; nothing was made.
        NoBtrfsHere: the kernel cannot mount it.
    """
    if mounted_source(mountpoint) is not None:
        return
    if not image.exists():
        _make_image(image, size_bytes)
    device = attached_device(image) or _attach(image)
    mountpoint.mkdir(mode=0o755, exist_ok=True)
    mount = ["mount", "-t", "btrfs", "-o", _OPTIONS, str(device), str(mountpoint)]
    if process.attempt(mount, deadline_seconds=_TOOL_SECONDS).code == 0:
        return
    # A power cut can tear the first superblock, and the kernel looks at no other; the tool knows where its copies lie.
    process.attempt(["btrfs", "rescue", "super-recover", "-y", str(device)], deadline_seconds=_TOOL_SECONDS)
    try:
        process.run(mount, deadline_seconds=_TOOL_SECONDS)
    except process.CommandFailed as error:
        raise NoBtrfsHere(error.finished.last_lines()) from error


def close_image(image: Path, mountpoint: Path) -> None:
    """Unmount the image and detach its loop device. What is not mounted or attached is fine.

    A device that somebody has open at this moment (every search for a free one opens all) goes when he closes it,
    and is waited for: an image that is opened again meanwhile would be mounted from a device that is about to go.

    Raises CommandFailed when somebody still uses the mount; then nothing was changed.
    """
    if mounted_source(mountpoint) is not None:
        process.run(["umount", str(mountpoint)], deadline_seconds=_TOOL_SECONDS)
    device = attached_device(image)
    if device is not None:
        process.run(["losetup", "--detach", str(device)], deadline_seconds=_TOOL_SECONDS)
        deadline = time.monotonic() + _DETACHED_SECONDS
        while attached_device(image) == device and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)


def mounted_source(mountpoint: Path) -> str | None:
    """Return the device that is mounted at exactly this path, or None."""
    wanted = os.fsencode(mountpoint.resolve()).decode(errors="surrogateescape")
    with Path("/proc/self/mountinfo").open(errors="surrogateescape") as table:
        rows = [line.split(" ") for line in table]
    found = [row[row.index("-") + 2] for row in rows if _unescape(row[4]) == wanted]
    return found[-1] if found else None


def attached_device(image: Path) -> Path | None:
    """Return the loop device whose backing file is the image, or None."""
    try:
        wanted = image.stat()
    except FileNotFoundError:
        return None
    for backing in sorted(Path("/sys/block").glob("loop*/loop/backing_file")):
        try:
            found = Path(backing.read_text().rstrip("\n")).stat()
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return Path("/dev") / backing.parts[3]
    return None


def _make_image(image: Path, size_bytes: int) -> None:
    disk = os.statvfs(image.parent)
    free = disk.f_bavail * disk.f_frsize
    # What stays free is for everything else on that disk, our own ledger first.
    if size_bytes < MIN_IMAGE_BYTES or size_bytes > free - free // 20:
        raise DiskTooSmall(image, wanted=max(size_bytes, MIN_IMAGE_BYTES), free=free)
    unfinished = image.with_suffix(".making")
    unfinished.unlink(missing_ok=True)
    try:
        with unfinished.open("xb") as file:
            unfinished.chmod(0o600)
            os.posix_fallocate(file.fileno(), 0, size_bytes)
        process.run(
            ["mkfs.btrfs", "--quiet", "--metadata", "single", "--nodiscard", "--label", "mosaic", str(unfinished)],
            deadline_seconds=_TOOL_SECONDS,
        )
        _fsync(unfinished)
    except (OSError, MosaicError):
        unfinished.unlink(missing_ok=True)
        raise
    unfinished.rename(image)
    _fsync(image.parent)


def _attach(image: Path) -> Path:
    argv = ["losetup", "--find", "--show", "--direct-io=on", "--nooverlap", str(image)]
    try:
        return Path(process.run(argv, deadline_seconds=_TOOL_SECONDS).text.strip())
    except process.CommandFailed as error:
        raise NoBtrfsHere(error.finished.last_lines()) from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unescape(field: str) -> str:
    # The kernel writes space, tab, newline and backslash as octal.
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escaped, plain)
    return field


def _mib(count: int) -> int:
    return count // (1024 * 1024)
