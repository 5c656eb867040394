"""Waiting for the storage daemon by its long poll, with a deadline for standing still."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from mosaic.core.errors import MosaicError, Unavailable
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.wire.storage import Failure, State, StateRequest, VolumeState

POLL_SECONDS = 20.0
STALL_SECONDS = 300.0

_Marks: TypeAlias = Mapping[str, tuple[str, str | None, int]]


class VolumeNotReady(MosaicError):
    """The storage daemon failed on a volume. The sentence is its own."""

    code = "volume-not-ready"

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, hint=failure.hint)
        self.failure = failure


class StorageStandsStill(Unavailable):
    """Nothing has moved for minutes."""

    code = "storage-stands-still"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the storage daemon has made no progress for {STALL_SECONDS / 60:g} minutes{why}",
            hint="it goes on by itself once the Hive answers; `mosaic doctor` looks at the way there",
        )


async def until(
    means: Means,
    volumes: Collection[str],
    satisfied: Callable[[VolumeState], bool],
    *,
    show: Callable[[list[VolumeState]], None],
    gave_up: Callable[[VolumeState], bool] = lambda seen: seen.phase == "failed",
) -> None:
    """Return as soon as every one of the volumes is `satisfied`; `show` gets each new sight of them.

    `gave_up` says that the daemon does not try any more, for the problem that the volume has.

    Raises:
        VolumeNotReady: one of them failed.
        StorageStandsStill: nothing changed for `STALL_SECONDS`.
    """
    state = await ask(means.storage.state, StateRequest())
    moved_ns, before = means.clock.boot_ns(), _marks(state, volumes, {})
    while True:
        found = [volume for volume in state.volumes if volume.volume in volumes]
        show(found)
        for volume in found:
            if volume.problem is not None and gave_up(volume) and not satisfied(volume):
                raise VolumeNotReady(volume.problem)
        if len(found) == len(volumes) and all(satisfied(volume) for volume in found):
            return
        if (marks := _marks(state, volumes, before)) != before:
            moved_ns, before = means.clock.boot_ns(), marks
        elif means.clock.boot_ns() - moved_ns > STALL_SECONDS * 10**9:
            raise StorageStandsStill(_why(found))
        state = await _next(means, state)


async def _next(means: Means, state: State) -> State:
    newer = await ask(means.storage.state, StateRequest(after=state.version, wait_seconds=POLL_SECONDS))
    if newer.run != state.run:
        # A restarted daemon counts anew; what it says now is what counts.
        return await ask(means.storage.state, StateRequest())
    return newer


def _marks(state: State, volumes: Collection[str], before: _Marks) -> _Marks:
    """How far each volume ever was: one that begins again and again, and never comes further, stands still."""
    furthest = {volume: moved for volume, (_, _, moved) in before.items()}
    return {
        seen.volume: (seen.phase, seen.local_head, max(seen.moved_bytes or 0, furthest.get(seen.volume, 0)))
        for seen in state.volumes
        if seen.volume in volumes
    }


def _why(found: list[VolumeState]) -> str:
    reason = next((volume.problem.message for volume in found if volume.problem), None)
    return f": {reason}" if reason else ""
