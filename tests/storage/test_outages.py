"""A restore whose store stops answering in the middle: it goes on where it was, or ends when nobody wants it."""

import os
from collections.abc import Iterator

import pytest

from mosaic.adapters.hive_blobs import HiveConnection
from mosaic.storage import patience, reading, upstreams
from mosaic.wire.storage import Release, Upstream
from support.fake_hive_blobs import Answer, FakeHive
from support.storage_daemon import VOLUME, TestDaemon, running
from support.waiting import eventually

pytestmark = [pytest.mark.btrfs, pytest.mark.parametrize("pool_kind", ["folders"])]

_FILES, _FILE_BYTES = 12, 2_000_000


@pytest.fixture(autouse=True)
def impatient_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a request fail at once, and read leases asked for all the time, so that an outage of a moment is long."""

    def connect(url: str, token: str, *, ca_pem: str | None, deadline_seconds: float) -> HiveConnection:
        return HiveConnection(url, token, ca_pem=ca_pem, deadline_seconds=min(0.1, deadline_seconds))

    monkeypatch.setattr(upstreams, "HiveConnection", connect)
    monkeypatch.setattr(patience, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(reading, "_AGAIN_SECONDS", 0.0)


class Outage:
    """Ends a Hive's answers in the middle of a restore. `sent` is how many bytes of packs it has sent."""

    def __init__(self, hive: FakeHive) -> None:
        self._hive = hive
        self.sent = 0
        self.may_begin = True

    def __call__(self, method: str, path: str, answer: Answer) -> Answer:
        if method == "GET" and "/objects/p-" in path and answer.status < 300:
            self.sent += len(answer.body)
            if self.may_begin and self.sent > _FILES * _FILE_BYTES // 3:
                self.may_begin = False
                self._hive.is_down = True
        return answer


@pytest.fixture
def there(here: TestDaemon, hive: FakeHive, pool_path: object) -> Iterator[TestDaemon]:
    """A Device that is restoring what another one wrote, and whose Hive does not answer any more."""
    here.take(hive)
    here.create()
    folder = here.mount()
    for number in range(_FILES):
        (folder / f"page-{number}").write_bytes(os.urandom(_FILE_BYTES))
    here.unmount()
    here.wait_until_clean()
    here.hand_over()
    with running(here.pool.parent, "there", "token-b") as daemon:
        daemon.connect(hive)
        hive.spoil = Outage(hive)
        daemon.take(hive, expect_data=True)
        eventually(lambda: hive.is_down, seen=daemon.volume)
        eventually(lambda: daemon.volume().problem is not None, seen=daemon.volume)
        yield daemon


def test_a_restore_goes_on_after_an_outage_with_a_new_session_and_fetches_nothing_twice(
    hive: FakeHive, there: TestDaemon
) -> None:
    outage = hive.spoil
    assert isinstance(outage, Outage)
    asked = len(hive.requests)
    eventually(lambda: len(hive.requests) > asked + 20)
    assert (there.pool / "incoming" / VOLUME).exists()
    with hive.lock:
        hive.tokens = {"token-c"}
        hive.volume(VOLUME).token = "token-c"
        hive.is_down = False
    there.client.upstream(Upstream(hive.url, "token-c", there.device, "machine-1", "machine-2"))
    there.wait_for_phase("ready", seconds=30)
    assert outage.sent < 1.2 * _FILES * _FILE_BYTES
    assert there.volume().problem is None


def test_a_restore_that_waits_for_its_store_ends_when_it_is_wanted_no_more(hive: FakeHive, there: TestDaemon) -> None:
    epoch = there.volume().epoch
    assert epoch is not None
    there.client.release(Release(VOLUME, epoch))
    eventually(lambda: not (there.pool / "incoming" / VOLUME).exists())
    assert there.volume().phase == "absent"
