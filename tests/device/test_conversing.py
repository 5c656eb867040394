"""A whole Device against a real Hive: the channel, work, commands, and the end of a session."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.from_thread
import pytest

from mosaic.adapters.clock import SystemClock
from mosaic.core.errors import MosaicError
from mosaic.core.ids import SessionId
from mosaic.core.session import SessionSuperseded
from mosaic.device.config import DeviceConfig
from mosaic.device.device import Device
from mosaic.device.enrol import enrol
from mosaic.device.identity import Identity
from mosaic.wire.api import Logs
from support.fake_engine import FakeEngine
from support.fake_storage import FakeStorage, FakeStore
from support.running_hive import PASSPHRASE, Owner, RunningHive
from support.waiting import eventually


class Running:
    """A Device in a thread of its own. `ended` is what it ended with."""

    def __init__(
        self, folder: Path, identity: Identity, session: str, engine: FakeEngine, storage: FakeStorage
    ) -> None:
        self.engine, self.storage = engine, storage
        self.ended: MosaicError | None = None
        self.device: Device | None = None
        self._config = DeviceConfig(identity.name, folder, Path("/nowhere"), driver=storage.driver, front=False)
        self._identity, self._session = identity, session
        self._scope: anyio.CancelScope | None = None
        self._portal_thread = threading.Thread(target=lambda: anyio.run(self._main), daemon=True)

    async def _main(self) -> None:
        with anyio.CancelScope() as self._scope:
            self.device = Device(
                self._config,
                self._identity,
                SessionId(self._session),
                engine=self.engine,
                storage=self.storage,
                clock=SystemClock(),
                draw=lambda: 0.01,
                engine_version="20.10.24",
            )
            self._token = anyio.lowlevel.current_token()
            try:
                await self.device.run()
            except MosaicError as error:
                self.ended = error

    def start(self) -> None:
        self._portal_thread.start()
        eventually(lambda: hasattr(self, "_token"))

    def stop(self) -> None:
        if self._portal_thread.is_alive() and self._scope is not None:
            anyio.from_thread.run_sync(self._scope.cancel, token=self._token)
        self._portal_thread.join(15)
        assert not self._portal_thread.is_alive()

    @property
    def is_over(self) -> bool:
        return not self._portal_thread.is_alive()


@contextmanager
def device(folder: Path, identity: Identity, *, session: str = "session-one-of-attic") -> Iterator[Running]:
    engine = FakeEngine()
    engine.have("notes:1")
    storage = FakeStorage(FakeStore(), driver="mosaic-attic")
    engine.drivers["mosaic-attic"] = storage
    running = Running(folder, identity, session, engine, storage)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def identity(owner: Owner, tmp_path: Path) -> Identity:
    return enrol(tmp_path / "attic", owner.join_token(), "attic", passphrase=PASSPHRASE)


def phase_of(owner: Owner, device: str) -> Callable[[], str]:
    def look() -> str:
        report = owner.installation().reports.get(device)
        return report.phase if report else ""

    return look


def test_an_install_ends_with_the_app_running_here(owner: Owner, identity: Identity, tmp_path: Path) -> None:
    with device(tmp_path / "attic", identity) as running:
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")

    assert len(running.engine.running) == 1
    assert running.storage.upstreams[-1].device == identity.device


def test_an_app_goes_on_when_the_hive_is_gone(
    hive: RunningHive, owner: Owner, identity: Identity, tmp_path: Path
) -> None:
    with device(tmp_path / "attic", identity) as running:
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")

        hive.stop()

        assert len(running.engine.running) == 1


def test_logs_are_read_by_a_command(owner: Owner, identity: Identity, tmp_path: Path) -> None:
    with device(tmp_path / "attic", identity):
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")
        with owner.client() as client:
            logs = client.get("/api/installations/notes/logs?service=web&lines=7", Logs)

    assert logs.text.endswith("web 7")


def test_a_newer_session_stops_the_apps_of_the_older_one_and_ends_it(
    owner: Owner, identity: Identity, tmp_path: Path
) -> None:
    with device(tmp_path / "attic", identity) as older:
        eventually(lambda: owner.devices()[0].connected)
        owner.install()
        eventually(lambda: phase_of(owner, identity.device)() == "running")
        (tmp_path / "clone").mkdir()
        with device(tmp_path / "clone", identity, session="session-of-the-clone"):
            eventually(lambda: older.is_over)

    assert isinstance(older.ended, SessionSuperseded)
    assert older.engine.running == {}
    assert {volume.phase for volume in older.storage.volumes.values()} == {"set-aside"}


def test_a_device_that_was_removed_ends_with_the_reason(owner: Owner, identity: Identity, tmp_path: Path) -> None:
    with device(tmp_path / "attic", identity) as running:
        eventually(lambda: owner.devices()[0].connected)
        with owner.client() as client:
            client.order("DELETE", f"/api/devices/{identity.device}")
        eventually(lambda: running.is_over)

    assert running.ended is not None and "removed" in running.ended.message


def test_a_hive_with_another_key_is_not_obeyed(owner: Owner, identity: Identity, tmp_path: Path) -> None:
    import msgspec

    fooled = msgspec.structs.replace(identity, hive_key="ab" * 32)
    with device(tmp_path / "attic", fooled) as running:
        eventually(lambda: running.device is not None)
        assert not owner.devices()[0].connected
