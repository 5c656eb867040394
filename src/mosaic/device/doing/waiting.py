"""Waiting for the storage daemon by its long poll, with a deadline for standing still."""

from collections.abc import Callable, Collection

from mosaic.core.errors import MosaicError, Unavailable
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.wire.storage import Failure, State, StateRequest, VolumeState

POLL_SECONDS = 20.0
STALL_SECONDS = 300.0


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
) -> None:
    """Return as soon as every one of the volumes is `satisfied`; `show` gets each new sight of them.

    Raises:
        VolumeNotReady: one of them failed.
        StorageStandsStill: nothing changed for `STALL_SECONDS`.
    """
    state = await ask(means.storage.state, StateRequest())
    moved_ns, before = means.clock.boot_ns(), _marks(state, volumes)
    while True:
        found = [volume for volume in state.volumes if volume.volume in volumes]
        show(found)
        failed = next((volume.problem for volume in found if volume.phase == "failed" and volume.problem), None)
        if failed is not None:
            raise VolumeNotReady(failed)
        if len(found) == len(volumes) and all(satisfied(volume) for volume in found):
            return
        if (marks := _marks(state, volumes)) != before:
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


def _marks(state: State, volumes: Collection[str]) -> list[tuple[str, str | None, int | None]]:
    return [(seen.phase, seen.local_head, seen.moved_bytes) for seen in state.volumes if seen.volume in volumes]


def _why(found: list[VolumeState]) -> str:
    reason = next((volume.problem.message for volume in found if volume.problem), None)
    return f": {reason}" if reason else ""
