"""Opening the pool: the btrfs that all volumes of this daemon lie on."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mosaic.adapters import btrfs, loop
from mosaic.core.errors import MosaicError, Refused
from mosaic.storage.config import StorageConfig
from mosaic.wire.storage import Failure, PoolState

_DEFAULT_IMAGE_BYTES = 8 * 1024**3
_MOST_RESERVE_BYTES = 1024**3


class PoolMissing(Refused):
    """The folder that was given as the pool cannot be one."""

    code = "pool-missing"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is not a folder on btrfs",
            hint="give a folder on a mounted btrfs, or none: Mosaic makes an image of its own then",
        )


class PoolNearlyFull(Refused):
    """Too little of the pool is free for another snapshot. Nothing was cut."""

    code = "pool-nearly-full"

    def __init__(self, free: int, reserve: int) -> None:
        super().__init__(
            f"snapshots have stopped: {free >> 20} MiB of the pool are free, and {reserve >> 20} MiB are kept for apps",
            hint="remove data inside the apps, move an app to another Device, or give the pool more space",
        )


@dataclass(frozen=True, slots=True)
class Pool:
    """An open pool. `image` is None for a native folder."""

    path: Path
    image: Path | None
    reserve_bytes: int | None

    @property
    def kind(self) -> Literal["native", "image"]:
        """What the pool is made of."""
        return "native" if self.image is None else "image"

    def check_room(self, *, has_stopped: bool = False) -> None:
        """Raise PoolNearlyFull when another snapshot could take space that apps need.

        Snapshots that have stopped go on when there is half as much again, and do not come and go.
        """
        total, free = self._space()
        reserve = self._reserve(total)
        if free < (reserve * 3 // 2 if has_stopped else reserve):
            raise PoolNearlyFull(free, reserve)

    def state(self) -> PoolState:
        """Return its size and what is free, with the problem if there is one."""
        problem: Failure | None = None
        try:
            total, free = self._space()
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

    def _space(self) -> tuple[int, int]:
        disk = os.statvfs(self.path)
        return disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize

    def _reserve(self, total: int) -> int:
        return min(_MOST_RESERVE_BYTES, total // 20) if self.reserve_bytes is None else self.reserve_bytes


def open_pool(config: StorageConfig) -> Pool:
    """Open the pool, making or mounting the image when no folder was given. May be called after a crash.

    Raises:
        PoolMissing: the folder given is not on btrfs.
        DiskTooSmall: there is no room for the image.
        NoBtrfsHere: the kernel cannot mount one.
    """
    if config.pool is not None:
        if not config.pool.is_dir() or not btrfs.is_btrfs(config.pool):
            raise PoolMissing(config.pool)
        return Pool(config.pool.resolve(), None, config.reserve_bytes)
    image, folder = config.state.resolve() / "pool.img", config.state.resolve() / "pool"
    loop.open_image(image, folder, size_bytes=config.image_bytes or _default_bytes(config.state))
    return Pool(folder, image, config.reserve_bytes)


def _default_bytes(state: Path) -> int:
    disk = os.statvfs(state)
    quarter = disk.f_bavail * disk.f_frsize // 4
    return max(loop.MIN_IMAGE_BYTES, min(_DEFAULT_IMAGE_BYTES, quarter) >> 20 << 20)
