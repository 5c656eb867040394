"""A store that lost or damaged something gets it again from the Device that has the data (G2)."""

import os
from collections.abc import Callable

import pytest

from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon
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
    diary = os.urandom(300_000)
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


def _rotten(whole: bytes) -> bytes:
    """Damage every blob of a pack, and leave its footer as it is."""
    footer = int.from_bytes(whole[-4:], "big") + 4
    return whole[:45] + bytes(byte ^ 1 for byte in whole[45:-footer]) + whole[-footer:]
