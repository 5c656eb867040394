"""Where volumes lie on a machine that cannot have btrfs, and that nothing is ever started beside data that is there."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters import loop, process
from mosaic.storage.config import StorageConfig
from mosaic.storage.on_folders import FoldersImpossible
from mosaic.storage.pool import ScanFolderMissing, open_pool
from mosaic.storage.serve import serving
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import TestDaemon

pytestmark = pytest.mark.btrfs


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageConfig]:
    """A machine without btrfs' tools. Its path is short: it holds sockets."""
    state = Path(tempfile.mkdtemp(prefix="mosaic-test-"))
    monkeypatch.setenv("PATH", str(state / "no-programs"))
    yield StorageConfig(
        state=state, plugin_dir=state / "plugins", image_bytes=loop.MIN_IMAGE_BYTES, interval_seconds=0.2
    )
    shutil.rmtree(state)


def test_without_btrfs_volumes_lie_in_plain_folders_and_it_is_said(
    config: StorageConfig, hive: FakeHive, capfd: pytest.CaptureFixture[str]
) -> None:
    daemon = TestDaemon(config, "token-a")
    with serving(config):
        daemon.connect(hive)
        daemon.take(hive)
        daemon.create()
        (daemon.mount() / "page").write_text("one")
        daemon.wait_until_clean()
    assert "no_btrfs_here" in capfd.readouterr().err
    pool = open_pool(config)
    assert (pool.kind, pool.path) == ("folders", config.state / "folders")
    assert not (config.state / "pool.img").exists()
    assert [path.read_text() for path in pool.path.rglob("page")] == ["one"]


def test_a_kernel_without_btrfs_keeps_no_loop_device_and_no_image(
    config: StorageConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "mount").write_text("#!/bin/sh\necho unknown filesystem type >&2\nexit 32\n")
    (programs / "mount").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert open_pool(config).kind == "folders"
    assert not (config.state / "pool.img").exists()
    backing = [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    assert not [line for line in backing if str(config.state) in line]


def test_plain_folders_stay_chosen_when_the_machine_has_btrfs_later(
    config: StorageConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_pool(config)
    monkeypatch.undo()
    assert open_pool(config).kind == "folders"


def test_an_image_that_cannot_be_mounted_is_never_left_for_empty_folders(config: StorageConfig) -> None:
    image = config.state / "pool.img"
    image.write_bytes(b"what was here")
    with pytest.raises((loop.NoBtrfsHere, process.ProgramMissing)):
        open_pool(config)
    assert image.read_bytes() == b"what was here"
    assert not (config.state / "folders").exists()


def test_a_folder_to_scan_that_is_missing_or_cannot_hold_volumes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScanFolderMissing):
        open_pool(StorageConfig(state=tmp_path, scan=tmp_path / "nowhere"))
    with pytest.raises(FoldersImpossible):
        open_pool(StorageConfig(state=tmp_path, scan=Path("/proc")))
