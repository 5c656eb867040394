"""A Hive that is killed at every transaction of a removal goes on with it, and nothing is lost."""

from pathlib import Path

import pytest

from hive.crashing_hive import ADA, NOTES, CrashingHive, LocalDevice
from mosaic.adapters.sql import devices, heads, leavings
from mosaic.adapters.sql.leavings import Leaving
from mosaic.core import placement
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.core.placement import Phase
from mosaic.crypto.volume_keys import volume_id
from mosaic.wire.head import parse

pytestmark = pytest.mark.long


def world(folder: Path) -> tuple[CrashingHive, LocalDevice, LocalDevice]:
    folder.mkdir()
    hive = CrashingHive(folder)
    attic, cellar = hive.join("attic"), hive.join("cellar")
    hive.install(attic.id)
    hive.until(lambda found: found.phase is Phase.SETTLED)
    return hive, attic, cellar


def is_removed(hive: CrashingHive, device: LocalDevice) -> bool:
    with hive.database.read() as tx:
        return device.id not in {each.id for each in devices.of_account(tx, ADA)}


def story(hive: CrashingHive, attic: LocalDevice, cellar: LocalDevice, *, moves: bool) -> None:
    wish = Leaving(attic.id, 1, {NOTES: cellar.id} if moves else {})
    while not is_removed(hive, attic):
        with hive.database.read() as tx:
            is_asked = leavings.get(tx, attic.id) is not None
        with hive.surviving():
            if not is_asked:
                hive.write(lambda tx: leavings.put(tx, wish))
            hive.round()
    if not moves:
        assert placement.is_parked(hive.placement())
        hive.ask(lambda now: placement.move(now, cellar.id, hive.now_ns))
    hive.until(lambda found: found.phase is Phase.SETTLED and found.home == cellar.id)


@pytest.mark.parametrize("moves", [True, False], ids=["moved", "stopped"])
@pytest.mark.parametrize("after_commit", [False, True], ids=["before-commit", "after-commit"])
def test_a_hive_killed_at_any_transaction_of_a_removal_ends_it_and_loses_no_head(
    tmp_path: Path, moves: bool, after_commit: bool
) -> None:
    hive, attic, cellar = world(tmp_path / "whole")
    begun = hive.writes
    story(hive, attic, cellar, moves=moves)
    total = hive.writes - begun
    hive.database.close()
    for number in range(1, total + 1, 2):
        hive, attic, cellar = world(tmp_path / str(number))
        last = attic.commit(NOTES)
        hive.kill_at, hive.after_commit = hive.writes + number, after_commit
        story(hive, attic, cellar, moves=moves)
        volume = cellar.local[NOTES].volumes["data"]
        newest = hive.placement().lease.newest
        assert [head.hash for head in newest.values() if head] == [volume.head]
        assert last in {found for found, _ in _heads(hive, volume.seed)}
        hive.database.close()


def _heads(hive: CrashingHive, seed: bytes) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    with hive.database.read() as tx:
        now = heads.newest(tx, VolumeId(volume_id(seed)))
        while now is not None:
            found.append(now)
            previous = parse(now[1])[0].previous
            signed = heads.signed(tx, VolumeId(volume_id(seed)), HeadHash(previous)) if previous else None
            now = (HeadHash(previous), signed) if previous and signed else None
    return found
