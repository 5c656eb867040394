"""Two machines, and a folder that both have as their store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hiveless import Machine, machine


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "nas"
    folder.mkdir()
    return folder


@pytest.fixture
def here(btrfs_path: Path) -> Iterator[Machine]:
    with machine(btrfs_path, "here") as found:
        yield found


@pytest.fixture
def there(btrfs_path: Path) -> Iterator[Machine]:
    with machine(btrfs_path, "there") as found:
        yield found
