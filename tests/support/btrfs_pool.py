"""A real btrfs under a test's own folder, taken down by name whatever happens."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mosaic.adapters import loop

POOL_BYTES = 300 * 1024 * 1024


@contextlib.contextmanager
def btrfs_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder on a loop-mounted btrfs of its own."""
    image, mountpoint = folder / "test-pool.img", folder / "test-pool"
    loop.open_image(image, mountpoint, size_bytes=POOL_BYTES)
    try:
        yield mountpoint
    finally:
        loop.close_image(image, mountpoint)
        image.unlink()
