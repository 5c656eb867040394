"""Auditing volumes at night: a whole snapshot is read and compared with the tree that its head names.

It is what allows to believe the kernel when it says where to look. One volume
is audited at a time, in a thread that lives only meanwhile, so that neither
snapshots nor replication wait for it; it rests as long as it works, and waits
while snapshots are cut and carried. Nothing outlives it but its result: one
that is killed begins anew.

When one is due, and what follows from it, is decided by `core.auditing` and
`decide_audit`; comparing is `engine.audit`'s. Where no snapshot stands for a
state, the live files that are claimed not to have changed are compared.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from mosaic.adapters.clock import Clock
from mosaic.core.auditing import RESTED_SECONDS, is_due
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage import log, memory
from mosaic.storage.backing import Backing
from mosaic.storage.caches import Caches
from mosaic.storage.config import AuditPace
from mosaic.storage.decide_audit import MOST_KEPT, concluded, is_unconfirmed, met, must_reread
from mosaic.storage.engine.heads import open_head, root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.records import Accepted
from mosaic.storage.volume import Moved, Volume
from mosaic.wire import head as wire
from mosaic.wire.storage import Audited, Difference, Failure

if TYPE_CHECKING:
    from mosaic.storage.engine.audit import Claimed

_WORK_SECONDS = 0.1
_LOOK_SECONDS = 0.2
_STOP_SECONDS = 5.0


class AuditEnded(Unavailable):
    """What was audited is not there any more, or the daemon stops. It begins anew by itself."""

    code = "audit-ended"

    def __init__(self) -> None:
        super().__init__(
            "the audit ended early: the volume is not held any more, or room had to be made",
            hint="nothing has to be done: it begins anew by itself",
        )


@dataclass(slots=True)
class _Subject:
    """What is audited, and all that is open meanwhile. `snapshot` is None where the live files are compared."""

    accepted: Accepted | None = None
    live: str | None = None
    snapshot: str | None = None
    folder: Path = Path()
    uuid: str | None = None
    is_hurried: bool = False
    known: ChunkIndex | None = None
    claimed: "Claimed | None" = None
    opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


class Auditor:
    """Audits the volumes of one daemon. `is_busy` tells whether any of them cuts or carries a snapshot just now."""

    def __init__(self, caches: Caches, clock: Clock, pace: AuditPace, is_busy: Callable[[], bool]) -> None:
        self._caches = caches
        self._clock = clock
        self._pace = pace
        self._is_busy = is_busy
        self._slot = threading.Lock()
        self._thread: threading.Thread | None = None
        self._slice_began = 0.0

    def meet(self, volume: Volume) -> None:
        """Take note of a live subvolume, before its first round."""
        audits = met(volume.record, self._clock.wall_ns())
        if audits is not None:
            with volume.wakes:
                volume.update(replace(volume.record, audits=audits))

    def look(self, volume: Volume, keys: VolumeKeys, backing: Backing) -> None:
        """Begin an audit of a volume that was just replicated, if one is due and no other one is under way."""
        if not self._is_wanted(volume) or not self._slot.acquire(blocking=False):
            return
        subject = _Subject()
        try:
            self._open(volume, subject)
            work = (volume, keys, backing, subject)
            self._thread = threading.Thread(target=self._run, args=work, name=f"audit-{volume.id[:8]}", daemon=True)
            self._thread.start()
        except BaseException as error:  # whatever it is, the next audit finds the slot free
            self._close(volume, subject)
            if not isinstance(error, AuditEnded):
                raise

    def stop(self) -> None:
        """Wait a moment for the end of the audit under way, whose volume is stopping; it is safe to be killed."""
        thread = self._thread
        if thread is not None:
            thread.join(_STOP_SECONDS)

    def _is_wanted(self, volume: Volume) -> bool:
        record = volume.record
        audits, accepted = record.audits, record.accepted
        if record.lease is None or record.phase != "ready" or accepted is None or audits is None:
            return False
        if must_reread(record) or volume.auditing is not None:
            return False
        if volume.audit_asked:
            return True
        if volume.audit_at is not None and self._clock.boot_ns() / 1e9 < volume.audit_at:
            return False
        if is_unconfirmed(record):
            return True
        now_ns = self._clock.wall_ns()
        rested_ns = now_ns - audits.since_ns
        last = audits.last
        is_same = last is not None and last.head == accepted.head and volume.subvolumes.keeps_snapshots
        if is_same and 0 <= rested_ns < RESTED_SECONDS * 10**9:
            # The same read-only snapshot was found good.
            return False
        offset = time.localtime(now_ns // 10**9).tm_gmtoff
        return is_due(volume.id, since_ns=audits.since_ns, now_ns=now_ns, offset_seconds=offset)

    def _open(self, volume: Volume, subject: _Subject) -> None:
        """Open what is to be audited, in the volume's own thread: nobody writes to its memories just now.

        Raises AuditEnded when there is nothing yet that can be.
        """
        with volume.wakes:
            accepted = volume.record.accepted
            if accepted is None:
                raise AuditEnded
            subject.accepted, subject.live, subject.is_hurried = accepted, volume.record.live_uuid, volume.audit_asked
            if volume.subvolumes.keeps_snapshots and accepted.snapshot is None:
                # The next round cuts one.
                volume.audit_asked = True
                raise AuditEnded
            if volume.subvolumes.keeps_snapshots and accepted.snapshot is not None:
                subject.folder = volume.places.snapshots(volume.id) / accepted.snapshot
                subject.snapshot = volume.audited_snapshot = accepted.snapshot
            else:
                subject.folder = volume.places.live(volume.id)
            subject.uuid = volume.subvolumes.uuid(subject.folder)
            volume.auditing = Moved("auditing", 0, None)
        subject.known = subject.opened.enter_context(self._caches.index(volume.id))
        if subject.snapshot is None:
            nodes = subject.opened.enter_context(self._caches.nodes(volume.record.live_uuid or "none"))
            root = root_of(open_head(bytes.fromhex(accepted.signed), volume.id))
            subject.claimed = subject.opened.enter_context(nodes.claims(root.root))
        if subject.uuid is None or (subject.snapshot is None and subject.claimed is None):
            self._again(volume, None)
            raise AuditEnded

    def _close(self, volume: Volume, subject: _Subject) -> None:
        try:
            subject.opened.close()
        finally:
            with volume.wakes:
                volume.auditing = volume.audited_snapshot = None
            self._slot.release()

    def _run(self, volume: Volume, keys: VolumeKeys, backing: Backing, subject: _Subject) -> None:
        try:
            self._conclude(volume, subject, self._audit(volume, keys, backing, subject))
        except MosaicError as error:
            if isinstance(error, AuditEnded) or not self._is_there(volume, subject):
                # What can't be read of a snapshot that was deleted says nothing.
                log.info("audit_ended_early", volume=volume.id[:12])
                self._again(volume, None)
                return
            log.warning("audit_failed", volume=volume.id[:12], code=error.code, reason=error.message)
            if subject.known is not None and subject.known.damaged():
                # The next round writes anew what the store lost.
                volume.is_damaged = True
            self._again(volume, Failure(error.code, error.message, error.hint))
        except Exception as error:  # a mistake of ours: shown where the audit is asked about, and tried again
            log.mistake(error, volume=volume.id[:12], step="Audit")
            why = f"the storage daemon made a mistake: {type(error).__name__}"
            self._again(volume, Failure("internal", why, "please report the lines of its log with `internal_error`"))
        finally:
            self._close(volume, subject)
            memory.give_back()
            # What was found has to be mended, and the snapshot may go.
            volume.wake()

    def _audit(self, volume: Volume, keys: VolumeKeys, backing: Backing, subject: _Subject) -> Audited:
        # Once a night: an idle daemon does without it.
        from mosaic.storage.engine.attributes import holdable
        from mosaic.storage.engine.audit import audit
        from mosaic.storage.engine.roots import Progress

        if subject.accepted is None or subject.known is None:
            raise AuditEnded
        head = open_head(bytes.fromhex(subject.accepted.signed), volume.id)
        self._slice_began = time.monotonic()

        def show(progress: Progress) -> None:
            self._go_on(volume, subject)
            if volume.auditing is None or progress.moved_bytes - volume.auditing.moved_bytes >= 64 * 1024 * 1024:
                volume.auditing = Moved("auditing", progress.moved_bytes, progress.total_bytes)

        found = audit(
            root_of(head),
            keys,
            backing.readable,
            subject.folder,
            known=subject.known,
            claimed=subject.claimed,
            held=lambda asked: holdable(volume.places.trash(), asked),
            on_progress=show,
        )
        return Audited(
            at_ns=self._clock.wall_ns(),
            head=subject.accepted.head,
            seq=head.seq,
            instant_ns=head.instant_ns,
            files=found.files,
            read_bytes=found.read_bytes,
            difference_count=found.difference_count,
            differing=[Difference(one.path, one.reason) for one in found.differing[:MOST_KEPT]],
        )

    def _go_on(self, volume: Volume, subject: _Subject) -> None:
        """Rest when it is time to, and make way for snapshots. Raises AuditEnded when nobody wants the audit now."""
        worked = time.monotonic() - self._slice_began
        if worked < _WORK_SECONDS:
            return
        until = time.monotonic() + (0.0 if subject.is_hurried else worked * self._pace.rest)
        patience = until + self._pace.yield_seconds
        while self._is_there(volume, subject):
            now = time.monotonic()
            if now >= until and (now >= patience or not self._is_busy()):
                self._slice_began = now
                return
            with volume.wakes:
                volume.wakes.wait_for(lambda: not self._is_there(volume, subject), _pause(until - now))
        raise AuditEnded

    def _is_there(self, volume: Volume, subject: _Subject) -> bool:
        return not volume.stopping and volume.record.lease is not None and volume.audited_snapshot == subject.snapshot

    def _conclude(self, volume: Volume, subject: _Subject, found: Audited) -> None:
        """Note the result, if what was read was there to the end. Raises AuditEnded."""
        with volume.wakes:
            record = volume.record
            if not self._is_there(volume, subject) or volume.subvolumes.uuid(subject.folder) != subject.uuid:
                raise AuditEnded
            if record.audits is None or record.accepted is None or record.live_uuid != subject.live:
                # Something else took its place, which nothing that was overlooked before is in.
                raise AuditEnded
            newest, _ = wire.parse(bytes.fromhex(record.accepted.signed))
            if volume.audit_asked:
                volume.audit_answer = found
            before = record.audits.last
            if found.difference_count and before is not None and before.difference_count:
                # Reading everything again did not help, and a disk is not to be read for ever.
                volume.audit_at = self._clock.boot_ns() / 1e9 + self._pace.repeated_seconds
            volume.update(replace(record, audits=concluded(record.audits, found, newest=newest.seq)))
            # Only now: who waits for the end reads what came of it next.
            volume.audit_asked, volume.audit_problem = False, None
        if found.difference_count:
            log.warning("snapshots_suspect", volume=volume.id[:12], seq=found.seq, paths=found.difference_count)
        else:
            log.info("audited", volume=volume.id[:12], seq=found.seq, files=found.files, bytes=found.read_bytes)

    def _again(self, volume: Volume, problem: Failure | None) -> None:
        with volume.wakes:
            volume.audit_asked, volume.audit_problem = False, problem
            volume.audit_at = self._clock.boot_ns() / 1e9 + self._pace.again_seconds


def _pause(left_seconds: float) -> float:
    """Return how long to wait at once: what is left to rest, or until it is asked again who is busy."""
    return min(left_seconds, _LOOK_SECONDS) if left_seconds > 0 else _LOOK_SECONDS
