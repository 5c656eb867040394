"""What is killed and raced: a Hive, and two machines that have its volume by turns."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.btrfs_pool import btrfs_folder
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import TestDaemon, place


@contextmanager
def two_machines(folder: Path) -> Iterator[tuple[FakeHive, TestDaemon, TestDaemon]]:
    """Yield a Hive and two storage daemons that are not running. The disk of `folder` must have 400 MB of room."""
    with (
        btrfs_folder(folder) as pool,
        FakeHive().running() as hive,
        place(pool, "here", "token-a", interval_seconds=0.05) as here,
        place(pool, "there", "token-b", interval_seconds=0.05) as there,
    ):
        there.device = "0b" * 16
        yield hive, here, there
