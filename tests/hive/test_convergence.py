"""A Hive that is killed at every transaction of a story, before or after its commit, converges all the same (G3)."""

from pathlib import Path

import pytest

from hive.crashing_hive import CrashingHive, LocalDevice
from mosaic.core import placement
from mosaic.core.placement import Phase

pytestmark = pytest.mark.long


def world(folder: Path) -> tuple[CrashingHive, LocalDevice, LocalDevice]:
    folder.mkdir()
    hive = CrashingHive(folder)
    attic, cellar = hive.join("attic"), hive.join("cellar")
    hive.install(attic.id)
    return hive, attic, cellar


def settled(hive: CrashingHive, on: LocalDevice) -> None:
    hive.until(lambda found: found.phase is Phase.SETTLED and found.home == on.id)


def story(hive: CrashingHive, attic: LocalDevice, cellar: LocalDevice) -> None:
    """Install, move, uninstall, restore."""
    settled(hive, attic)
    hive.ask(lambda now: placement.move(now, cellar.id, hive.now_ns))
    settled(hive, cellar)
    hive.until(lambda _: not attic.local)
    hive.ask(lambda now: placement.uninstall(now, hive.now_ns))
    hive.until(lambda found: found.phase is Phase.TRASHED and found.lease.released)
    hive.ask(lambda now: placement.restore_from_trash(now, attic.id, hive.now_ns))
    settled(hive, attic)


def length(folder: Path) -> int:
    hive, attic, cellar = world(folder)
    begun = hive.writes
    story(hive, attic, cellar)
    return hive.writes - begun


@pytest.mark.parametrize(("after_commit", "stride"), [(False, 3), (True, 1)], ids=["before-commit", "after-commit"])
def test_g3_a_hive_killed_at_any_transaction_converges_and_loses_no_head(
    tmp_path: Path, after_commit: bool, stride: int
) -> None:
    total = length(tmp_path / "whole")
    assert total > 30
    # Before one commit is after the one before it, but for the reply: a third of them will do.
    for number in range(1, total + 1, stride):
        hive, attic, cellar = world(tmp_path / str(number))
        hive.kill_at, hive.after_commit = hive.writes + number, after_commit
        story(hive, attic, cellar)
        assert hive.kills == 1
        volume = attic.local[next(iter(attic.local))].volumes["data"]
        newest = hive.placement().lease.newest
        assert [head.hash for head in newest.values() if head] == [volume.head]
        hive.database.close()
