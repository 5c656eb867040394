"""The daemon as the Device and the engine see it: held, mounted, replicated, handed over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon, running

pytestmark = pytest.mark.btrfs


@pytest.fixture
def hive() -> Iterator[FakeHive]:
    with FakeHive().running() as fake:
        yield fake


@pytest.fixture
def here(btrfs_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    with running(btrfs_path, "here", "token-a") as daemon:
        daemon.connect(hive)
        yield daemon


@pytest.fixture
def there(btrfs_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    with running(btrfs_path, "there", "token-b") as daemon:
        daemon.connect(hive)
        yield daemon


def test_what_an_app_wrote_here_is_there_after_a_move(hive: FakeHive, here: TestDaemon, there: TestDaemon) -> None:
    here.take(hive)
    here.create()
    folder = here.mount()
    (folder / "page").write_text("dear diary")
    here.unmount()
    here.hand_over()

    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    there.create()
    assert (there.mount() / "page").read_text() == "dear diary"
    there.wait_until_clean()
    newest = hive.newest(VOLUME)
    assert newest is not None
    assert newest.epoch.n == 2
