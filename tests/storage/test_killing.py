"""The daemon's process is killed with SIGKILL at random moments; nothing acknowledged is lost, and it converges.

The minutes-long version with many more rounds is `script/torture storage`.
"""

import contextlib
import os
import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from mosaic.adapters.storage_client import StorageRefused, StorageSilent
from mosaic.storage.engine.heads import root_of
from mosaic.wire.head import Head, parse
from mosaic.wire.storage import Release, SnapshotNow
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon, place
from support.stores import MemoryStore
from support.volumes import Machine
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

on_both = pytest.mark.parametrize("pool_kind", ["btrfs", "folders"])

ROUNDS = 6


@pytest.fixture
def luck() -> random.Random:
    return random.Random(11)


@pytest.fixture
def here(pool_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    with place(pool_path, "here", "token-a", interval_seconds=0.05) as daemon:
        daemon.start()
        daemon.connect(hive)
        yield daemon


@pytest.fixture
def there(pool_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    with place(pool_path, "there", "token-b", interval_seconds=0.05) as daemon:
        daemon.start()
        daemon.connect(hive)
        yield daemon


@on_both
def test_killed_while_replicating_loses_no_acknowledged_snapshot(
    hive: FakeHive, here: TestDaemon, luck: random.Random, tmp_path: Path
) -> None:
    epoch = here.take(hive)
    here.create()
    folder = here.mount()
    acknowledged: list[bytes] = []
    written: dict[str, bytes] = {}
    for number in range(ROUNDS):
        written[f"page-{number}"] = os.urandom(400_000)
        (folder / f"page-{number}").write_bytes(written[f"page-{number}"])
        here.client.snapshot(SnapshotNow(VOLUME, epoch))
        interrupt(here, luck, longest_seconds=0.4)
        state = here.volume()
        assert (state.phase, state.epoch, state.mounts) == ("ready", epoch, 1)
        assert hive.volume(VOLUME).heads[: len(acknowledged)] == acknowledged
        acknowledged = list(hive.volume(VOLUME).heads)
    assert here.wait_until_clean().local_head == hive.volume(VOLUME).newest
    assert here.volume().conflicts == []
    heads = [parse(signed)[0] for signed in hive.volume(VOLUME).heads]
    assert [head.seq for head in heads] == list(range(1, len(heads) + 1))
    assert restored(hive, heads[-1], tmp_path / "newest") == written
    older = restored(hive, heads[len(heads) // 2], tmp_path / "older")
    names = list(written)[: len(older)]
    assert sorted(older) == names
    # The newest of them may have been half written when the snapshot was cut.
    assert all(older[name] == written[name] for name in names[:-1])
    assert all(written[name].startswith(older[name]) for name in names[-1:])


def restored(hive: FakeHive, head: Head, target: Path) -> dict[str, bytes]:
    """Restore a head from what the store has, and nothing else. Returns the files of the Docker volume."""
    store = MemoryStore()
    store.objects.update(hive.volume(VOLUME).objects)
    Machine(store).restore(root_of(head), target)
    return {path.name: path.read_bytes() for path in target.rglob("*") if path.is_file()}


def is_ready(daemon: TestDaemon) -> bool:
    return daemon.volume().phase == "ready"


@on_both
def test_killed_at_any_moment_of_a_move_it_converges(
    hive: FakeHive, here: TestDaemon, there: TestDaemon, luck: random.Random
) -> None:
    source, target = here, there
    persist(source, luck, lambda: source.take(hive), until=partial(is_ready, source))
    written: dict[str, bytes] = {}
    for number in range(ROUNDS // 2):
        source.create()
        folder = source.mount()
        written[f"page-{number}"] = os.urandom(300_000)
        (folder / f"page-{number}").write_bytes(written[f"page-{number}"])
        source.unmount()
        hand_over(source, luck)
        epoch, base = hive.grant(VOLUME, target.token)
        persist(
            target,
            luck,
            partial(target.hold, epoch, base, expect_data=True),
            until=partial(is_ready, target),
        )
        target.create()
        arrived = target.mount(mount_id=f"look-{number}")
        assert {path.name: path.read_bytes() for path in arrived.iterdir()} == written
        target.unmount(mount_id=f"look-{number}")
        source, target = target, source
    assert here.volume().conflicts == []
    assert there.volume().conflicts == []


@on_both
def test_a_killed_daemon_is_ready_again_at_once_and_its_leftovers_are_gone(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.wait_until_clean()
    pool = here.pool
    here.kill()
    here.subvolumes.create(pool / "incoming" / VOLUME)
    here.subvolumes.create(pool / "trash" / "old")
    here.start()
    assert not (pool / "incoming" / VOLUME).exists()
    assert not (pool / "trash" / "old").exists()
    kept = 1 if here.subvolumes.keeps_snapshots else 0
    eventually(lambda: len(list((pool / "snap" / VOLUME).iterdir())) == kept)


def hand_over(daemon: TestDaemon, luck: random.Random) -> None:
    """Take the final snapshot and release, with kills between and within."""
    epoch = daemon.volume().epoch
    assert epoch is not None
    persist(
        daemon,
        luck,
        lambda: daemon.client.snapshot(SnapshotNow(VOLUME, epoch, final=True)),
        until=lambda: daemon.volume().clean,
    )
    persist(
        daemon,
        luck,
        lambda: daemon.client.release(Release(VOLUME, epoch)),
        until=lambda: daemon.volume().phase == "released",
    )


def persist(daemon: TestDaemon, luck: random.Random, ask: Callable[[], object], *, until: Callable[[], object]) -> None:
    """Ask, kill the daemon at some moment, and ask again, until it is so."""
    ask()
    interrupt(daemon, luck, longest_seconds=0.3)

    def asked_and_so() -> object:
        with contextlib.suppress(StorageRefused, StorageSilent, AssertionError):
            return until() or (ask() and until())
        return False

    eventually(asked_and_so, seen=lambda: daemon.log.read_text()[-3000:])


def interrupt(daemon: TestDaemon, luck: random.Random, *, longest_seconds: float) -> None:
    """Let a random time pass, kill the daemon and start it again."""
    threading.Event().wait(luck.uniform(0, longest_seconds))
    daemon.kill()
    daemon.start()
