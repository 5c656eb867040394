"""The thread that works for one volume: it looks, does one step, and looks again.

It sleeps until it is asked or its next round is due. Retrying is decided by
the error's type: what is Unavailable is tried again soon and with jitter, any
other refusal rarely, and a restore that met damage or a full disk not until it
is asked again.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable
from typing import assert_never

from msgspec.structs import replace

from mosaic.adapters import btrfs
from mosaic.core.errors import Corrupt, MosaicError, NotFound, Refused, Unavailable
from mosaic.core.ids import VolumeId
from mosaic.core.pace import pause_after_look_seconds, pause_seconds, pause_while_releasing_seconds
from mosaic.crypto.volume_keys import VolumeKeys, volume_keys
from mosaic.storage import (
    adopting,
    aside,
    collecting,
    descent,
    going_back,
    log,
    memory,
    replication,
    restoring,
    scrubbing,
    trials,
)
from mosaic.storage.auditing import Auditor
from mosaic.storage.backing import Backings
from mosaic.storage.caches import Caches
from mosaic.storage.config import StorageConfig
from mosaic.storage.decide_hold import DataExpected, EpochIsOld
from mosaic.storage.decide_step import (
    Adopt,
    Attest,
    Confirm,
    CopyBeginning,
    CopyConflict,
    Fetch,
    FindNewest,
    LoseTrial,
    Promote,
    Purge,
    PutBack,
    PutBeginning,
    Regain,
    Replicate,
    Rest,
    Save,
    Step,
    Trace,
    Watch,
    next_step,
)
from mosaic.storage.engine.restore import TargetFailed
from mosaic.storage.pool import Pool
from mosaic.storage.records import Origin, VolumeRecord
from mosaic.storage.volume import LeaseGone, Volume

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_REFUSED_PAUSE_SECONDS = 15.0
_ENDS_A_RESTORE = (Corrupt, NotFound, btrfs.PoolFull, TargetFailed, DataExpected, EpochIsOld)
"""Waiting does not mend these, and meanwhile the app runs nowhere."""

OwnStep = Regain | Confirm | Purge
"""What only volumes without a Hive need done."""


class InternalError(MosaicError):
    """A mistake in Mosaic itself."""

    code = "internal"

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"the storage daemon made a mistake: {type(error).__name__}",
            hint="the data is safe; please report the lines of its log with `internal_error`",
        )


class SeedMissing(Refused):
    """The volume's seed is not in the ledger."""

    code = "seed-missing"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(
            f"the key of volume {volume[:12]} is not here", hint="start the Device; it gives the key with the lease"
        )


class Worker:
    """Runs one volume's thread."""

    def __init__(
        self,
        volume: Volume,
        *,
        pool: Pool,
        caches: Caches,
        backings: Backings,
        config: StorageConfig,
        without_hive: Callable[[Volume, OwnStep], float | None],
        auditor: Auditor,
    ) -> None:
        self._volume = volume
        self._pool = pool
        self._caches = caches
        self._backings = backings
        self._without_hive = without_hive
        self._auditor = auditor
        self._interval_seconds = config.interval_seconds
        self._scrub = config.scrub
        self._collect = config.collect
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name=f"volume-{volume.id[:8]}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, deadline_seconds: float) -> None:
        """End after the step under way, or leave it when the deadline passes: it is safe to be killed."""
        with self._volume.wakes:
            self._volume.stopping = True
            self._volume.wakes.notify_all()
        self._thread.join(deadline_seconds)

    def _run(self) -> None:
        volume = self._volume
        while not volume.stopping:
            try:
                pause = self._next()
            except Exception as error:  # even a ledger that takes no note of a failure must not end the thread
                with contextlib.suppress(OSError):
                    log.mistake(error, volume=volume.id[:12])
                pause = _REFUSED_PAUSE_SECONDS
            with volume.wakes:
                volume.wakes.wait_for(lambda: volume.asked_now or volume.stopping, pause)

    def _next(self) -> float | None:
        """Look, and do the one step. Returns as `_carry_out`."""
        volume = self._volume
        with volume.wakes:
            volume.asked_now = False
            step = next_step(volume.record)
        return self._carry_out(step)

    def _carry_out(self, step: Step) -> float | None:
        """Do a step. Returns how long to rest after it, None until asked."""
        try:
            pause = self._do(step)
        except LeaseGone:
            return 0.0
        except MosaicError as error:
            return self._failed(step, error)
        except OSError as error:
            # The pool is full, most likely.
            return self._failed(step, btrfs.meaning(self._pool.path, error))
        except Exception as error:  # a mistake of ours: shown as the volume's problem, and the volume is tried again
            log.mistake(error, volume=self._volume.id[:12], step=type(step).__name__)
            return self._failed(step, InternalError(error))
        self._failures = 0
        if not isinstance(step, Rest):
            # What the newest snapshot could not have stays to be said for as long as it can't.
            self._volume.tell(self._volume.unread if isinstance(step, Replicate | Watch) else None)
        return pause

    def _rest_seconds(self, took: float) -> float:
        """Return the pause after a round of the volume that took so long."""
        volume = self._volume
        if volume.record.phase == "releasing":
            return pause_while_releasing_seconds(self._interval_seconds, took)
        return max(pause_seconds(self._interval_seconds, took), pause_after_look_seconds(volume.look_seconds))

    def _do(self, step: Step) -> float | None:
        volume = self._volume
        match step:
            case Fetch(head):
                restoring.fetch(
                    volume, self._keys(), head, lambda: self._backings.of(volume.record), caches=self._caches
                )
                memory.give_back()
                log.info("volume_restored", volume=volume.id[:12], head=head[:12])
                return 0.0
            case Adopt(origin):
                self._adopt(origin)
                return 0.0
            case Promote():
                restoring.promote(volume)
                adopting.forget_seed(volume)
                log.info("volume_made_ready", volume=volume.id[:12], epoch=str(volume.record.epoch))
                return 0.0
            case Replicate():
                began = time.monotonic()
                self._replicate()
                return self._rest_seconds(time.monotonic() - began)
            case Save() | CopyConflict() | PutBack() | Attest() | CopyBeginning() | PutBeginning() | LoseTrial():
                self._go_back(step)
                return 0.0
            case Watch():
                began = time.monotonic()
                # First: whether anything changed has to be said whoever else is away.
                replication.look_at(volume)
                replication.keep_up(volume, self._keys(), self._backings.of(volume.record))
                return self._rest_seconds(time.monotonic() - began)
            case Trace() | FindNewest():
                learn = descent.trace if isinstance(step, Trace) else restoring.find_newest
                learn(volume, self._backings.of(volume.record).heads)
                return 0.0
            case Rest():
                return None
            case Regain() | Confirm() | Purge():
                return self._without_hive(volume, step)
            case _:
                assert_never(step)

    def _replicate(self) -> None:
        volume = self._volume
        before = volume.record.accepted
        backing = self._backings.of(volume.record)
        self._auditor.meet(volume)
        replication.replicate_volume(volume, self._keys(), backing, pool=self._pool, caches=self._caches)
        after = volume.record.accepted
        if after is not None and (before is None or before.head != after.head):
            memory.give_back()
            log.info("head_acknowledged", volume=volume.id[:12], head=after.head[:12])
        else:
            scrubbing.scrub_a_little(volume, self._keys(), backing.store, self._caches, self._scrub)
        collecting.collect_if_due(
            volume, self._keys(), backing, pool=self._pool, caches=self._caches, pace=self._collect
        )
        self._auditor.look(volume, self._keys(), backing)

    def _adopt(self, origin: Origin) -> None:
        volume = self._volume
        record = VolumeRecord(origin.volume, volume.record.installation, volume.record.kind)
        keys = self._keys_of(origin.volume)
        adopting.adopt(volume, origin, keys, lambda: self._backings.of(record), caches=self._caches)
        memory.give_back()
        log.info("volume_adopted", volume=volume.id[:12], head=origin.head[:12])

    def _go_back(self, step: Save | CopyConflict | PutBack | Attest | CopyBeginning | PutBeginning | LoseTrial) -> None:
        volume = self._volume
        match step:
            case Save():
                backing = self._backings.of(volume.record)
                going_back.save(volume, self._keys(), backing, pool=self._pool, caches=self._caches)
            case CopyConflict(name):
                going_back.copy_conflict(volume, name)
            case PutBack():
                going_back.put_back(volume)
            case Attest():
                backing = self._backings.of(volume.record)
                going_back.attest(volume, self._keys(), backing, pool=self._pool, caches=self._caches)
            case CopyBeginning(snapshot):
                trials.copy_beginning(volume, snapshot)
            case PutBeginning():
                trials.put_beginning(volume, self._caches)
            case LoseTrial():
                aside.lose_trial(volume)
            case _:
                assert_never(step)
        log.info("volume_going_back", volume=volume.id[:12], done=type(step).__name__)

    def _failed(self, step: Step, error: MosaicError) -> float | None:
        volume = self._volume
        log.warning(
            "step_failed", volume=volume.id[:12], step=type(step).__name__, code=error.code, reason=error.message
        )
        volume.tell(error)
        if volume.record.trial is not None and volume.record.trial.undo is not None:
            # The only way is on: what was written is kept, and the state that it began with comes back.
            pass
        elif isinstance(step, Save | CopyConflict | PutBack | Fetch) and volume.record.phase == "going-back":
            if going_back.ends(error, self._failures + 1) and going_back.give_up(volume, error):
                self._failures = 0
                return 0.0
        elif isinstance(step, Fetch | FindNewest | Adopt) and isinstance(error, _ENDS_A_RESTORE):
            self._give_up(step)
            return 0.0
        self._failures += 1
        if not isinstance(error, Unavailable):
            return max(_REFUSED_PAUSE_SECONDS, self._interval_seconds)
        longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * float(1 << min(self._failures - 1, 10)))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 (spreads, keeps no secret)

    def _give_up(self, step: Fetch | FindNewest | Adopt) -> None:
        """Hold nothing that was never restored, or the app could not go back to the Device that has it all."""
        with self._volume.wakes:
            record = self._volume.record
            if next_step(record) != step:
                # It failed at what nobody wants any more.
                return
            if record.lease is not None:
                self._volume.update(replace(record, phase="failed", lease=None))
            else:
                self._volume.update(replace(record, prefetch=None))

    def _keys(self) -> VolumeKeys:
        return self._keys_of(self._volume.id)

    def _keys_of(self, volume: VolumeId) -> VolumeKeys:
        seed = self._volume.books.seeds.get(volume)
        if seed is None:
            raise SeedMissing(volume)
        return volume_keys(bytes.fromhex(seed))
