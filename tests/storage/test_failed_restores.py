"""A restore that cannot end: it is given up, holds nothing and leaves nothing."""

import contextlib
import os
import threading
from pathlib import Path

import pytest

from mosaic.adapters import btrfs
from mosaic.adapters.ledger import LedgerNotWritten
from mosaic.core.ids import VolumeId
from mosaic.storage import worker
from mosaic.storage.records import VolumeRecord
from mosaic.storage.serve import serving
from mosaic.wire.storage import Discard
from support.fake_hive_blobs import Answer, FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

_PIECE_BYTES = 4_000_000


def damage(hive: FakeHive) -> None:
    """Flip a bit of every pack."""
    objects = hive.volume(VOLUME).objects
    for name in [name for name in objects if name[:2] not in ("h-", "e-")]:
        objects[name] = objects[name][:40] + bytes([objects[name][40] ^ 1]) + objects[name][41:]


def test_a_ledger_that_takes_no_note_of_a_failure_ends_no_work_of_the_volume(
    hive: FakeHive, btrfs_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_REFUSED_PAUSE_SECONDS", 0.05)
    with place(btrfs_path, "here", "token-a") as here, serving(here.config) as daemon:
        here.connect(hive)
        epoch, _ = hive.grant(VOLUME, here.token)
        put, refused, has_room = daemon.books.put_volume, threading.Event(), threading.Event()

        def put_with_room(volume: VolumeId, record: VolumeRecord) -> None:
            if record.phase == "failed" and not has_room.is_set():
                refused.set()
                raise LedgerNotWritten(here.config.state, "the disk is full")
            put(volume, record)

        monkeypatch.setattr(daemon.books, "put_volume", put_with_room)
        here.hold(epoch, "ff" * 32)
        assert refused.wait(60)
        has_room.set()
        here.wait_for_phase("failed")


def test_a_device_that_could_not_restore_gives_way_to_the_one_that_has_it_all(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    here.write_page(b"precious " * 1000)
    here.hand_over()
    damage(hive)
    there.take(hive)
    failed = there.wait_for_phase("failed")
    assert (failed.epoch, failed.problem is not None) == (None, True)
    eventually(lambda: not there.has_in("incoming"))
    here.take(hive, expect_data=True)
    here.wait_for_phase("ready")
    assert here.read_page() == b"precious " * 1000
    assert here.volume().conflicts == []


@pytest.mark.parametrize("wrong", [Answer(404), Answer(200, bytes(2000))], ids=["not found", "nonsense"])
def test_what_was_answered_wrongly_once_is_restored_when_it_is_answered_rightly(
    hive: FakeHive, here: TestDaemon, there: TestDaemon, wrong: Answer
) -> None:
    here.take(hive)
    here.write_page(b"precious")
    here.hand_over()
    hive.spoil = lambda method, path, answer: wrong if method == "GET" and "/objects/p-" in path else answer
    there.take(hive)
    there.wait_for_phase("failed")
    hive.spoil = lambda _method, _path, answer: answer
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    assert there.read_page() == b"precious"


def test_what_could_not_be_restored_can_be_let_go(hive: FakeHive, here: TestDaemon, there: TestDaemon) -> None:
    here.take(hive)
    here.write_page(b"precious")
    here.hand_over()
    damage(hive)
    there.take(hive)
    there.wait_for_phase("failed")
    there.client.discard(Discard(VOLUME, hive.newest_head(VOLUME)))
    assert there.volume().phase == "absent"


def test_a_restore_onto_a_full_disk_fails_at_once_and_ends_when_there_is_room(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    content = os.urandom(30_000_000)
    here.take(hive)
    here.write_page(content)
    here.hand_over()
    assert there.config.pool is not None
    filler = there.config.pool.parent / "filler"
    fill(filler, but=25_000_000)
    epoch = there.take(hive)
    failed = there.wait_for_phase("failed")
    assert failed.problem is not None
    assert "full" in failed.problem.message
    filler.unlink()
    btrfs.sync(there.config.pool)
    eventually(lambda: is_ready_when_asked_again(there, epoch, hive.newest_head(VOLUME)), seen=there.volume)
    assert there.read_page() == content


def is_ready_when_asked_again(daemon: TestDaemon, epoch: str, base: str) -> bool:
    """Hold again as a Device does; a file system gives freed room back a moment later."""
    phase = daemon.volume().phase
    if phase == "failed":
        daemon.hold(epoch, base, expect_data=True)
    return phase == "ready"


def fill(path: Path, *, but: int) -> None:
    """Leave `but` bytes of a file system, or less: it says that it has more room than it gives at once."""
    room = os.statvfs(path.parent)
    wanted = room.f_bavail * room.f_frsize - but
    with path.open("wb") as file, contextlib.suppress(OSError):
        for start in range(0, wanted, _PIECE_BYTES):
            os.posix_fallocate(file.fileno(), start, min(_PIECE_BYTES, wanted - start))
