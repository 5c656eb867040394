"""Opening the pool: the btrfs that all volumes of this daemon lie on."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mosaic.adapters import btrfs, loop
from mosaic.adapters.process import ProgramMissing
from mosaic.core.errors import MosaicError, Refused
from mosaic.storage import log
from mosaic.storage.config import StorageConfig
from mosaic.storage.on_btrfs import OnBtrfs
from mosaic.storage.subvolumes import Subvolumes
from mosaic.wire.storage import Failure, PoolState

_DEFAULT_IMAGE_BYTES = 8 * 1024**3
# A small btrfs was seen to refuse apps with 43 MiB that it called free: its own records had no room left to grow.
_LEAST_RESERVE_BYTES = 64 * 1024**2
_MOST_RESERVE_BYTES = 1024**3


class PoolMissing(Refused):
    """The folder that was given as the pool cannot be one."""

    code = "pool-missing"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is not a folder on btrfs",
            hint="give a folder on a mounted btrfs, or none: Mosaic makes an image of its own then",
        )


class ScanFolderMissing(Refused):
    """The folder that was given for plain-folder volumes is not there."""

    code = "scan-folder-missing"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"there is no folder {folder}", hint=f"make it: mkdir -p {folder}")


class PoolNearlyFull(Refused):
    """Too little of the pool is free for another snapshot. Nothing was cut."""

    code = "pool-nearly-full"

    def __init__(self, free: int, reserve: int) -> None:
        super().__init__(
            f"snapshots have stopped: {free >> 20} MiB of the pool are free, and {reserve >> 20} MiB are kept for apps",
            hint="remove data inside the apps, move an app to another Device, or enlarge the pool (`--pool-gigabytes`)",
        )


@dataclass(frozen=True, slots=True)
class Pool:
    """An open pool. `image` is None when it is a folder."""

    path: Path
    image: Path | None
    reserve_bytes: int | None
    subvolumes: Subvolumes = field(default_factory=OnBtrfs)
    kind: Literal["native", "image", "folders"] = "native"

    def check_room(self, needed_bytes: int = 0, *, has_stopped: bool = False) -> None:
        """Raise PoolNearlyFull when another snapshot could take space that apps need.

        Snapshots that have stopped go on when there is half as much again, and do not come and go.
        """
        check_room(self.path, self.reserve_bytes, needed_bytes, has_stopped=has_stopped)

    def state(self) -> PoolState:
        """Return its size and what is free, with the problem if there is one."""
        problem: Failure | None = None
        try:
            total, free = _space(self.path)
            self.check_room()
        except MosaicError as error:
            problem = Failure(error.code, error.message, error.hint)
        except OSError as error:
            total, free = 0, 0
            problem = Failure("pool-unreadable", f"the pool {self.path}: {error.strerror}", "run `mosaic doctor`")
        return PoolState(str(self.path), self.kind, total, free, problem)

    def close(self) -> None:
        """Unmount an image. A native folder needs nothing."""
        if self.image is not None:
            loop.close_image(self.image, self.path)


def check_room(path: Path, reserve_bytes: int | None, needed_bytes: int, *, has_stopped: bool = False) -> None:
    """Raise PoolNearlyFull unless `needed_bytes` leave what apps are kept free (None: 5 %, from 64 MiB to 1 GiB)."""
    total, free = _space(path)
    usual = min(_MOST_RESERVE_BYTES, max(_LEAST_RESERVE_BYTES, total // 20))
    reserve = usual if reserve_bytes is None else reserve_bytes
    if free - needed_bytes < (reserve * 3 // 2 if has_stopped else reserve):
        raise PoolNearlyFull(free, reserve + needed_bytes)


def _space(path: Path) -> tuple[int, int]:
    disk = os.statvfs(path)
    return disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize


def open_pool(config: StorageConfig) -> Pool:
    """Open the pool, making or mounting the image when no folder was given. May be called after a crash.

    Where this machine can have no btrfs at all, volumes lie in plain folders
    beside; a pool that once was there is never left for another one. An image
    that is smaller than the configuration says grows; one that cannot is
    opened as it is.

    Raises:
        PoolMissing: the folder given is not on btrfs.
        DiskTooSmall: there is no room for the image.
        NoBtrfsHere: the image that is there cannot be mounted.
        FoldersImpossible: nor can plain folders be used.
    """
    state = config.state.resolve()
    if config.scan is not None:
        return _folders(config, config.scan)
    if config.pool is not None:
        if not config.pool.is_dir() or not btrfs.is_btrfs(config.pool):
            raise PoolMissing(config.pool)
        return Pool(config.pool.resolve(), None, config.reserve_bytes)
    image, folder, beside = state / "pool.img", state / "pool", state / "folders"
    if beside.is_dir() and not image.exists():
        return _folders(config, beside)
    was_there = image.exists()
    try:
        loop.open_image(image, folder, size_bytes=config.image_bytes or _default_bytes(config.state))
    except (loop.NoBtrfsHere, ProgramMissing) as error:
        if was_there:
            raise
        # A loop device would keep all of the image's room for ever. Without its tool there is none.
        with contextlib.suppress(ProgramMissing):
            loop.close_image(image, folder)
        image.unlink(missing_ok=True)
        log.warning("no_btrfs_here", reason=error.message, instead="volumes lie in plain folders and are scanned")
        beside.mkdir(mode=0o711)
        return _folders(config, beside)
    if config.image_bytes is not None:
        _grow(image, folder, config.image_bytes)
    return Pool(folder, image, config.reserve_bytes, kind="image")


def _grow(image: Path, folder: Path, size_bytes: int) -> None:
    try:
        loop.grow_image(image, folder, size_bytes=size_bytes)
    except (MosaicError, OSError) as error:
        # Apps start with the room that they had.
        log.warning("pool_not_grown", wanted_mib=size_bytes >> 20, reason=str(error))


def _folders(config: StorageConfig, folder: Path) -> Pool:
    from mosaic.storage.on_folders import OnFolders, check_folder  # imported late: few machines need it

    if not folder.is_dir():
        raise ScanFolderMissing(folder)
    folder = folder.resolve()
    check_folder(folder)
    subvolumes = OnFolders(config.state / "held", lambda needed: check_room(folder, config.reserve_bytes, needed))
    subvolumes.recover()
    return Pool(folder, None, config.reserve_bytes, subvolumes, kind="folders")


def _default_bytes(state: Path) -> int:
    disk = os.statvfs(state)
    quarter = disk.f_bavail * disk.f_frsize // 4
    return max(loop.MIN_IMAGE_BYTES, min(_DEFAULT_IMAGE_BYTES, quarter) >> 20 << 20)
