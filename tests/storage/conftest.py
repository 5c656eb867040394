"""A Hive and two Devices' storage daemons."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_hive_blobs import FakeHive
from support.storage_daemon import TestDaemon, running


@pytest.fixture
def hive() -> Iterator[FakeHive]:
    """A simulated Hive over real HTTP."""
    with FakeHive().running() as fake:
        yield fake


@pytest.fixture
def here(btrfs_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    """A running daemon, connected."""
    with running(btrfs_path, "here", "token-a") as daemon:
        daemon.connect(hive)
        yield daemon


@pytest.fixture
def there(btrfs_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    """Another Device's running daemon, connected."""
    with running(btrfs_path, "there", "token-b") as daemon:
        daemon.connect(hive)
        yield daemon
