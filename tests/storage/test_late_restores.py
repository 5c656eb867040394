"""A restore that nobody wants any more when it ends, or that is gone when it is needed: it takes nothing away."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from mosaic.adapters import btrfs
from mosaic.adapters.storage_client import StorageNotYet
from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage import discarding, restoring
from mosaic.storage.backing import Backings
from mosaic.storage.books import Books
from mosaic.storage.caches import Caches
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.on_btrfs import OnBtrfs
from mosaic.storage.places import Places
from mosaic.storage.records import VolumeRecord
from mosaic.storage.upstreams import Upstreams
from mosaic.storage.volume import LeaseGone, Volume
from mosaic.wire.storage import Discard, Upstream
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import SEED, VOLUME, TestDaemon
from support.waiting import eventually

pytestmark = pytest.mark.btrfs


def test_a_copy_that_is_discarded_while_it_is_restored_is_not_taken_for_complete(
    hive: FakeHive, here: TestDaemon, there: TestDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discarding, "_PATIENCE_SECONDS", 0.1)
    here.take(hive)
    here.write_page(b"one")
    here.hand_over()
    hive.may_read.clear()
    there.prefetch(hive.newest_head(VOLUME))
    eventually(lambda: there.has_in("incoming"))
    with pytest.raises(StorageNotYet):
        there.client.discard(Discard(VOLUME, hive.newest_head(VOLUME)))
    hive.may_read.set()
    eventually(lambda: is_discarded(there, hive.newest_head(VOLUME)))
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    assert there.read_page() == b"one"


def is_discarded(daemon: TestDaemon, replaced_by: str) -> bool:
    try:
        daemon.client.discard(Discard(VOLUME, replaced_by))
    except StorageNotYet:
        return False
    return True


@dataclass(frozen=True)
class Interrupting(Caches):
    """Caches that let something happen between a restore's last byte and the record of it."""

    happen: Callable[[], None]

    @contextlib.contextmanager
    def nodes(self, uuid: str) -> Iterator[NodeMap]:
        with super().nodes(uuid) as nodes:
            yield nodes
        self.happen()


def test_a_restore_that_nobody_wants_when_it_ends_is_not_noted_as_complete(
    hive: FakeHive, here: TestDaemon, btrfs_path: Path, tmp_path: Path
) -> None:
    here.take(hive)
    here.write_page(b"one")
    here.hand_over()
    head = HeadHash(hive.newest_head(VOLUME))
    places = Places(btrfs_path / "elsewhere")
    places.pool.mkdir()
    places.make()
    with contextlib.closing(Books(tmp_path / "storage.db")) as books:
        record = VolumeRecord(VolumeId(VOLUME), InstallationId("notes"), "app", prefetch=head)
        volume = Volume(
            record, books=books, places=places, subvolumes=OnBtrfs(), changed=lambda: None, fence_confirm_seconds=1
        )

        def discard() -> None:
            volume.update(msgspec.structs.replace(volume.record, prefetch=None))
            restoring.drop_incoming(volume)

        caches = Interrupting(tmp_path / "cache", discard)
        there = Upstream(hive.url, "token-b", "0a" * 16, "machine-1", "machine-2")
        with contextlib.closing(Upstreams(there)) as upstreams, pytest.raises(LeaseGone):
            keys, backings = volume_keys(bytes.fromhex(SEED)), Backings(upstreams)
            restoring.fetch(volume, keys, head, lambda: backings.of(volume.record), caches=caches)
        assert volume.record.incoming is None
        assert not btrfs.exists(places.incoming(volume.id))


def test_a_complete_restore_that_is_gone_costs_nothing_that_is_there(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    there.take(hive)
    there.write_page(b"one")
    there.hand_over()
    here.take(hive, expect_data=True)
    here.wait_for_phase("ready")
    here.write_page(b"two")
    here.hand_over()
    there.prefetch(hive.newest_head(VOLUME))
    eventually(lambda: there.volume().prefetched == hive.newest_head(VOLUME), seen=there.volume)
    epoch, base = hive.grant(VOLUME, there.token)
    assert there.config.pool is not None
    btrfs.delete(there.config.pool / "incoming" / VOLUME)
    hive.is_down = True
    there.hold(epoch, base, expect_data=True)
    eventually(lambda: there.volume().prefetched is None, seen=there.volume)
    assert there.has_in("live"), "it was taken away for something that is not there"
    hive.is_down = False
    there.wait_for_phase("ready")
    assert there.read_page() == b"two"
