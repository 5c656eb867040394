"""One volume while the daemon runs: its record, its lock, and how its work goes.

The record is changed by `update` alone, under the lock, and is on the disk
when `update` returns. What is not in the record (progress, the newest problem)
may be lost with the process.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mosaic.core.errors import Conflict, MosaicError, Unavailable
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.storage.books import Books
from mosaic.storage.places import Places
from mosaic.storage.records import Lease, VolumeRecord
from mosaic.storage.subvolumes import Subvolumes
from mosaic.wire.storage import Audited, Failure


class LeaseGone(Conflict):
    """The lease under which some work began is not held any more. The work ends without a trace."""

    code = "lease-gone"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(f"volume {volume[:12]} is not held as it was", hint="look at its state again")


class TrialUnderWay(Conflict):
    """Another version of the app is tried on the volume: no head is made, and nothing else takes its place."""

    code = "trial-under-way"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(
            f"another version of the app is being tried on volume {volume[:12]}, and no snapshot is made meanwhile",
            hint="wait until the new version counts or is undone, `mosaic show NAME` tells; the Device ends the trial "
            "(`end-trial`) before anything else",
        )


@dataclass(frozen=True, slots=True)
class Moved:
    """How far the transfer under way is. `kind` says in which direction."""

    kind: str
    moved_bytes: int
    total_bytes: int | None


class Volume:
    """See the module. `wakes` is the lock and what the worker waits on. `cutting` is held while a snapshot is cut.

    Whoever wants both takes `cutting` first. `gave_up_asking_ns` is when (nanoseconds since the machine started)
    somebody last left without the answer to the question of `record.descent`; None when it was heard.
    """

    def __init__(
        self,
        record: VolumeRecord,
        *,
        books: Books,
        places: Places,
        subvolumes: Subvolumes,
        changed: Callable[[], None],
        fence_confirm_seconds: float,
    ) -> None:
        self.id = record.volume
        self.places = places
        self.subvolumes = subvolumes
        self.books = books
        self.wakes = threading.Condition(threading.RLock())
        self.record = record
        self.moved: Moved | None = None
        self.problem: Failure | None = None
        self.generation: int | None = None
        self.asked_now = False
        self.asks = 0
        self.stopping = False
        self.retrying = False
        self.fence_confirm_seconds = fence_confirm_seconds
        self.fenced_since: float | None = None
        self.index_loaded_for: tuple[Lease, str] | None = None
        self.scrubbed_at: float | None = None
        self.collect_at: float | None = None
        self.collected: HeadHash | None = None
        self.is_damaged = False
        self.unread: MosaicError | None = None
        self.doubted: set[bytes] = set()
        self.envelope_put: tuple[str, str] | None = None
        self.cut_ns: int | None = None
        self.gave_up_asking_ns: int | None = None
        self.copies_all = False
        self.look_seconds = 0.0
        self.audit_asked = False
        self.audit_answer: Audited | None = None
        self.audit_at: float | None = None
        self.audit_problem: Failure | None = None
        self.auditing: Moved | None = None
        self.audited_snapshot: str | None = None
        self.cutting = threading.Lock()
        self._changed = changed

    @property
    def live(self) -> str | None:
        """The uuid of the live subvolume that is on the disk, None when there is none."""
        return self.subvolumes.uuid(self.places.live(self.id))

    def update(self, record: VolumeRecord) -> None:
        """Make `record` the volume's, durably, and wake whoever waits."""
        with self.wakes:
            self.books.put_volume(self.id, record)
            self.record = record
            self.wakes.notify_all()
        self._changed()

    def wake(self) -> None:
        """Let the worker look again now."""
        with self.wakes:
            self.asked_now = True
            self.wakes.notify_all()

    def show(self, moved: Moved | None) -> None:
        """Say how far the transfer is; None when it is over."""
        if moved != self.moved:
            self.moved = moved
            self._changed()

    def tell(self, problem: MosaicError | None) -> None:
        """Say what is wrong now, or that nothing is."""
        self.retrying = isinstance(problem, Unavailable)
        failure = Failure(problem.code, problem.message, problem.hint) if problem else None
        if failure != self.problem:
            self.problem = failure
            self._changed()

    def forget_seen(self) -> None:
        """Call nothing clean that was not looked at from now on. Call it with the lock."""
        self.generation = None
        self.asks += 1

    def seen(self, generation: int, *, asks: int | None = None) -> None:
        """Note the live subvolume's generation after a sync, unless that began before the newest of `asks`."""
        with self.wakes:
            if generation == self.generation or (asks is not None and asks != self.asks):
                return
            self.generation = generation
        self._changed()

    @contextlib.contextmanager
    def still_leased(self, lease: Lease) -> Iterator[VolumeRecord]:
        """Yield the record under the lock. Raises LeaseGone when the lease is not the one that work began with."""
        with self.wakes:
            if self.record.lease != lease or self.stopping:
                raise LeaseGone(self.id)
            yield self.record


def is_clean(record: VolumeRecord, generation: int | None) -> bool:
    """Return whether all local data is in the newest acknowledged head."""
    if record.live_uuid is None:
        return record.pending is None
    if record.cut is not None or record.pending is not None or record.accepted is None:
        return False
    return record.accepted.generation == generation
