"""A btrfs file system in one preallocated file, mounted by a loop device.

`open_image` makes whatever is missing (the file, its file system, the loop
device, the mount) and adopts whatever is there already, for example what a
killed daemon left behind; so it may be called at any time, and killed in it.
So may `grow_image`, under whatever uses the file system meanwhile.
The file is preallocated, because a sparse image on a full disk turns 'no
space' into I/O errors inside databases, and discards are off, because they
would make it sparse again. Direct I/O keeps its pages from being cached twice.
"""

import contextlib
import fcntl
import os
import stat
import struct
import time
from pathlib import Path

from mosaic.adapters import mount_tables, process
from mosaic.adapters.mount_tables import mounts
from mosaic.core.errors import MosaicError, Refused

_TOOL_SECONDS = 120.0
_DETACHED_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_TRIES = 2
_BLOCK_DEVICES = Path("/sys/block")
_DEVICES = Path("/dev")
_LOOP_GET_STATUS64 = 0x4C05
_LOOP_STATUS_BYTES = 232
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


class NotMounted(Refused):
    """The pool's image is not what is mounted where the pool should be."""

    code = "pool-not-mounted"

    def __init__(self, mountpoint: Path) -> None:
        super().__init__(f"the pool's image is not mounted at {mountpoint}", hint="start the storage daemon again")


def open_image(image: Path, mountpoint: Path, *, size_bytes: int) -> None:
    """Make sure that `image` exists and is mounted at `mountpoint`.

    An image that exists keeps its size.

    Raises:
        DiskTooSmall: there is no room for a new image; nothing was made.
        NoBtrfsHere: the kernel cannot mount it.
    """
    if mounted_source(mountpoint) is not None:
        return
    is_new = not image.exists()
    if is_new:
        _make_image(image, size_bytes)
    device = attached_device(image) or _attach(image)
    mountpoint.mkdir(mode=0o755, exist_ok=True)
    mount = ["mount", "-t", "btrfs", "-o", _OPTIONS, str(device), str(mountpoint)]
    if process.attempt(mount, deadline_seconds=_TOOL_SECONDS).code == 0:
        if is_new:
            _give_records_room(mountpoint)
        return
    # A power cut can tear the first superblock, and the kernel looks at no other; the tool knows where its copies lie.
    process.attempt(["btrfs", "rescue", "super-recover", "-y", str(device)], deadline_seconds=_TOOL_SECONDS)
    try:
        process.run(mount, deadline_seconds=_TOOL_SECONDS)
    except process.CommandFailed as error:
        raise NoBtrfsHere(error.finished.last_lines()) from error


def grow_image(image: Path, mountpoint: Path, *, size_bytes: int) -> None:
    """Make an open image at least so large; one that is larger stays as it is.

    Raises:
        DiskTooSmall: there is no room for that; nothing was changed.
        NotMounted: it is not open.
        OSError, CommandFailed: it went wrong on the way; what was there is as it was, and calling it again goes on.
    """
    there = image.stat().st_size
    if size_bytes > there:
        check_disk(image, size_bytes)
        with image.open("r+b") as file:
            os.posix_fallocate(file.fileno(), there, size_bytes - there)
            os.fsync(file.fileno())
    device = attached_device(image)
    if device is None:
        raise NotMounted(mountpoint)
    # Each may have been cut short at an earlier time, and costs nothing when there is nothing to do.
    process.run(["losetup", "--set-capacity", str(device)], deadline_seconds=_TOOL_SECONDS)
    process.run(["btrfs", "filesystem", "resize", "max", str(mountpoint)], deadline_seconds=_TOOL_SECONDS)


def check_disk(image: Path, size_bytes: int) -> None:
    """Raise DiskTooSmall when there is no room for an image of that size, or for making one so large.

    What stays free is for everything else on that disk, our own ledger first.
    """
    there = image.stat().st_size if image.exists() else 0
    folder = next(above for above in image.parents if above.exists())
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if size_bytes < MIN_IMAGE_BYTES or size_bytes - there > free - free // 20:
        raise DiskTooSmall(image, wanted=max(size_bytes, MIN_IMAGE_BYTES) - there, free=free)


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
    wanted = mountpoint.resolve()
    found = [mount.source for mount in mounts(mount_tables.own_table()) if mount.point == wanted]
    return found[-1] if found else None


def attached_device(image: Path) -> Path | None:
    """Return the loop device whose backing file is the image, or None."""
    try:
        wanted = image.stat()
    except FileNotFoundError:
        return None
    for backing in sorted(_BLOCK_DEVICES.glob("loop*/loop/backing_file")):
        loop = backing.parts[3]
        try:
            found = Path(backing.read_text().rstrip("\n")).stat()
        except FileNotFoundError:
            # Named as a container saw it that is gone, or deleted: the device itself knows.
            if _backing_file(loop) == (wanted.st_dev, wanted.st_ino):
                return _have_node(loop)
            continue
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return _have_node(loop)
    return None


def _backing_file(loop: str) -> tuple[int, int] | None:
    """Return the device and inode of a loop device's file (loop(4), LOOP_GET_STATUS64); None where it has none."""
    status = bytearray(_LOOP_STATUS_BYTES)
    try:
        descriptor = os.open(_have_node(loop), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.ioctl(descriptor, _LOOP_GET_STATUS64, status)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    device, inode = struct.unpack_from("=QQ", status)
    return device, inode


def _have_node(loop: str) -> Path:
    """Return the node of a loop device that the kernel has, and make it where /dev lacks it.

    A container has a /dev of its own. Where none can be made, the tools that need it say so.
    """
    node = _DEVICES / loop
    if not node.exists():
        major, _, minor = (_BLOCK_DEVICES / loop / "dev").read_text().strip().partition(":")
        with contextlib.suppress(OSError):
            os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(int(major), int(minor)))
    return node


def _make_image(image: Path, size_bytes: int) -> None:
    check_disk(image, size_bytes)
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


def _give_records_room(mountpoint: Path) -> None:
    """Have the 8 MiB that mkfs leaves for the file system's own records written anew, into the usual tenth of it.

    Most of the 8 are kept back for an emergency, and no more is taken while they are not full: beside a snapshot that
    is cut, an app's new file was refused with a quarter of the pool free. Only records that use more than 1 % of their
    place are moved, for the other kind of records needs no more. Where this fails, the pool is as it was made.
    """
    process.attempt(["btrfs", "balance", "start", "-musage=1..100", str(mountpoint)], deadline_seconds=_TOOL_SECONDS)


def _attach(image: Path) -> Path:
    argv = ["losetup", "--find", "--show", "--direct-io=on", "--nooverlap", str(image)]
    # The kernel makes another device when all are in use, and names it only by failing for want of its node.
    for _ in range(_TRIES):
        for loop in _BLOCK_DEVICES.glob("loop*"):
            _have_node(loop.name)
        done = process.attempt(argv, deadline_seconds=_TOOL_SECONDS)
        if done.code == 0:
            return Path(done.text.strip())
    raise NoBtrfsHere(done.last_lines())


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mib(count: int) -> int:
    return count // (1024 * 1024)
