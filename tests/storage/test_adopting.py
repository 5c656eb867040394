"""A volume that begins with what another one had: its own key, its own history, and the other one untouched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.storage_client import StorageRefused
from mosaic.crypto.volume_keys import volume_id
from mosaic.wire.head import parse
from mosaic.wire.storage import Hold, Origin, SnapshotNow, StateRequest, VolumeState
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import APP, SEED, VOLUME, TestDaemon, place
from support.waiting import eventually

pytestmark = pytest.mark.btrfs

_ALL = StateRequest()
FORK_SEED = bytes(range(1, 33)).hex()
FORK = volume_id(bytes.fromhex(FORK_SEED))


def fork(
    daemon: TestDaemon, hive: FakeHive, head: str, *, expect_data: bool = False, app_digest: str | None = APP
) -> str:
    """Be granted the fork and hold it. Returns the epoch."""
    epoch, base = hive.grant(FORK, daemon.token)
    origin = Origin(VOLUME, SEED, head)
    daemon.client.hold(
        Hold(FORK, "copy", "data", FORK_SEED, epoch, base, app_digest, 1, expect_data=expect_data, origin=origin)
    )
    return epoch


def forked(daemon: TestDaemon) -> VolumeState:
    eventually(lambda: daemon.volume(FORK).phase == "ready", seen=lambda: daemon.volume(FORK))
    return daemon.volume(FORK)


def live(daemon: TestDaemon, volume: str) -> Path:
    assert daemon.config.pool is not None
    return daemon.config.pool / "live" / volume / "data"


def replicated(daemon: TestDaemon, epoch: str) -> None:
    daemon.client.snapshot(SnapshotNow(FORK, epoch))
    eventually(lambda: daemon.volume(FORK).clean, seen=lambda: daemon.volume(FORK))


def test_a_fork_that_is_held_without_a_digest_belongs_to_what_its_origin_names(
    hive: FakeHive, here: TestDaemon
) -> None:
    here.take(hive)
    epoch = fork(here, hive, here.replicated_page(b"one"), app_digest=None)
    assert forked(here).app_digest == APP
    replicated(here, epoch)
    assert here.volume(FORK).app_digest == APP


def test_a_fork_begins_with_the_chosen_state_and_a_history_of_its_own(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    second = here.replicated_page(b"two")
    epoch = fork(here, hive, first)
    forked(here)
    assert (live(here, FORK) / "page").read_bytes() == b"one"
    replicated(here, epoch)
    heads = [parse(signed)[0] for signed in hive.volume(FORK).heads]
    assert heads[0].seq == 1 and heads[0].previous is None
    assert heads[0].root not in [parse(signed)[0].root for signed in hive.volume(VOLUME).heads]
    assert (hive.volume(VOLUME).newest, (live(here, VOLUME) / "page").read_bytes()) == (second, b"two")


def test_what_a_fork_stores_is_opened_by_its_own_key_alone(hive: FakeHive, here: TestDaemon, there: TestDaemon) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    epoch = fork(here, hive, first)
    forked(here)
    replicated(here, epoch)
    hive.volumes[VOLUME].objects.clear()
    here.client.snapshot(SnapshotNow(FORK, epoch, final=True))
    eventually(lambda: here.volume(FORK).clean)
    epoch, base = hive.grant(FORK, there.token)
    there.client.hold(Hold(FORK, "copy", "data", FORK_SEED, epoch, base, APP, 1, expect_data=True))
    forked(there)
    assert (live(there, FORK) / "page").read_bytes() == b"one"


def test_another_device_can_begin_a_fork_and_keeps_no_foreign_key(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    fork(there, hive, first)
    forked(there)
    assert (live(there, FORK) / "page").read_bytes() == b"one"
    assert there.inside is None or there.inside.books.seeds.get(VOLUME) is None
    assert [one.volume for one in there.client.state(_ALL).volumes] == [FORK]


def test_a_fork_of_damaged_data_never_starts_empty(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    first = here.replicated_page(b"one" * 1000)
    for name, content in hive.volume(VOLUME).objects.items():
        if name.startswith("p-"):
            hive.volume(VOLUME).objects[name] = content[:200] + bytes([content[200] ^ 1]) + content[201:]
    fork(here, hive, first)
    eventually(lambda: here.volume(FORK).phase == "failed", seen=lambda: here.volume(FORK))
    assert not live(here, FORK).exists()


def test_a_fork_whose_data_vanished_is_not_begun_again(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    first = here.replicated_page(b"one")
    with pytest.raises(StorageRefused, match="should have data"):
        fork(here, hive, first, expect_data=True)


@pytest.fixture
def killable(btrfs_path: Path, hive: FakeHive) -> Iterator[TestDaemon]:
    with place(btrfs_path, "here", "token-a", interval_seconds=0.05) as daemon:
        daemon.start()
        daemon.connect(hive)
        yield daemon


def test_killed_while_it_begins_a_fork_is_whole_all_the_same(hive: FakeHive, killable: TestDaemon) -> None:
    killable.take(hive)
    first = killable.replicated_page(b"one")
    hive.may_read.clear()
    epoch = fork(killable, hive, first)
    killable.kill()
    hive.may_read.set()
    killable.start()
    forked(killable)
    assert (live(killable, FORK) / "page").read_bytes() == b"one"
    replicated(killable, epoch)
