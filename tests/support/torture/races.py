"""A holder is frozen, another Device is granted the lease, and the frozen one wakes up and goes on: again and again.

Both are real daemons; SIGSTOP and SIGCONT come at random moments of their
rounds. Both write as long as they may; the loser must keep what only it has.
The Hive is a simulator that fences as the real one does; the Hive's own
side of the same promise is held by the models in tests/models.
"""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from mosaic.adapters import btrfs
from mosaic.adapters.storage_client import StorageRefused, StorageSilent
from mosaic.wire.storage import SnapshotNow
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon
from support.torture.auditing import Auditor
from support.torture.tally import Tally
from support.torture.two_machines import two_machines
from support.torture.writing import Diary, Files, fingerprint, read_files, write_unfinished
from support.waiting import eventually

_LONGEST_SECONDS = 0.3


def run(tally: Tally, folder: Path) -> None:
    """Race `tally.count` times. `folder` must be on a disk with 400 MB of room."""
    (folder / "audit").mkdir()
    with two_machines(folder) as (hive, here, there):
        _Run(tally, hive, (here, there), folder / "audit").carry_out()


class _Run:
    def __init__(self, tally: Tally, hive: FakeHive, both: tuple[TestDaemon, TestDaemon], scratch: Path) -> None:
        self._tally = tally
        self._hive = hive
        self._holder, self._other = both
        self._luck = random.Random(tally.seed)
        self._diary = Diary()
        self._auditor = Auditor(hive, self._diary, scratch, tally)
        self._had: dict[str, Files] = {}
        self._pages = 0

    def carry_out(self) -> None:
        for daemon in (self._holder, self._other):
            daemon.start()
            daemon.connect(self._hive)
        self._holder.take(self._hive)
        while self._tally.figures["races"] < self._tally.count and not self._tally.out_of_time:
            self._race()
            self._auditor.audit()
            if self._tally.failures:
                break
        self._auditor.audit_all()

    def _race(self) -> None:
        """Take the lease away from the holder in the middle of its work."""
        loser, winner = self._holder, self._other
        loser.create()
        folder = loser.mount()
        epoch = loser.volume().epoch
        assert epoch is not None
        self._write(folder)
        self._snapshot(loser, epoch)
        self._let_pass()
        with _frozen(loser):
            self._write(folder)
            granted = self._hive.grant(VOLUME, winner.token)
            if self._luck.random() < 0.5:
                winner.hold(*granted, expect_data=granted[1] is not None)
                self._let_pass()
        # The loser is awake, and may be sending while the winner begins.
        winner.hold(*granted, expect_data=granted[1] is not None)
        self._write(folder)
        self._snapshot(loser, epoch)
        with _frozen(winner) if self._luck.random() < 0.3 else contextlib.nullcontext():
            self._let_pass()
        lost = loser.wait_for_phase("set-aside", seconds=60)
        self._tally.check(lost.epoch is None, f"a fenced holder still holds {lost.epoch}")
        loser.unmount()
        self._check_what_the_loser_had(loser, folder)
        self._check_what_the_winner_got(winner, granted)
        self._tally.figures["races"] += 1
        self._holder, self._other = winner, loser

    def _check_what_the_loser_had(self, loser: TestDaemon, folder: Path) -> None:
        """What it had is in its newest conflict snapshot, or in a head that was acknowledged."""
        had = read_files(folder)
        found: list[str] = []

        def is_kept() -> bool:
            state = loser.volume()
            newest = Path(state.conflicts[-1].path) / "data" if state.conflicts else None
            if newest is not None and read_files(newest) == had:
                found.append("conflicts_kept")
            elif self._auditor.files_of(state.local_head) == had:
                found.append("all_acknowledged")
            return bool(found)

        # It says that it is set aside before the snapshot of that is made.
        with contextlib.suppress(AssertionError):
            eventually(is_kept)
        self._tally.check(found, f"what the loser of race {self._tally.figures['races']} had is gone")
        self._tally.figures.update(found)
        self._had[loser.device] = had
        kept = [Path(conflict.path) for conflict in loser.volume().conflicts]
        for path in kept:
            # As an owner who has looked at them does.
            btrfs.delete(path)

    def _check_what_the_winner_got(self, winner: TestDaemon, granted: tuple[str, str | None]) -> None:
        epoch, base = granted
        won = winner.wait_for_phase("ready", seconds=60)
        self._tally.check(won.epoch == epoch, f"{epoch} was granted, and {won.epoch} is held")
        winner.create()
        found = read_files(winner.mount())
        winner.unmount()
        if found == (self._auditor.files_of(base) or {}):
            return
        # The other one may have had nothing accepted since this one lost: what is here then goes on from the base.
        goes_on = self._auditor.writer_of(base) == winner.device and found == self._had.get(winner.device)
        self._tally.check(goes_on, f"in {epoch} the app finds another state")
        self._tally.figures["gone_on_from_its_own"] += bool(goes_on)

    def _write(self, folder: Path) -> None:
        """Write one more file, synced. Neither of both Devices knows what the other does."""
        self._pages += 1
        path = folder / f"page{self._pages % 20:02}"
        content = self._luck.randbytes(3000)
        unfinished = write_unfinished(path, content)
        self._diary.numbers[fingerprint(read_files(folder) | {path.name: blake3(content).digest()})] = 0
        unfinished.rename(path)

    def _snapshot(self, daemon: TestDaemon, epoch: str) -> None:
        with contextlib.suppress(StorageRefused, StorageSilent):
            daemon.client.snapshot(SnapshotNow(VOLUME, epoch))

    def _let_pass(self) -> None:
        threading.Event().wait(self._luck.uniform(0, _LONGEST_SECONDS))


@contextlib.contextmanager
def _frozen(daemon: TestDaemon) -> Iterator[None]:
    """Stop the daemon's process in whatever it does, and let it go on at the end."""
    assert daemon.child is not None
    os.kill(daemon.child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.child.pid, signal.SIGCONT)
