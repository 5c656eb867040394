"""A whole Device in this process, against a real Hive, with an engine and a storage daemon that are simulated."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.from_thread

from mosaic.adapters.clock import SystemClock
from mosaic.core.errors import MosaicError
from mosaic.core.ids import SessionId
from mosaic.device.config import DeviceConfig
from mosaic.device.device import Device
from mosaic.device.identity import Identity
from mosaic.wire.storage import SnapshotNow, VolumeState
from support.fake_engine import FakeEngine
from support.fake_storage import FakeStorage, FakeStore
from support.waiting import eventually


class Running:
    """A Device in a thread of its own. `ended` is what it ended with."""

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        session: str,
        engine: FakeEngine,
        storage: FakeStorage,
        trusted: tuple[Path, ...],
    ) -> None:
        self.engine, self.storage = engine, storage
        self.ended: MosaicError | None = None
        self.device: Device | None = None
        self._config = DeviceConfig(identity.name, folder, Path("/nowhere"), driver=storage.driver, trusted=trusted)
        self.identity, self._session = identity, session
        self._scope: anyio.CancelScope | None = None
        self._portal_thread = threading.Thread(target=lambda: anyio.run(self._main), daemon=True)

    async def _main(self) -> None:
        with anyio.CancelScope() as self._scope:
            self._token = anyio.lowlevel.current_token()
            try:
                self.device = Device(
                    self._config,
                    self.identity,
                    SessionId(self._session),
                    engine=self.engine,
                    storage=self.storage,
                    clock=SystemClock(),
                    draw=lambda: 0.01,
                    engine_version="20.10.24",
                )
                await self.device.run()
            except MosaicError as error:
                self.ended = error

    def start(self) -> None:
        self._portal_thread.start()
        eventually(lambda: hasattr(self, "_token"))

    def stop(self) -> None:
        if self._portal_thread.is_alive() and self._scope is not None:
            anyio.from_thread.run_sync(self._scope.cancel, token=self._token)
        self._portal_thread.join(60)
        assert not self._portal_thread.is_alive()

    @property
    def is_over(self) -> bool:
        return not self._portal_thread.is_alive()


class NothingArrives(FakeStorage):
    """A daemon whose snapshots never arrive: the Hive is a real one, and would miss heads that it did not accept."""

    def snapshot(self, request: SnapshotNow) -> VolumeState:
        """Do nothing about it."""
        return self._state_of(request.volume)


@contextmanager
def running_device(
    folder: Path, identity: Identity, *, session: str = "session-one-of-attic", before: Running | None = None
) -> Iterator[Running]:
    """Run a Device; on the machine of `before`, where that is given. It trusts the catalog of the Hive beside it."""
    engine = before.engine if before else FakeEngine()
    engine.have("notes:1")
    storage = before.storage if before else NothingArrives(FakeStore(), driver="mosaic-attic")
    engine.drivers["mosaic-attic"] = storage
    running = Running(folder, identity, session, engine, storage, (folder.parent / "hive" / "catalog",))
    running.start()
    try:
        yield running
    finally:
        running.stop()
