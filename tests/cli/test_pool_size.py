"""The size of the pool's image, as an option: kept, handed on, and refused before anything is started."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.adapters.loop import DiskTooSmall
from mosaic.cli.up import services, settings
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.pool_size import Pool, PoolHasNoImage, PoolOnlyGrows, check
from mosaic.cli.up.settings import Settings

_GIB = 1024**3


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A state folder with a pool of 8 GiB, of which the disk has nothing."""
    made = Layout(tmp_path / "state")
    made.make()
    made.storage.mkdir(exist_ok=True)
    with (made.storage / "pool.img").open("wb") as image:
        image.truncate(8 * _GIB)
    return made


def test_a_size_is_kept_and_handed_to_the_storage_daemon_until_another_is_given(layout: Layout) -> None:
    settings.save(layout.settings, Pool(None, 20).over(Settings()))
    kept = settings.load(layout.settings)
    again = Pool(None, None).over(kept)
    words = services.storage_options(layout, again)
    assert words[words.index("--pool-gigabytes") + 1] == "20"
    assert Pool(None, 30).over(again).pool_gigabytes == 30


def test_a_folder_takes_the_place_of_an_image_and_of_its_size() -> None:
    assert Pool(Path("/srv/pool"), None).over(Settings(pool_gigabytes=20)) == Settings(pool="/srv/pool")


def test_an_image_that_would_be_smaller_is_refused(layout: Layout) -> None:
    with pytest.raises(PoolOnlyGrows, match="the pool has 8 GiB, and does not become smaller, as 7 GiB would be"):
        check(layout, Settings(), Settings(pool_gigabytes=7))


def test_an_image_larger_than_the_disk_is_refused_with_what_is_missing(layout: Layout) -> None:
    disk = os.statvfs(layout.state)
    free_gigabytes = disk.f_bavail * disk.f_frsize // _GIB
    with pytest.raises(DiskTooSmall, match=f"needs {(free_gigabytes + 1) * 1024} MiB"):
        check(layout, Settings(), Settings(pool_gigabytes=8 + free_gigabytes + 1))


def test_a_folder_has_no_size_to_give(layout: Layout) -> None:
    with pytest.raises(PoolHasNoImage, match="/srv/pool"):
        check(layout, Settings(pool="/srv/pool"), Settings(pool="/srv/pool", pool_gigabytes=20))


@pytest.mark.parametrize("gigabytes", [8, None])
def test_what_is_there_already_is_fine(layout: Layout, gigabytes: int | None) -> None:
    check(layout, Settings(), Settings(pool_gigabytes=gigabytes))


def test_what_was_kept_is_not_asked_for_again_when_the_disk_has_filled_up(layout: Layout) -> None:
    kept = Settings(pool_gigabytes=1_000_000)
    check(layout, kept, replace(kept, driver="other"))
