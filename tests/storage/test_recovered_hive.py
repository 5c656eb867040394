"""What the daemon gives a Hive that lost some of its past, and stores whose wrapped keys have changed."""

import pytest

from mosaic.adapters.storage_client import StorageRefused
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import open_head
from mosaic.wire.storage import Envelope, HeadsRequest
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon
from support.waiting import eventually

pytestmark = pytest.mark.btrfs


def write(daemon: TestDaemon, text: str) -> None:
    """Write as a container would, and wait until it is replicated."""
    daemon.create()
    (daemon.mount() / "page").write_text(text)
    daemon.unmount()
    daemon.wait_until_clean()


def known(daemon: TestDaemon) -> list[bytes]:
    return [bytes.fromhex(head) for head in daemon.client.heads(HeadsRequest(VOLUME)).heads]


def test_the_daemon_tells_the_newest_acknowledged_heads_each_following_the_one_before(
    hive: FakeHive, here: TestDaemon
) -> None:
    here.take(hive)
    for number in range(3):
        write(here, f"number {number}")
    heads = known(here)
    assert heads == hive.volume(VOLUME).heads[-len(heads) :]
    assert len(heads) >= 3
    assert [open_head(head, VOLUME).previous for head in heads[1:]] == [head_hash(head) for head in heads[:-1]]


def test_a_renewed_envelope_reaches_the_store_though_nothing_changes(hive: FakeHive, here: TestDaemon) -> None:
    here.take(hive)
    here.wait_until_clean()
    before = hive.newest(VOLUME)
    here.client.envelope(Envelope(VOLUME, "c0de"))
    eventually(lambda: b"\xc0\xde" in hive.volume(VOLUME).objects.values())
    assert hive.newest(VOLUME) == before, "no snapshot is made for it"
    with pytest.raises(StorageRefused, match="is not known here"):
        here.client.envelope(Envelope("00" * 32, "c0de"))


def test_a_store_that_lost_everything_has_all_that_a_restore_needs_after_the_next_grant(
    hive: FakeHive, here: TestDaemon, there: TestDaemon
) -> None:
    here.take(hive)
    write(here, "dear diary")
    hive.volume(VOLUME).objects.clear()
    here.take(hive)
    here.wait_until_clean()
    eventually(lambda: {"e-", "h-", "p-"} <= {name[:2] for name in hive.volume(VOLUME).objects})
    here.hand_over()
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    there.create()
    assert (there.mount() / "page").read_text() == "dear diary"
