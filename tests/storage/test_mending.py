"""A store that lost or damaged something gets it again from the Device that has the data (G2)."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.storage.config import ScrubPace
from mosaic.storage.engine.records import CHUNK_BYTES
from mosaic.storage.serve import serving
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place, running
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

Harm = Callable[[dict[str, bytes], str], object]

HARMS: dict[str, Harm] = {
    "lost": lambda objects, name: objects.pop(name),
    "cut": lambda objects, name: objects.update({name: objects[name][:1000]}),
    "rotten": lambda objects, name: objects.update({name: _rotten(objects[name])}),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_damaged_pack_is_replaced_while_the_app_runs_and_another_device_restores_everything(
    hive: FakeHive, here: TestDaemon, there: TestDaemon, harm: Harm
) -> None:
    here.take(hive)
    here.create()
    folder = here.mount()
    # One piece: of two, a snapshot amid the write would store the first in a pack that nobody reads again.
    diary = os.urandom(CHUNK_BYTES // 2)
    (folder / "diary").write_bytes(diary)
    here.wait_until_clean()
    objects = hive.volume(VOLUME).objects
    packs = [name for name in objects if name.startswith("p-")]
    for name in packs:
        harm(objects, name)
    (folder / "page").write_text("written after the damage")
    here.wait_until_clean()
    eventually(lambda: any(name.startswith("d-") for name in objects), seen=lambda: sorted(objects))
    here.unmount()
    here.hand_over()
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    there.create()
    arrived = there.mount()
    assert (arrived / "diary").read_bytes() == diary
    assert (arrived / "page").read_text() == "written after the damage"
    there.unmount()


@pytest.mark.parametrize("kind", ["index", "nodes"])
def test_a_memory_that_is_damaged_in_the_middle_is_made_anew_and_nothing_is_sent_twice(
    hive: FakeHive, here: TestDaemon, kind: str
) -> None:
    here.take(hive)
    here.create()
    folder = here.mount()
    (folder / "diary").write_bytes(os.urandom(300_000))
    here.wait_until_clean()
    (memory,) = (here.config.state / "cache").glob(f"*.{kind}")
    whole = memory.read_bytes()
    memory.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    (folder / "page").write_text("written after the damage")
    here.wait_until_clean()
    objects = hive.volume(VOLUME).objects
    assert sum(len(whole) for name, whole in objects.items() if name.startswith("p-")) < 400_000
    eventually(lambda: here.volume().problem is None)


def _rotten(whole: bytes) -> bytes:
    """Damage every blob of a pack, and leave its footer as it is."""
    footer = int.from_bytes(whole[-4:], "big") + 4
    return whole[:45] + bytes(byte ^ 1 for byte in whole[45:-footer]) + whole[-footer:]


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_store_that_rots_while_nothing_changes_is_found_out_and_mended(
    btrfs_path: Path, hive: FakeHive, harm: Harm
) -> None:
    with place(btrfs_path, "idle", "token-a") as idle:
        idle.config = replace(idle.config, scrub=ScrubPace(every_seconds=0, after_seconds=0))
        with serving(idle.config):
            idle.connect(hive)
            idle.take(hive)
            idle.create()
            (idle.mount() / "diary").write_bytes(os.urandom(300_000))
            idle.unmount()
            idle.wait_until_clean()
            objects = hive.volume(VOLUME).objects
            harm(objects, max(objects, key=lambda name: len(objects[name])))
            eventually(lambda: any(name.startswith("d-") for name in objects), seen=lambda: sorted(objects))
            idle.hand_over()
    with running(btrfs_path, "there", "token-b") as there:
        there.connect(hive)
        there.take(hive, expect_data=True)
        there.wait_for_phase("ready")
