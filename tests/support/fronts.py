"""A LAN front in a process of its own, and the part of a Device that tells it its routes, in another.

Run as a program it is that part: `python -m support.fronts STATE NAME=PORT… [closed:NAME…] [https] [open:NAME=HOST…]`.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from mosaic.adapters import process
from mosaic.adapters.caddy import Caddy, CaddySilent
from mosaic.adapters.caddy_https import SERVER
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.services import MOSAIC, front_words
from mosaic.device.config import DeviceConfig
from mosaic.device.front import Front
from mosaic.device.front_folder import FrontFolder
from mosaic.device.records import Records
from support.waiting import eventually

_TOLD = "told-at"
_TESTS = Path(__file__).parents[1]


@dataclass
class OneFront:
    """The front of one state folder."""

    state: Path
    child: process.Child | None = None
    device: process.Child | None = None
    _devices: list[process.Child] = field(default_factory=list)

    @property
    def layout(self) -> Layout:
        return Layout(self.state)

    @property
    def folder(self) -> FrontFolder:
        return FrontFolder(self.layout.front)

    @property
    def log(self) -> str:
        return "".join(file.read_text() for file in sorted(self.state.glob("*.log")))

    def start(self) -> None:
        """Start the front, and wait until its Device could tell it something."""
        self.child = process.spawn([*MOSAIC, *front_words(self.layout)], log=self.state / "front.log")
        eventually(lambda: self.answers() or self.has_ended(), seen=lambda: self.log)

    def start_again(self, port: int) -> None:
        """Start one that knows its routes, and wait until it listens for them: its admin socket answers before."""
        self.start()
        eventually(lambda: self.port == port, seen=lambda: self.log)

    def has_ended(self) -> bool:
        return self.child is None or self.child.poll() is not None

    def answers(self) -> bool:
        return Caddy(self.folder.admin).answers()

    @property
    def port(self) -> int | None:
        """Where it listens, as Caddy itself says."""
        with contextlib.suppress(CaddySilent):
            return Caddy(self.folder.admin).port()
        return None

    def kill(self) -> None:
        """Kill -9 it."""
        assert self.child is not None
        os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait(60)

    def tell(self, routes: Mapping[str, int], closed: Sequence[str] = (), *, https: Sequence[str] = ()) -> int:
        """Start a Device with these routes, wait until it has told them, and return the port.

        `https` are further words: `https`, and `open:NAME=HOST` for an app that is open to the network.
        """
        self.begin_to_tell(routes, closed, https=https)
        return self.told()

    @property
    def secure_port(self) -> int | None:
        """Where it listens for HTTPS, as Caddy itself says."""
        return Caddy(self.folder.admin).port(SERVER)

    def begin_to_tell(
        self, routes: Mapping[str, int], closed: Sequence[str] = (), *, https: Sequence[str] = ()
    ) -> None:
        """Start a Device with these routes."""
        log = self.state / f"device-{len(self._devices)}.log"
        words = [f"{name}={port}" for name, port in routes.items()] + [f"closed:{name}" for name in closed]
        words += https
        path = os.pathsep.join([*sys.path, str(_TESTS)])
        argv = [sys.executable, "-m", "support.fronts", str(self.state), *words]
        self.device = process.spawn(argv, log=log, env={"PYTHONPATH": path})
        self._devices.append(self.device)

    def told(self) -> int:
        """Wait until the newest Device has told its routes, and return the port."""
        log = self.state / f"device-{len(self._devices) - 1}.log"
        eventually(lambda: f"{_TOLD} " in log.read_text(), seen=log.read_text)
        return int(log.read_text().rpartition(f"{_TOLD} ")[2].split()[0])

    def kill_device(self) -> None:
        """Kill -9 the Device."""
        assert self.device is not None
        os.kill(self.device.pid, signal.SIGKILL)
        self.device.wait(60)

    def close(self) -> None:
        """End what still runs."""
        for child in [*self._devices, *([self.child] if self.child is not None else [])]:
            child.stop(10)


@contextmanager
def one_front(state: Path, *, runs: bool = True) -> Iterator[OneFront]:
    """Yield a front that runs, and that nobody has told anything."""
    state.mkdir(exist_ok=True)
    made = OneFront(state)
    try:
        if runs:
            made.start()
        yield made
    finally:
        made.close()


async def _tell(state: Path, words: Sequence[str]) -> None:
    announced = dict(word.removeprefix("open:").split("=") for word in words if word.startswith("open:"))
    named = [word.partition("=") for word in words if not word.startswith("open:")]
    routes = {name: int(port) for name, _, port in named if port}
    closed = frozenset(word.removeprefix("closed:") for word in words if word.startswith("closed:"))
    layout = Layout(state)
    config = DeviceConfig("attic", state, state / "s", front=layout.front)
    with Records(state / "ledger") as records:
        secured = announced if "https" in words else None
        front = Front(config, records, lambda: routes, lambda: closed, secured=lambda: secured)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(front.run)
            while front.port is None:
                await anyio.sleep(0.02)
            # Its port is known a little before its routes are kept. Where they cannot be, names answer all the same.
            with contextlib.suppress(OSError):
                await front.refresh()
            print(f"{_TOLD} {front.port}", flush=True)


if __name__ == "__main__":
    anyio.run(_tell, Path(sys.argv[1]), sys.argv[2:])
