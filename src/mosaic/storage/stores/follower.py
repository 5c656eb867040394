"""One volume in one store that follows the store which keeps its heads.

Packs are handed over as they are sent to the first store, and go on their way
in a thread of their own, which lives while there is something to do. Whoever
hands them over never waits: what does not fit into memory, or fails, is owed,
and copied later from the first store. A head follows when nothing is owed
that it needs, so the newest head in the store says how far it is (G2).
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from mosaic.core.errors import MosaicError, Unavailable
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage import log
from mosaic.storage.config import FollowPace
from mosaic.storage.engine.envelopes import envelope_name
from mosaic.storage.engine.heads import head_name
from mosaic.storage.engine.store import Store
from mosaic.storage.records import Followed
from mosaic.storage.stores.catching_up import SourceIncomplete, catch_up
from mosaic.storage.stores.rereading import Rereading
from mosaic.storage.stores.room import Room
from mosaic.storage.stores.wholeness import put_or_mend
from mosaic.wire import head as wire
from mosaic.wire.storage import Failure

_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 300.0
_ROOM_SECONDS = 60.0
_REREAD_AT_ONCE = 16
_PACE = FollowPace()


class FollowingEnded(Unavailable):
    """The store was removed, or the daemon stops."""

    code = "following-ended"

    def __init__(self) -> None:
        super().__init__("the store is not followed any more", hint="nothing has to be done")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The head that the store should have, the envelope beside it, and where to copy from what is owed."""

    signed: bytes
    envelope: bytes | None
    first: Store
    keys: VolumeKeys

    @property
    def head(self) -> HeadHash:
        """The head's hash."""
        return head_hash(self.signed)


class Forgotten(Protocol):
    """The ledger's list of what has to be deleted from one store of one volume."""

    def names(self) -> Iterable[str]: ...
    def add(self, name: str) -> None: ...
    def done(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Object:
    name: str
    content: bytes


class Follower:
    """See the module. `followed` is what the ledger knew, `remember` writes it there; threads share this."""

    def __init__(
        self,
        volume: VolumeId,
        name: str,
        store: Store,
        room: Room,
        *,
        followed: Followed | None,
        remember: Callable[[Followed], None],
        forgotten: Forgotten,
        changed: Callable[[], None],
        pace: FollowPace = _PACE,
    ) -> None:
        self.name = name
        self.followed = followed
        self.problem: Failure | None = None
        self.is_retrying = False
        self._volume = volume
        self._store = store
        self._room = room
        self._remember = remember
        self._changed = changed
        self._pace = pace
        self._forgotten = forgotten
        self._unneeded = set(forgotten.names())
        self._newest: HeadHash | None = None
        self._doubted: list[bytes] = []
        self._wakes = threading.Condition()
        self._queue: deque[_Object] = deque()
        self._wanted: Wanted | None = None
        # Until both were compared, nobody knows what an earlier run or another Device left out.
        self._owes = True
        self._is_comparing = False
        self._compared_at: float | None = None
        self._is_asked = False
        self._failures = 0
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._rereading: Rereading | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether something is on its way."""
        return self._thread is not None and self.problem is None

    def offer(self, name: str, content: bytes) -> None:
        """Take an object that the first store has. Never waits, and never fails."""
        with self._wakes:
            # One that has to be compared anyway, or fails, is not worth the memory.
            if self._owes or self._is_comparing or self._stopped or not self._room.try_take(len(content)):
                self._owes = True
                return
            self._queue.append(_Object(name, content))
            self._go()

    def forget(self, name: str) -> None:
        """Delete what the first store deleted, once the newest head is here: an older one may need it."""
        with self._wakes:
            if not self._stopped:
                self._forgotten.add(name)
                self._unneeded.add(name)

    def want(self, wanted: Wanted) -> None:
        """Bring this head to the store, as soon as it may be there. Never waits, and costs nothing when it is."""
        with self._wakes:
            has_it = self.followed is not None and self.followed.head == wanted.head
            self._newest = wanted.head
            if self._stopped or (has_it and not self._is_compare_due() and not self._unneeded):
                return
            if not has_it or self._is_compare_due():
                self._owes = self._owes or (self._is_compare_due() and not self._is_comparing)
                self._wanted = wanted
            self._go()

    def owe(self) -> None:
        """Compare with the first store before the next head: somebody else may have written to that."""
        with self._wakes:
            self._owes = True

    def take_doubted(self) -> list[bytes]:
        """Return the packs that the first store could not give whole, once."""
        with self._wakes:
            doubted, self._doubted = self._doubted, []
            return doubted

    def ask(self) -> None:
        """Try again now what failed."""
        with self._wakes:
            self._is_asked = True
            self._wakes.notify_all()

    def stop(self) -> None:
        """Begin nothing any more. What is under way comes to its end or is left: it is safe to be killed."""
        with self._wakes:
            self._stopped = True
            self._wakes.notify_all()

    def join(self, seconds: float) -> None:
        """Wait for the end of what is under way."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def _is_compare_due(self) -> bool:
        # Somebody may have deleted from the store meanwhile.
        return self._compared_at is None or time.monotonic() - self._compared_at > self._pace.compare_seconds

    def _go(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"follow-{self.name}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        self._changed()
        while True:
            with self._wakes:
                if self._stopped or not (self._queue or self._wanted or self._deletable() or self._rereading):
                    self._drop()
                    self._thread = None
                    break
            try:
                self._one()
            except FollowingEnded:
                continue
            except MosaicError as error:
                self._rest(error)
            except Exception as error:  # a mistake of ours: with its thread the store would fall behind and say nothing
                log.mistake(error, volume=self._volume[:12], store=self.name)
                self._rest(Unavailable(f"a mistake: {type(error).__name__}", hint="please report the daemon's log"))
        self._changed()

    def _one(self) -> None:
        """Do one thing: send an object, or bring the head."""
        with self._wakes:
            found = self._queue.popleft() if self._queue else None
            wanted, owes = self._wanted, self._owes
            deletable = self._deletable()
            if found is None and wanted is not None:
                # What is left out from here on is for the next time.
                self._owes, self._is_comparing = False, owes
        if found is not None:
            try:
                self._store.put(found.name, found.content)
            finally:
                self._room.give(len(found.content))
        elif wanted is not None:
            try:
                self._bring(wanted, owes=owes)
            except BaseException:  # raised again; whatever stopped it, the store is not what was wanted
                self.owe()
                raise
            finally:
                self._is_comparing = False
        elif deletable:
            self._delete(deletable)
        elif self._rereading is not None:
            self._reread(self._rereading)
        self._well()

    def _deletable(self) -> list[str]:
        """Return what may be deleted now: nothing before the newest head is here, and nobody wants anything else."""
        has_newest = self.followed is not None and self.followed.head == self._newest
        return sorted(self._unneeded) if has_newest and self._wanted is None else []

    def _delete(self, names: list[str]) -> None:
        for name in names:
            self._go_on()
            self._store.delete(name)
            with self._wakes:
                self._forgotten.done(name)
                self._unneeded.discard(name)

    def _bring(self, wanted: Wanted, *, owes: bool) -> None:
        if owes:
            try:
                self._compare(wanted)
            except SourceIncomplete as error:
                with self._wakes:
                    self._doubted = error.packs
                raise
        if wanted.envelope is not None:
            put_or_mend(self._store, envelope_name(wanted.envelope), wanted.envelope, wanted.keys)
        head, _ = wire.parse(wanted.signed)
        put_or_mend(self._store, head_name(head.seq, wanted.head), wanted.signed, wanted.keys)
        with self._wakes:
            if self._stopped:
                return
            # What was just copied needs no reading.
            before = self.followed or Followed(wanted.head, head.instant_ns, reread_ns=time.time_ns())
            self._note(replace(before, head=wanted.head, instant_ns=head.instant_ns))
            if self._wanted is not None and self._wanted.head == wanted.head:
                self._wanted = None
        if owes and self._rereading is None:
            self._begin_rereading(wanted)
        self._changed()

    def _compare(self, wanted: Wanted) -> None:
        """Copy what the store lacks or has cut off."""
        copied = catch_up(wanted.first, self._store, wanted.keys, taking=self._taking, go_on=self._go_on)
        self._compared_at = time.monotonic()
        log.info("store_caught_up", volume=self._volume[:12], store=self.name, objects=copied.objects)

    def _begin_rereading(self, wanted: Wanted) -> None:
        followed = self.followed
        if followed is not None and self._pace.is_reread_due(followed.reread_ns, time.time_ns()):
            parts = self._pace.reread_parts
            try:
                begun = Rereading.begun(wanted.first, self._store, wanted.keys, after=followed.reread_to, parts=parts)
            except MosaicError as error:
                # The head is there; the next comparison asks again.
                log.warning("rereading_ended", volume=self._volume[:12], store=self.name, code=error.code)
            else:
                self._rereading = begun

    def _reread(self, reading: Rereading) -> None:
        """Read some more of what is in the store. Whatever comes of it, heads go on: they were compared."""
        followed = self.followed
        assert followed is not None  # it was when this began
        try:
            is_over = not reading.read_some(_REREAD_AT_ONCE, self._taking, self._go_on)
            owed = reading.owed() if is_over else ()
        except FollowingEnded:
            raise
        except MosaicError as error:
            # The next comparison begins where this ended.
            log.warning("rereading_ended", volume=self._volume[:12], store=self.name, code=error.code)
            self._rereading = None
            self._note(replace(followed, reread_to=reading.last))
            return
        ended_ns = time.time_ns() if is_over else followed.reread_ns
        self._note(replace(followed, reread_to=reading.last, reread_ns=ended_ns))
        if is_over:
            self._rereading = None
            if reading.renewed or reading.rotten or reading.unread:
                log.warning(
                    "store_reread", volume=self._volume[:12], store=self.name, renewed=len(reading.renewed),
                    rotten=len(reading.rotten), unread=len(reading.unread),
                )  # fmt: skip
            with self._wakes:
                self._doubted += SourceIncomplete(owed).packs

    def _taking(self, length: int) -> AbstractContextManager[bool]:
        return self._room.taken(length, seconds=_ROOM_SECONDS)

    def _note(self, followed: Followed) -> None:
        with self._wakes:
            if not self._stopped:
                self._remember(followed)
                self.followed = followed

    def _well(self) -> None:
        self._failures = 0
        if self.problem is not None:
            self.problem = None
            self._changed()

    def _rest(self, error: MosaicError) -> None:
        log.warning("following_failed", volume=self._volume[:12], store=self.name, code=error.code)
        self.is_retrying = isinstance(error, Unavailable)
        self.problem = Failure(error.code, error.message, error.hint)
        self._changed()
        longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * float(1 << min(self._failures, 10)))
        self._failures += 1
        with self._wakes:
            self._owes = True
            self._drop()
            # Jitter keeps volumes that lost one store from coming back in step.
            pause = longest * random.uniform(0.5, 1.0)  # noqa: S311 (spreads, keeps no secret)
            self._wakes.wait_for(lambda: self._stopped or self._is_asked, pause)
            self._is_asked = False

    def _drop(self) -> None:
        while self._queue:
            self._room.give(len(self._queue.popleft().content))
            self._owes = True

    def _go_on(self) -> None:
        if self._stopped:
            raise FollowingEnded
