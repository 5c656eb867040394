"""A storage daemon and its store, simulated: the verbs of `mosaic.wire.storage` with their refusals.

Content is a tuple of lines. What a daemon has is on its 'disk' and outlives a
kill of the Device, as the real one's does. Daemons that share a FakeStore see
one another's heads.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mosaic.adapters.storage_client import StorageFenced, StorageRefused
from mosaic.core import epoch as epochs
from mosaic.wire.storage import (
    BeginTrial,
    ConflictSnapshot,
    Discard,
    Done,
    EndTrial,
    Envelope,
    Failure,
    GoBack,
    GoingBack,
    HeadsRequest,
    Hold,
    KnownHeads,
    Phase,
    PoolState,
    Prefetch,
    Release,
    Replica,
    SetAside,
    SnapshotNow,
    State,
    StateRequest,
    Trialled,
    Upstream,
    VolumeState,
    WentBack,
)
from support.kill_points import KillPoints

Content = tuple[str, ...]


@dataclass
class FakeStore:
    """What the Hive keeps: heads by hash, and each volume's newest."""

    content: dict[str, Content] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str | None] = field(default_factory=dict)

    def commit(self, volume: str, epoch: str, content: Content, app_digest: str | None) -> str:
        """Accept a head and return its hash. Without a digest it names what the one before it does."""
        before = self.newest.get(volume, "")
        head = hashlib.sha256(f"{volume}{epoch}{before}{content}".encode()).hexdigest()
        self.content[head] = content
        self.digests[head] = app_digest or self.digests.get(before)
        self.newest[volume] = head
        return head


@dataclass(frozen=True)
class _Volume:
    installation: str
    kind: str
    phase: Phase = "absent"
    epoch: str | None = None
    highest: str = "0.0"
    local: Content | None = None
    local_head: str | None = None
    first_head_in: str | None = None
    prefetched: str | None = None
    problem: Failure | None = None
    went_back: WentBack | None = None
    app_digest: str | None = None
    adopted: str | None = None
    going_back: GoingBack | None = None
    conflicts: tuple[Content, ...] = ()
    trial: str | None = None
    beginning: Content = ()
    trialled: Trialled | None = None


class FakeStorage:
    """One daemon. `damaged` are the heads that it cannot restore."""

    def __init__(self, store: FakeStore, *, driver: str = "mosaic", points: KillPoints | None = None) -> None:
        self.store = store
        self.driver = driver
        self.points = points or KillPoints()
        self.volumes: dict[str, _Volume] = {}
        self.envelopes: dict[str, str] = {}
        self.upstreams: list[Upstream] = []
        self.free_bytes = 10**12
        self.damaged: set[str] = set()
        self.consistent: list[Content] = []
        self.on_consistent: Callable[[], None] = lambda: None
        self.in_use: Callable[[], bool] = lambda: False
        self.store_answers = True
        self._version = 0
        self._changed = threading.Condition()

    def is_ready(self, volume: str) -> bool:
        """Whether the engine may mount it."""
        return volume in self.volumes and self.volumes[volume].phase == "ready"

    def write(self, volume: str, line: str) -> None:
        """Write as an app does."""
        found = self.volumes[volume]
        assert found.phase == "ready" and found.local is not None
        self._put(volume, replace(found, local=(*found.local, line)))

    def replicate(self, volume: str) -> str:
        """Have what is here accepted as a head, as the daemon does by itself, and return it."""
        found = self.volumes[volume]
        assert found.local is not None and found.epoch is not None and found.trial is None
        head = self.store.commit(volume, found.epoch, found.local, found.app_digest or found.adopted)
        self._put(volume, replace(found, local_head=head, first_head_in=found.epoch))
        return head

    def upstream(self, request: Upstream) -> Done:
        self.upstreams.append(request)
        return Done()

    def hold(self, request: Hold) -> VolumeState:
        with self.points.around():
            found = self.volumes.get(request.volume) or _Volume(request.installation, request.kind)
            if epochs.parse(request.epoch) < epochs.parse(found.highest):
                raise StorageFenced(_failure("fenced", "a later epoch is known"))
            ours = found.local is not None and found.local_head == request.base
            if not ours and not (found.epoch == request.epoch and found.phase == "ready"):
                found = self._lost(found)
            if found.epoch == request.epoch and found.phase == "ready":
                ours = True
            if not ours and request.base in self.damaged:
                self._put(request.volume, replace(found, phase="failed", highest=request.epoch, problem=_DAMAGE))
                return self._state_of(request.volume)
            if not ours:
                found = self._restored(found, request)
            if request.envelope is not None:
                self.envelopes[request.volume] = request.envelope
            self._put(
                request.volume,
                replace(
                    found,
                    phase="ready",
                    epoch=request.epoch,
                    highest=request.epoch,
                    prefetched=None,
                    going_back=None,
                    app_digest=request.app_digest,
                ),
            )
        return self._state_of(request.volume)

    def prefetch(self, request: Prefetch) -> VolumeState:
        with self.points.around():
            found = self.volumes.get(request.volume) or _Volume(request.installation, request.kind)
            assert request.head in self.store.content
            if request.head in self.damaged:
                self._put(request.volume, replace(found, problem=_DAMAGE))
                return self._state_of(request.volume)
            self._put(request.volume, replace(found, prefetched=request.head))
        return self._state_of(request.volume)

    def snapshot(self, request: SnapshotNow) -> VolumeState:
        with self.points.around():
            found = self.volumes[request.volume]
            if found.epoch != request.epoch:
                raise StorageFenced(_failure("fenced", "not this epoch"))
            assert found.local is not None
            if found.trial is not None:
                raise StorageRefused(_failure("trial-under-way", "another version is tried on it"))
            if not self.store_answers:
                self._put(request.volume, replace(found, problem=_AWAY))
                return self._state_of(request.volume)
            if request.consistent:
                self.consistent.append(found.local)
                self.on_consistent()
            if found.first_head_in != request.epoch or self.store.content.get(found.local_head or "") != found.local:
                head = self.store.commit(request.volume, request.epoch, found.local, found.app_digest or found.adopted)
                found = replace(found, local_head=head, first_head_in=request.epoch)
            self._put(request.volume, replace(found, phase="releasing" if request.final else found.phase))
        return self._state_of(request.volume)

    def release(self, request: Release) -> VolumeState:
        with self.points.around():
            found = self.volumes[request.volume]
            if found.phase != "released":
                if found.trial is not None:
                    raise StorageRefused(_failure("trial-under-way", "another version is tried on it"))
                if found.epoch != request.epoch or not self._is_clean(found):
                    raise StorageRefused(_failure("not-replicated", "the last snapshot has not arrived"))
                self._put(request.volume, replace(found, phase="released", epoch=None))
        return self._state_of(request.volume)

    def set_aside(self, request: SetAside) -> VolumeState:
        with self.points.around():
            found = self.volumes[request.volume]
            if found.phase not in ("set-aside", "absent"):
                found = self._lost(found)
                kept = found.conflicts if self._is_clean(found) else (*found.conflicts, found.local or ())
                self._put(request.volume, replace(found, phase="set-aside", epoch=None, conflicts=kept))
        return self._state_of(request.volume)

    def go_back(self, request: GoBack) -> VolumeState:
        with self.points.around():
            found = self.volumes[request.volume]
            if found.went_back is not None and found.went_back.id == request.id:
                return self._state_of(request.volume)
            if found.epoch != request.epoch:
                raise StorageRefused(_failure("not-held", "not this epoch"))
            assert found.local is not None and not self.in_use() and found.trial is None
            saved = found.local_head if self._is_clean(found) else None
            self._put(request.volume, replace(found, phase="going-back", going_back=GoingBack(request.id, saved)))
        with self.points.around():
            self._save_and_turn(request)
        return self._state_of(request.volume)

    def _save_and_turn(self, request: GoBack) -> None:
        found = self.volumes[request.volume]
        assert found.local is not None
        if not self._is_clean(found):
            head = self.store.commit(request.volume, request.epoch, found.local, found.app_digest or found.adopted)
            found = replace(found, local_head=head, first_head_in=request.epoch)
        saved = found.local_head
        if request.head in self.damaged:
            went = WentBack(request.id, saved, _DAMAGE)
            self._put(request.volume, replace(found, phase="ready", going_back=None, went_back=went))
            return
        content = self.store.content[request.head or ""]
        digest = request.app_digest or self.store.digests.get(request.head or "")
        head = self.store.commit(request.volume, request.epoch, content, digest)
        self._put(
            request.volume,
            replace(
                found,
                phase="ready",
                local=content,
                local_head=head,
                going_back=None,
                went_back=WentBack(request.id, saved),
                app_digest=request.app_digest,
            ),
        )

    def begin_trial(self, request: BeginTrial) -> VolumeState:
        with self.points.around():
            found = self.volumes[request.volume]
            if request.id not in (found.trial, found.trialled.id if found.trialled else None):
                self._check_trial(found, request)
                self._put(request.volume, replace(found, trial=request.id, beginning=found.local or ()))
        return self._state_of(request.volume)

    def _check_trial(self, found: _Volume, request: BeginTrial) -> None:
        if found.trial is not None:
            raise StorageRefused(_failure("another-trial", "another one is under way"))
        if found.epoch != request.epoch or found.phase != "ready":
            raise StorageRefused(_failure("not-held", "not this epoch"))
        if self.in_use():
            raise StorageRefused(_failure("volume-in-use", "it is mounted"))
        if not self._is_clean(found) or found.local_head is None:
            raise StorageRefused(_failure("not-replicated", "not all is in a head"))

    def end_trial(self, request: EndTrial) -> VolumeState:
        with self.points.around():
            found = self.volumes[request.volume]
            if found.trial != request.id:
                return self._state_of(request.volume)
            if request.keep:
                ended = Trialled(request.id, kept=True)
                found = replace(found, trial=None, trialled=ended, app_digest=request.app_digest)
                self._put(request.volume, found)
                return self._state_of(request.volume)
            if self.in_use():
                raise StorageRefused(_failure("volume-in-use", "it is mounted"))
            if found.epoch is not None:
                self._put(request.volume, replace(found, phase="going-back"))
        with self.points.around():
            found = self.volumes[request.volume]
            phase: Phase = "ready" if found.epoch is not None else found.phase
            undone = replace(self._lost(found), local=found.beginning, phase=phase, app_digest=request.app_digest)
            self._put(request.volume, undone)
        return self._state_of(request.volume)

    def _lost(self, found: _Volume) -> _Volume:
        """What was written in a trial becomes a conflict snapshot, and the trial is over."""
        if found.trial is None or found.local is None:
            return found
        conflict = f"c{len(found.conflicts)}" if found.local != found.beginning else None
        kept = (*found.conflicts, found.local) if conflict else found.conflicts
        ended = Trialled(found.trial, kept=False, conflict=conflict)
        return replace(found, conflicts=kept, trial=None, trialled=ended, local=found.beginning)

    def discard(self, request: Discard) -> Done:
        with self.points.around():
            found = self.volumes[request.volume]
            if found.epoch is not None or self.store.newest.get(request.volume) != request.replaced_by:
                raise StorageRefused(_failure("not-replaced", "the store has no replacement"))
            self._put(request.volume, replace(found, phase="absent", local=None, local_head=None, prefetched=None))
        return Done()

    def envelope(self, request: Envelope) -> Done:
        if request.volume not in self.volumes:
            raise StorageRefused(_failure("volume-not-here", "it is not known here"))
        self.envelopes[request.volume] = request.envelope
        return Done()

    def heads(self, request: HeadsRequest) -> KnownHeads:
        return KnownHeads([])

    def state(self, request: StateRequest) -> State:
        with self._changed:
            self._changed.wait_for(lambda: self._version > request.after, min(request.wait_seconds, 0.2))
            version = self._version
        return State(
            run="run",
            version=version,
            driver=self.driver,
            pool=PoolState("/pool", "native", 10**12, self.free_bytes),
            volumes=[self._state_of(volume) for volume in sorted(self.volumes)],
        )

    def _restored(self, found: _Volume, request: Hold) -> _Volume:
        if found.local is not None and not self._is_clean(found):
            found = replace(found, conflicts=(*found.conflicts, found.local))
        if request.base is None:
            if request.expect_data:
                raise StorageRefused(_failure("data-expected", "this volume should have data"))
            if request.origin is not None:
                content, digest = self.store.content[request.origin.head], self.store.digests[request.origin.head]
                return replace(found, local=content, local_head=None, adopted=digest)
            return replace(found, local=(), local_head=None)
        return replace(found, local=self.store.content[request.base], local_head=request.base)

    def _is_clean(self, found: _Volume) -> bool:
        return found.local is None or self.store.content.get(found.local_head or "") == found.local

    def _put(self, volume: str, found: _Volume) -> None:
        with self._changed:
            self.volumes[volume] = found
            self._version += 1
            self._changed.notify_all()

    def _state_of(self, volume: str) -> VolumeState:
        found = self.volumes[volume]
        clean = self._is_clean(found)
        replica = Replica(
            "hive", False, "replicated" if clean else "pending", 1 if found.local_head else None, found.local_head
        )
        return VolumeState(
            volume=volume,
            installation=found.installation,
            kind=found.kind,
            phase=found.phase,
            epoch=found.epoch,
            local_head=found.local_head,
            clean=clean,
            replicas=[replica],
            waiting_bytes=0,
            mounts=0,
            conflicts=[ConflictSnapshot(f"c{at}", "1.1", at, "/c") for at in range(len(found.conflicts))],
            prefetched=found.prefetched,
            problem=found.problem,
            going_back=found.going_back,
            went_back=found.went_back,
            app_digest=self.store.digests.get(found.local_head) if found.local_head else found.adopted,
            trial=found.trial,
            trialled=found.trialled,
        )


def _failure(code: str, message: str) -> Failure:
    return Failure(code, message, "a hint")


_AWAY = _failure("store-away", "the store does not answer")
_DAMAGE = _failure("restore-incomplete", "1 files could not be restored whole: page")
