"""A Device as a process of its own, in a place of its own, with an engine and a storage daemon that are simulated.

What it tells changes whenever it is given another number: that stands for the
engine's version, which a report says as it is. A kill ends the simulated
engine too, as a loss of power would.
"""

import random
import secrets
from pathlib import Path

import anyio

from mosaic.adapters import process
from mosaic.adapters.clock import SystemClock
from mosaic.core.ids import SessionId
from mosaic.device import identity as identities
from mosaic.device.config import DeviceConfig
from mosaic.device.device import Device
from support.bad_line.places import Place
from support.bad_line.programs import kill, spawn
from support.fake_engine import FakeEngine
from support.fake_storage import FakeStore
from support.running_device import NothingArrives

_NUMBER = "number"
_LOOK_SECONDS = 0.1


class FarDevice:
    """`folder` has its identity, and everything else that outlives a kill."""

    def __init__(self, place: Place, folder: Path, trusted: Path) -> None:
        self.place, self.folder = place, folder
        self.log = folder / "device.log"
        self._trusted = trusted
        self._child: process.Child | None = None
        self.number = 0
        (folder / _NUMBER).write_text("0")

    @property
    def runs(self) -> bool:
        return self._child is not None

    def start(self) -> None:
        self._child = self.place.do(lambda: spawn("device", self.folder, str(self._trusted), log=self.log))

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._child is not None:
            kill(self._child)
            self._child = None

    def change(self) -> int:
        """Give it another number to tell, now or when it is started next, and return it."""
        self.number += 1
        draft = self.folder / "number.new"
        draft.write_text(str(self.number))
        draft.replace(self.folder / _NUMBER)
        return self.number

    def read(self) -> int:
        """Return how often it read logs."""
        file = self.folder / "read"
        return len(file.read_bytes()) if file.exists() else 0


class _Engine(FakeEngine):
    """Notes how often it was asked for logs."""

    folder = Path()

    async def logs(self, project: str, file: Path, *, service: str | None, lines: int) -> str:
        with (self.folder / "read").open("ab") as notes:
            notes.write(b".")
        return await super().logs(project, file, service=service, lines=lines)


def main(folder: str, trusted: str) -> None:
    """Be that process."""
    anyio.run(_run, Path(folder), Path(trusted))


async def _run(folder: Path, trusted: Path) -> None:
    storage = NothingArrives(FakeStore(), driver="mosaic-far")
    engine = _Engine(drivers={"mosaic-far": storage})
    engine.folder = folder
    engine.have("notes:1")
    found = identities.load(folder / "identity.json")
    config = DeviceConfig(found.name, folder, Path("/nowhere"), driver=storage.driver, trusted=(trusted,))
    device = Device(
        config,
        found,
        SessionId(secrets.token_hex(16)),
        engine=engine,
        storage=storage,
        clock=SystemClock(),
        draw=random.random,
        engine_version=_number(folder),
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_take_numbers, folder, device)
        await device.run()


async def _take_numbers(folder: Path, device: Device) -> None:
    while True:
        await anyio.sleep(_LOOK_SECONDS)
        number = _number(folder)
        if number != device._engine_version:
            device._engine_version = number
            device._changed()


def _number(folder: Path) -> str:
    return f"27.0.{(folder / _NUMBER).read_text()}"
