"""How long a Device waits for its storage daemon."""

from dataclasses import replace
from itertools import cycle
from pathlib import Path

import anyio
import msgspec
import pytest

from mosaic.device.doing.waiting import StorageStandsStill, until
from mosaic.wire.storage import Failure, Hold, State, StateRequest
from support.device_world import World
from support.fake_storage import FakeStorage, FakeStore
from support.manual_clock import ManualClock

VOLUME = "ab" * 32


class Stuttering(FakeStorage):
    """A daemon whose restore begins again and again, and never comes further than the last time."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(FakeStore())
        self._clock = clock
        self._moved = cycle((0, 100, 200))
        self.looks = 0

    def state(self, request: StateRequest) -> State:
        self._clock.advance(15)
        self.looks += 1
        state = super().state(StateRequest())
        slow = Failure("store-unavailable", "the store does not answer", "it is tried again by itself")
        volumes = [
            msgspec.structs.replace(one, phase="restoring", moved_bytes=next(self._moved), problem=slow)
            for one in state.volumes
        ]
        return msgspec.structs.replace(state, volumes=volumes)


def test_a_restore_that_only_ever_begins_again_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    clock = ManualClock()
    storage = Stuttering(clock)
    storage.hold(Hold(VOLUME, "notes", "data", "00" * 32, "1.1", None, None, 1))
    means = replace(World(tmp_path).run().means, storage=storage, clock=clock)

    async def wait() -> None:
        await until(means, [VOLUME], lambda seen: seen.phase == "ready", show=lambda _: None)

    with pytest.raises(StorageStandsStill, match="the store does not answer"):
        anyio.run(wait)
    assert storage.looks < 30
