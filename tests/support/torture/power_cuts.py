"""The power fails while the app writes and the daemon replicates: disk, file systems and ledger at one instant.

The machine is as Mosaic makes one: a disk with ext4, on it the daemon's state
with its ledger and the pool's image, in that the btrfs. The disk loses what was
not flushed (see `volatile_disk`), and the next boot goes on with what is left.
The Hive is another machine: it keeps what it acknowledged until then.

Not simulated: a disk that lies about flushes or writes half of a block of 4 KiB
(btrfs is not mountable without help when that is its superblock), and bits that rot.
"""

import contextlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path

from mosaic.adapters import loop, process
from mosaic.storage.config import StorageConfig
from mosaic.wire.storage import SnapshotNow
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon
from support.torture.auditing import Auditor
from support.torture.tally import Tally
from support.torture.volatile_disk import VolatileDisk
from support.torture.writing import Diary, Writer
from support.waiting import eventually

_MEDIUM_BYTES = 420 * 1024 * 1024
_HOW = ("none", "all", "prefix", "writes", "blocks")
_TOOL_SECONDS = 60.0


def run(tally: Tally, folder: Path) -> None:
    """Cut the power `tally.count` times. `folder` must be short, and on a file system with 500 MB of room."""
    for name in ("audit", "disk", "m"):
        (folder / name).mkdir()
    with (folder / "medium").open("wb") as medium:
        medium.truncate(_MEDIUM_BYTES)
    process.run(
        ["mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0", str(folder / "medium")],
        deadline_seconds=_TOOL_SECONDS,
    )
    (folder / "disk" / "0").touch()
    with FakeHive().running() as hive:
        _Run(tally, hive, folder).carry_out()


class _Run:
    def __init__(self, tally: Tally, hive: FakeHive, folder: Path) -> None:
        self._tally = tally
        self._hive = hive
        self._folder = folder
        self._luck = random.Random(tally.seed)
        self._diary = Diary()
        self._auditor = Auditor(hive, self._diary, folder / "audit", tally)
        self._epoch = ""
        self._base: str | None = None
        self._synced = -1

    def carry_out(self) -> None:
        while self._tally.figures["power_cuts"] < self._tally.count and not self._tally.out_of_time:
            self._boot_and_fail()
            if self._tally.failures:
                break
        self._auditor.audit_all()

    def _boot_and_fail(self) -> None:
        """One boot of the machine: go on with what is there, write and replicate, and lose power."""
        cuts = self._tally.figures["power_cuts"]
        with VolatileDisk(self._folder / "medium", self._folder / "disk" / "0") as disk, self._machine(disk) as daemon:
            daemon.boot = f"boot-{cuts}"
            daemon.start()
            self._hold(daemon)
            daemon.create()
            folder = daemon.mount()
            arrived = self._auditor.number_of(folder)
            if self._diary.completed_ns:
                least = self._diary.newest
                self._tally.check(arrived is not None, f"after cut {cuts} the app finds a state that never was")
                late = arrived is not None and arrived < least
                self._tally.check(not late, f"after cut {cuts} the app finds state {arrived}, and had synced {least}")
                if arrived is None or late:
                    return
                self._diary.forget_after(arrived)
            with Writer(folder, self._diary, self._luck, pause_seconds=0.01, scribbles=True) as writer:
                self._work(daemon)
                self._cut(disk)
                self._tally.check(writer.failed is None, f"the app met {writer.failed}")
                daemon.kill()
            del self._diary.completed_ns[self._synced + 1 :]
        self._auditor.audit()

    def _hold(self, daemon: TestDaemon) -> None:
        daemon.connect(self._hive)
        cuts = self._tally.figures["power_cuts"]
        if not self._epoch:
            self._epoch = daemon.take(self._hive)
            return
        expect_data = bool(self._hive.volume(VOLUME).heads)
        if self._luck.random() < 0.5:
            # What the Device does after a reboot: it is the holder still, and says so again.
            daemon.hold(self._epoch, self._base, expect_data=expect_data)
        else:
            self._base = self._hive.volume(VOLUME).newest
            self._epoch = daemon.take(self._hive, expect_data=expect_data)
        state = daemon.wait_for_phase("ready")
        self._tally.check(
            state.conflicts == [], f"after cut {cuts} there are {len(state.conflicts)} conflict snapshots"
        )

    def _work(self, daemon: TestDaemon) -> None:
        """Let some rounds of replication pass, or less than one."""
        luck = self._luck
        wanted = len(self._hive.requests) + luck.randrange(0, 30)
        daemon.client.snapshot(SnapshotNow(VOLUME, self._epoch))
        with contextlib.suppress(AssertionError):
            eventually(lambda: len(self._hive.requests) >= wanted, seconds=2)
        threading.Event().wait(luck.uniform(0, 0.3))

    def _cut(self, disk: VolatileDisk) -> None:
        """Cut; the Hive hears what was sent before, and nothing after."""
        luck, figures = self._luck, self._tally.figures
        how, seed = luck.choice(_HOW), luck.randrange(1 << 30)
        if luck.random() < 0.75:
            # Nothing that waits for that flush goes on, so whatever the Hive hears until it is down was sent before.
            lost, kept = disk.cut_at_flush(luck.randrange(20), luck.choice((1, 2, 4, 8)), how, seed)
            with self._hive.lock:
                self._hive.is_down = True
            self._synced = self._diary.newest
            disk.let_go()
            figures["cuts_at_a_flush"] += 1
        else:
            with self._hive.lock:
                self._synced = self._diary.newest
                lost, kept = disk.cut(how, seed)
                self._hive.is_down = True
        figures["power_cuts"] += 1
        self._tally.last = f"cut {figures['power_cuts']} kept {how}: {kept} of {lost} writes"
        figures["writes_not_flushed"] += lost
        figures["of_them_kept"] += kept

    @contextlib.contextmanager
    def _machine(self, disk: VolatileDisk) -> Iterator[TestDaemon]:
        """Attach and mount the disk, and take everything down again however it ends."""
        mount = self._folder / "m"
        state = mount / "s"
        with contextlib.ExitStack() as opened:
            words = ["losetup", "--find", "--show", "--direct-io=on", str(disk.mountpoint)]
            device = process.run(words, deadline_seconds=_TOOL_SECONDS).text.strip()
            opened.callback(process.run, ["losetup", "--detach", device], deadline_seconds=_TOOL_SECONDS)
            process.run(["mount", "-t", "ext4", device, str(mount)], deadline_seconds=_TOOL_SECONDS)
            opened.callback(_unmount, mount)
            state.mkdir(exist_ok=True)
            config = StorageConfig(
                state=state,
                driver="mosaic-m",
                plugin_dir=self._folder / "plugins",
                image_bytes=loop.MIN_IMAGE_BYTES,
                interval_seconds=0.05,
                reserve_bytes=0,
            )
            daemon = TestDaemon(config, "token-a", log=self._folder / "log")
            self._hive.is_down = False
            opened.callback(loop.close_image, state / "pool.img", state / "pool")
            opened.callback(lambda: daemon.child and daemon.child.stop(grace_seconds=0))
            yield daemon


def _unmount(mount: Path) -> None:
    """Unmount, as soon as the kernel has let go of the image that lay there."""
    words = ["umount", str(mount)]
    eventually(lambda: process.attempt(words, deadline_seconds=_TOOL_SECONDS).code == 0)
