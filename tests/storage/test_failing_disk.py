"""The pool's disk does not give a file: everything else goes on being replicated, and the file is named."""

import errno
from pathlib import Path

import pytest

from mosaic.storage.engine import ahead, attributes, recorder, staging
from mosaic.storage.engine.records import Xattrs
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import TestDaemon
from support.waiting import eventually

pytestmark = [pytest.mark.btrfs, pytest.mark.parametrize("pool_kind", ["btrfs", "folders"])]


def test_a_file_that_cannot_be_read_is_named_and_stops_nothing_else(
    hive: FakeHive, here: TestDaemon, there: TestDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable = {"odd"}

    def read(file: int | bytes) -> Xattrs:
        if isinstance(file, int) and Path(f"/proc/self/fd/{file}").readlink().name in unreadable:
            raise OSError(errno.EIO, "Input/output error")
        return attributes.read_xattrs(file)

    here.take(hive)
    here.create()
    folder = here.mount()
    (folder / "odd").write_text("before")
    (folder / "page").write_text("before")
    here.wait_until_clean()
    for module in (ahead, recorder, staging):
        monkeypatch.setattr(module, "read_xattrs", read)
    (folder / "odd").write_text("after")
    (folder / "page").write_text("after")
    here.wait_until_clean()
    eventually(lambda: here.volume().problem is not None, seen=here.volume)
    problem = here.volume().problem
    assert problem is not None
    assert (problem.code, "data/odd" in problem.message) == ("files-unread", True)
    unreadable.clear()
    (folder / "page").write_text("in the end")
    here.wait_until_clean()
    eventually(lambda: here.volume().problem is None, seen=here.volume)
    here.unmount()
    here.hand_over()
    there.take(hive, expect_data=True)
    there.wait_for_phase("ready")
    there.create()
    arrived = there.mount()
    assert {path.name: path.read_text() for path in arrived.iterdir()} == {"odd": "after", "page": "in the end"}
