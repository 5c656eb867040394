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
def pool_kind() -> str:
    """What the daemons' volumes lie on; a test that is parametrised by it runs on both."""
    return "btrfs"


@pytest.fixture
def pool_path(pool_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder for the pools of a test's daemons."""
    if pool_kind == "btrfs":
        found: Path = request.getfixturevalue("btrfs_path")
        return found
    return tmp_path


@pytest.fixture
def here(pool_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    """A running daemon, connected."""
    with running(pool_path, "here", "token-a") as daemon:
        daemon.connect(hive)
        yield daemon


@pytest.fixture
def there(pool_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    """Another Device's running daemon, connected."""
    with running(pool_path, "there", "token-b") as daemon:
        daemon.connect(hive)
        yield daemon
