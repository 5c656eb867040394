"""A daemon lets old snapshots go and gives their space back; everything that is kept restores (G2, G3)."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mosaic.core import collecting
from mosaic.core.collecting import Limits
from mosaic.crypto.hashing import head_hash
from mosaic.storage.config import CollectPace
from mosaic.storage.serve import serving
from mosaic.wire.problem import Problem
from mosaic.wire.storage import SnapshotNow
from support.fake_hive_blobs import Answer, FakeHive, FakeVolume
from support.storage_daemon import VOLUME, TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

ALWAYS = CollectPace(
    first_seconds=0,
    every_seconds=0.3,
    again_seconds=0.3,
    limits=Limits(settled_seconds=-5, small_bytes=100_000, merged=3),
)


@pytest.fixture
def eager(btrfs_path: Path, hive: FakeHive, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestDaemon]:
    """A daemon that collects all the time, and deletes at once."""
    monkeypatch.setattr(collecting, "GRACE_SECONDS", 0.0)
    hive.volume(VOLUME).keeps = 1
    with place(btrfs_path, "eager", "token-a") as daemon:
        daemon.config = replace(daemon.config, collect=ALWAYS)
        with serving(daemon.config) as daemon.inside:
            daemon.connect(hive)
            yield daemon


def stored_bytes(hive: FakeHive) -> int:
    with hive.lock:
        return sum(len(content) for name, content in hive.volume(VOLUME).objects.items() if name.startswith("p-"))


def test_space_comes_back_while_the_app_writes_and_another_device_restores_everything(
    eager: TestDaemon, there: TestDaemon, hive: FakeHive
) -> None:
    eager.take(hive)
    eager.create()
    folder = eager.mount()
    for number in range(8):
        (folder / "changing").write_bytes(os.urandom(300_000))
        (folder / f"page{number}").write_text(f"page {number}")
        eager.wait_until_clean()
    last = (folder / "changing").read_bytes()
    eventually(lambda: stored_bytes(hive) < 500_000, seen=lambda: stored_bytes(hive))
    eager.unmount()
    eager.hand_over()
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    there.create()
    arrived = there.mount()
    assert (arrived / "changing").read_bytes() == last
    assert [(arrived / f"page{number}").read_text() for number in range(8)] == [f"page {number}" for number in range(8)]
    # It goes on from there, and relies on nothing that was condemned.
    (arrived / "another").write_bytes(last)
    there.wait_until_clean()
    there.unmount()


def test_mirrors_of_what_was_let_go_leave_the_store_and_the_newest_stays(eager: TestDaemon, hive: FakeHive) -> None:
    eager.take(hive)
    eager.create()
    folder = eager.mount()
    for number in range(4):
        (folder / "page").write_text(str(number))
        eager.wait_until_clean()
    eager.unmount()

    def mirrored() -> list[str]:
        with hive.lock:
            return [name for name in hive.volume(VOLUME).objects if name.startswith("h-")]

    # A collection's own head is mirrored too, and the one before it goes with the next collection.
    eventually(lambda: len(mirrored()) <= 2, seen=mirrored)
    eventually(lambda: any(name.endswith(hive.newest_head(VOLUME)) for name in mirrored()), seen=mirrored)


def test_a_volume_at_rest_is_collected_and_then_nothing_is_asked_for_it_to_change(
    eager: TestDaemon, hive: FakeHive
) -> None:
    eager.take(hive)
    eager.create()
    folder = eager.mount()
    (folder / "changing").write_bytes(os.urandom(300_000))
    eager.wait_until_clean()
    (folder / "changing").write_bytes(b"small")
    eager.wait_until_clean()
    eager.unmount()
    eventually(lambda: stored_bytes(hive) < 100_000, seen=lambda: stored_bytes(hive))
    assert eager.inside is not None
    volume = eager.inside.volumes[VOLUME]
    eventually(lambda: volume.collected == hive.volume(VOLUME).newest, seen=lambda: len(hive.volume(VOLUME).heads))
    eventually(lambda: hive.is_mirrored(VOLUME))
    heads, asked = len(hive.volume(VOLUME).heads), len(hive.requests)
    due_at = volume.collect_at
    # Some rounds later: it was looked at again, and nobody was asked anything.
    eventually(lambda: due_at is not None and time.monotonic() > due_at + 1)
    assert (len(hive.volume(VOLUME).heads), len(hive.requests)) == (heads, asked)
    assert eager.volume().problem is None


def test_a_restore_holds_a_read_lease_and_gives_it_back(eager: TestDaemon, there: TestDaemon, hive: FakeHive) -> None:
    eager.take(hive)
    eager.create()
    (eager.mount() / "page").write_text("one")
    eager.wait_until_clean()
    eager.unmount()
    eager.hand_over()
    hive.may_read.clear()
    try:
        there.take(hive, expect_data=True)
        eventually(lambda: hive.volume(VOLUME).leases, seen=lambda: there.volume())
    finally:
        hive.may_read.set()
    there.wait_for_phase("ready")
    assert hive.volume(VOLUME).leases == {}


def test_every_accepted_head_gets_its_mirror_though_replies_are_lost(here: TestDaemon, hive: FakeHive) -> None:
    epoch = here.take(hive)
    here.create()
    folder = here.mount()
    here.wait_until_clean()
    lost: list[str] = []

    def lose(method: str, path: str, answer: Answer) -> Answer:
        if method != "POST" or not path.endswith("/heads") or lost:
            return answer
        # It was accepted; nobody hears of it, and the app writes on meanwhile.
        lost.append(hive.volume(VOLUME).newest or "")
        (folder / "page").write_text("after it")
        return Answer(409, msgspec.json.encode(Problem("/errors/-", "lease-suspended", 409, "-", "-", "-")))

    hive.spoil = lose
    (folder / "page").write_text("before it")
    here.client.snapshot(SnapshotNow(VOLUME, epoch))
    eventually(lambda: lost)
    here.wait_until_clean()
    here.unmount()
    volume = hive.volume(VOLUME)
    eventually(lambda: lacking_mirrors(volume) in ([], [volume.newest]), seen=lambda: lacking_mirrors(volume))
    assert lost[0] != volume.newest


def lacking_mirrors(volume: FakeVolume) -> list[str]:
    mirrored = {name[-64:] for name in volume.objects if name.startswith("h-")}
    return [head for signed in volume.heads if (head := head_hash(signed)) not in mirrored]
