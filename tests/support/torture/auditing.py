"""Holding a Hive's heads against what the app wrote: linear, and each restores to a state that there was."""

import shutil
from pathlib import Path

from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import open_head, root_of
from mosaic.wire.head import Head
from support.fake_hive_blobs import FakeHive
from support.storage_daemon import VOLUME
from support.stores import MemoryStore
from support.torture.tally import Tally
from support.torture.writing import Diary, Files, fingerprint, read_files
from support.volumes import Machine


class Auditor:
    """Looks at each acknowledged head once, and at all of them in the end. `folder` is for restores."""

    def __init__(self, hive: FakeHive, diary: Diary, folder: Path, tally: Tally) -> None:
        self._hive = hive
        self._diary = diary
        self._folder = folder
        self._tally = tally
        self._machine = Machine(self._store())
        self._seen: list[bytes] = []

    def audit(self) -> None:
        """Check the heads that are new, that none of the older ones is gone, and restore the newest."""
        heads = self._heads()
        self._tally.check(heads[: len(self._seen)] == self._seen, "an acknowledged head is not in the history any more")
        self.check_history()
        if heads[len(self._seen) :]:
            self._restores(heads[-1], self._machine)
        self._tally.figures["acknowledged"] += len(heads) - len(self._seen)
        self._seen = heads

    def audit_all(self) -> None:
        """Restore every head that was ever acknowledged, as a machine that knows nothing."""
        self.audit()
        fresh = Machine(self._store())
        for signed in self._seen:
            self._restores(signed, fresh)
            self._tally.figures["restored"] += 1

    def check_history(self) -> None:
        """Check that the heads are one line, and that no two Devices wrote in one epoch."""
        before: Head | None = None
        before_hash = None
        writers: dict[object, str] = {}
        for signed in self._heads():
            head = open_head(signed, VOLUME)
            seq = before.seq + 1 if before else 1
            in_line = (head.seq, head.previous) == (seq, before_hash)
            in_turn = before is None or head.epoch >= before.epoch
            self._tally.check(in_line and in_turn, f"head {head.seq} does not follow the one before it")
            one_writer = writers.setdefault(head.epoch, head.device) == head.device
            self._tally.check(one_writer, f"two Devices wrote in epoch {head.epoch}")
            before, before_hash = head, head_hash(signed)

    def number_of(self, folder: Path) -> int | None:
        """Return which state a folder has, None for one that never was."""
        return self._diary.numbers.get(fingerprint(read_files(folder)))

    def files_of(self, head: str | None) -> Files | None:
        """Return what an acknowledged head has in its folder, None for a head that is not one."""
        found = self._head(head)
        return self._restored(found, self._machine) if found else None

    def writer_of(self, head: str | None) -> str | None:
        """Return the Device that committed a head, None for a head that is not one."""
        found = self._head(head)
        return found.device if found else None

    def _head(self, wanted: str | None) -> Head | None:
        return next((open_head(signed, VOLUME) for signed in self._heads() if head_hash(signed) == wanted), None)

    def _restored(self, head: Head, machine: Machine) -> Files:
        target = self._folder / "audit"
        shutil.rmtree(target, ignore_errors=True)
        machine.restore(root_of(head), target)
        return read_files(target / "data") if (target / "data").is_dir() else {}

    def _restores(self, signed: bytes, machine: Machine) -> None:
        head = open_head(signed, VOLUME)
        try:
            files = self._restored(head, machine)
        except Exception as error:  # told as a failure of the run, with its head
            self._tally.fail(f"acknowledged head {head.seq} is lost: {type(error).__name__}: {error}")
            return
        # Nothing at all is what there was before the app came, and perhaps also its first state.
        number = self._diary.numbers.get(fingerprint(files), None if files else -1)
        least = self._diary.newest_before(head.instant_ns)
        if number is None:
            self._tally.fail(f"head {head.seq} restores to a state that never was")
        elif number < least:
            self._tally.fail(f"head {head.seq} has state {number}, and state {least} was complete before its instant")

    def _heads(self) -> list[bytes]:
        with self._hive.lock:
            return list(self._hive.volume(VOLUME).heads)

    def _store(self) -> MemoryStore:
        store = MemoryStore()
        store.objects = self._hive.volume(VOLUME).objects
        return store
