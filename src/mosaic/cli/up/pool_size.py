"""How large the image is that volumes lie in, as its owner chose it: refused before anything is started.

It is made so large, or grows to it, when the storage daemon starts the next time.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from mosaic.adapters import loop
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.settings import Settings
from mosaic.core.errors import Refused

_GIB = 1024**3


class PoolHasNoImage(Refused):
    """A size was given for a pool that is a folder."""

    code = "pool-has-no-image"

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"volumes lie in the folder {folder}, which is as large as its file system",
            hint="leave `--pool-gigabytes` out, or give that file system more space",
        )


class PoolOnlyGrows(Refused):
    """The pool's image is larger than what was asked for."""

    code = "pool-only-grows"

    def __init__(self, there: int, wanted: int) -> None:
        super().__init__(
            f"the pool has {there / _GIB:.3g} GiB, and does not become smaller, as {wanted} GiB would be",
            hint="leave `--pool-gigabytes` out, or give a larger number",
        )


@dataclass(frozen=True, slots=True)
class Pool:
    """Where volumes shall lie, as far as it was said: in a folder, or in an image of so many GiB."""

    folder: Path | None
    gigabytes: int | None

    def over(self, kept: Settings) -> Settings:
        """Lay what was said over what was kept."""
        if self.folder is not None:
            return replace(kept, pool=str(self.folder), pool_gigabytes=self.gigabytes)
        return kept if self.gigabytes is None else replace(kept, pool_gigabytes=self.gigabytes)


def check(layout: Layout, kept: Settings, chosen: Settings) -> None:
    """Raise PoolHasNoImage, PoolOnlyGrows or DiskTooSmall when a size that was not kept yet cannot be had."""
    if chosen.pool_gigabytes is None or (chosen.pool, chosen.pool_gigabytes) == (kept.pool, kept.pool_gigabytes):
        return
    if chosen.pool is not None:
        raise PoolHasNoImage(chosen.pool)
    image, wanted = layout.storage / "pool.img", chosen.pool_gigabytes * _GIB
    there = image.stat().st_size if image.exists() else 0
    if there > wanted:
        raise PoolOnlyGrows(there, chosen.pool_gigabytes)
    if there < wanted:
        loop.check_disk(image, wanted)
