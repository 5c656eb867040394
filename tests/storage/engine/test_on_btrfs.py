"""On btrfs: snapshots keep what the engine remembers, and a base is cloned, not copied."""

import os
import random
import time
from pathlib import Path

import pytest

from mosaic.adapters import btrfs
from support.trees import tree_difference
from support.volumes import Machine

pytestmark = pytest.mark.btrfs


def used_bytes(folder: Path) -> int:
    btrfs.sync(folder)
    left = os.statvfs(folder)
    return (left.f_blocks - left.f_bfree) * left.f_frsize


def test_snapshots_are_compared_and_bases_cloned(btrfs_path: Path) -> None:
    pool = btrfs_path
    btrfs.create(pool / "live")
    (pool / "live" / "folder").mkdir()
    for number in range(50):
        (pool / "live" / "folder" / f"file{number}").write_bytes(random.Random(number).randbytes(500))
    (pool / "live" / "big").write_bytes(random.Random(1).randbytes(30_000_000))
    time.sleep(1.1)
    here = Machine()
    btrfs.snapshot(pool / "live", pool / "first")
    first = here.replicate(pool / "first")
    assert first.content_bytes == 30_025_000

    with (pool / "live" / "big").open("r+b") as file:
        file.seek(10_000_000)
        file.write(b"changed")
    (pool / "live" / "folder").rename(pool / "live" / "renamed")
    btrfs.snapshot(pool / "live", pool / "second")
    second = here.replicate(pool / "second")
    # Inode numbers are those of the first snapshot: only the file that changed is read.
    assert second.read_bytes == 30_000_000
    assert second.uploaded_bytes < 100_000

    before = used_bytes(pool)
    there = Machine(here.store)
    done = there.restore(second.root, pool / "restored", base=(pool / "first", first.root))
    assert tree_difference(pool / "second", pool / "restored") == []
    assert done.cloned_bytes >= 30_000_000
    assert done.fetched_bytes < 500_000
    assert used_bytes(pool) - before < 5_000_000
    for name in ("first", "second", "live"):
        btrfs.delete(pool / name)
