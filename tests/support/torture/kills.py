"""The storage daemon is killed with SIGKILL at random moments of all that it does, while the app goes on writing."""

import contextlib
import random
import threading
from collections.abc import Callable
from pathlib import Path

from mosaic.adapters.storage_client import StorageRefused, StorageSilent
from mosaic.wire.storage import Release, SnapshotNow
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME, TestDaemon
from support.torture.auditing import Auditor
from support.torture.tally import Tally
from support.torture.two_machines import two_machines
from support.torture.writing import Diary, Writer
from support.waiting import eventually

_LONGEST_SECONDS = 1.0
_SOON_SECONDS = 0.03
_START_SECONDS = 0.6
"""A start takes about as long; it is killed in it too."""


def run(tally: Tally, folder: Path) -> None:
    """Kill `tally.count` times. `folder` must be on a disk with 400 MB of room."""
    (folder / "audit").mkdir()
    with two_machines(folder) as (hive, here, there):
        _Run(tally, hive, here, there, folder / "audit").carry_out()


class _Run:
    def __init__(self, tally: Tally, hive: FakeHive, here: TestDaemon, there: TestDaemon, scratch: Path) -> None:
        self._tally = tally
        self._hive = hive
        self._holder, self._other = here, there
        self._luck = random.Random(tally.seed)
        self._diary = Diary()
        self._auditor = Auditor(hive, self._diary, scratch, tally)

    def carry_out(self) -> None:
        for daemon in (self._holder, self._other):
            daemon.start()
            daemon.connect(self._hive)
        self._holder.take(self._hive)
        while self._tally.figures["kills"] < self._tally.count and not self._tally.out_of_time:
            self._hold_for_a_while()
            if self._tally.failures:
                # What comes after a failure says nothing.
                break
            self._move()
        self._auditor.audit_all()

    def _hold_for_a_while(self) -> None:
        """Replicate, with kills, what the app writes without rest."""
        holder, epoch = self._holder, self._holder.volume().epoch
        assert epoch is not None
        holder.create()
        with Writer(holder.mount(), self._diary, self._luck) as writer:
            for _ in range(min(12, self._tally.count - self._tally.figures["kills"])):
                if self._tally.failures or self._tally.out_of_time:
                    break
                with contextlib.suppress(StorageSilent):
                    holder.client.snapshot(SnapshotNow(VOLUME, epoch))
                if self._luck.random() < 0.2:
                    self._prefetch()
                self._interrupt(holder)
                state = holder.volume()
                self._tally.check(
                    (state.phase, state.epoch, state.mounts, state.conflicts) == ("ready", epoch, 1, []),
                    f"after a kill the holder is {state.phase} in {state.epoch}, conflicts {len(state.conflicts)}",
                )
                self._auditor.audit()
        self._tally.check(writer.failed is None, f"the app met {writer.failed}")
        holder.unmount()

    def _prefetch(self) -> None:
        """Have the other Device restore, and kill it in that."""
        newest = self._hive.volume(VOLUME).newest
        if newest is not None:
            with contextlib.suppress(StorageSilent):
                self._other.prefetch(newest)
            self._interrupt(self._other)
            self._tally.figures["kills_in_prefetches"] += 1

    def _move(self) -> None:
        """Move to the other Device, with kills at any moment."""
        source, target = self._holder, self._other
        epoch = source.volume().epoch
        assert epoch is not None
        final, release = SnapshotNow(VOLUME, epoch, final=True), Release(VOLUME, epoch)
        self._persist(source, lambda: source.client.snapshot(final), until=lambda: source.volume().clean)
        self._persist(source, lambda: source.client.release(release), until=lambda: _phase(source, "released"))
        granted, base = self._hive.grant(VOLUME, target.token)
        self._persist(
            target, lambda: target.hold(granted, base, expect_data=True), until=lambda: _phase(target, "ready")
        )
        target.create()
        arrived = self._auditor.number_of(target.mount(mount_id="look"))
        target.unmount(mount_id="look")
        self._tally.check(arrived == self._diary.newest, f"state {self._diary.newest} moved, and {arrived} arrived")
        conflicts = len(source.volume().conflicts) + len(target.volume().conflicts)
        self._tally.check(conflicts == 0, f"a planned move left {conflicts} conflict snapshots")
        self._tally.figures["moves"] += 1
        self._holder, self._other = target, source
        self._auditor.audit()

    def _persist(self, daemon: TestDaemon, ask: Callable[[], object], *, until: Callable[[], object]) -> None:
        """Ask, kill, and ask again, until it is so."""
        with contextlib.suppress(StorageRefused, StorageSilent):
            ask()
        self._interrupt(daemon)

        def asked_and_so() -> object:
            with contextlib.suppress(StorageRefused, StorageSilent, AssertionError):
                return until() or (ask() and until())
            return False

        eventually(asked_and_so, seconds=60, seen=lambda: (daemon.volume(), daemon.log.read_text()[-2000:]))

    def _interrupt(self, daemon: TestDaemon) -> None:
        """Kill at a random moment, now and then in the start that follows too, and have it running again."""
        if self._luck.random() < 0.6:
            self._await_requests(self._luck.randrange(1, 25))
            threading.Event().wait(self._luck.uniform(0, _SOON_SECONDS))
        else:
            threading.Event().wait(self._luck.uniform(0, _LONGEST_SECONDS))
        daemon.kill()
        self._tally.figures["kills"] += 1
        while self._luck.random() < 0.25:
            daemon.launch()
            threading.Event().wait(self._luck.uniform(0, _START_SECONDS))
            daemon.kill()
            self._tally.figures["kills"] += 1
            self._tally.figures["kills_in_starts"] += 1
        daemon.start()

    def _await_requests(self, more: int) -> None:
        """Wait until the Hive was asked so often: a round is short, and most of a day passes between two."""
        wanted = len(self._hive.requests) + more
        with contextlib.suppress(AssertionError):
            eventually(lambda: len(self._hive.requests) >= wanted, seconds=2)


def _phase(daemon: TestDaemon, phase: str) -> bool:
    return daemon.volume().phase == phase
