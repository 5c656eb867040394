"""The LAN front: one local Caddy that leads `http://<name>.localhost:<port>` to each app's web port.

Caddy is a child in a session of its own: it outlives a Device that was
killed, and the next Device adopts it by its admin socket. Its configuration is
made from what runs here, and only that; Caddy itself remembers nothing.
Without a usable Caddy the front is off, and apps are reached by 127.0.0.1.
"""

import contextlib
from collections.abc import Callable, Mapping

import anyio
import msgspec

from mosaic.adapters import caddy, log, process
from mosaic.adapters.caddy import Caddy, CaddySilent
from mosaic.adapters.private_file import write_private
from mosaic.core.errors import MosaicError, Refused
from mosaic.device import checks
from mosaic.device.bell import Bell
from mosaic.device.config import DeviceConfig
from mosaic.device.doing.ports import is_free
from mosaic.device.outside import ask
from mosaic.device.records import Records

FIRST_PORT = 8480
LAST_PORT = 8999
START_SECONDS = 15.0
LOOK_SECONDS = 20.0
STOP_SECONDS = 5.0
_LOG_BYTES = 1024 * 1024

Routes = Callable[[], Mapping[str, int]]
"""Each app's name, and the loopback port that its web page is on."""


class NoFrontPort(Refused):
    """Every port that the front may take is taken."""

    code = "no-front-port"

    def __init__(self) -> None:
        super().__init__(
            f"no port from {FIRST_PORT} to {LAST_PORT} is free for the LAN front",
            hint="stop what listens there: `ss -ltnp` lists it",
        )


class FrontNotStarted(MosaicError):
    """Caddy ended at its start."""

    code = "front-not-started"

    def __init__(self) -> None:
        super().__init__(
            "the LAN front could not be started", hint="its reason is in `front.log` in the Device's state folder"
        )


class Front:
    """The front of one Device. `port` is None while it is off; `child` the Caddy that was started here, if one was."""

    def __init__(self, config: DeviceConfig, records: Records, routes: Routes) -> None:
        self.port: int | None = None
        self._config = config
        self._records = records
        self._routes = routes
        self._bell = Bell()
        self._folder = config.state / "front"
        self._socket = self._folder / "admin.sock"
        self._caddy = Caddy(self._socket)
        self.child: process.Child | None = None
        self._loaded: caddy.Json | None = None

    def changed(self) -> None:
        """Something that runs here may have changed."""
        self._bell.ring()

    async def run(self) -> None:
        """Keep the front as it should be, until cancelled."""
        if not self._config.front:
            return
        try:
            await checks.check_front(self._config)
        except MosaicError as error:
            log.warning("front_off", code=error.code, reason=error.message, hint=error.hint)
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        while True:
            try:
                await self._refresh()
            except MosaicError as error:
                self._loaded = None
                log.warning("front_not_refreshed", code=error.code, reason=error.message)
            await self._bell.wait(LOOK_SECONDS)

    async def stop(self) -> None:
        """End Caddy; for a clean stop of the Device. None that runs is fine."""
        if self.port is None:
            return
        with contextlib.suppress(MosaicError):
            await ask(self._caddy.stop)
        if self.child is not None:
            await ask(self.child.stop, STOP_SECONDS)

    async def _refresh(self) -> None:
        """Have Caddy run with the configuration of now."""
        port = self.port or self._chosen_port()
        wanted = caddy.front(self._socket, port, self._routes())
        if wanted == self._loaded and self._is_running():
            return
        try:
            await ask(self._caddy.load, wanted)
        except CaddySilent:
            port = await self._start(port)
            wanted = caddy.front(self._socket, port, self._routes())
            await ask(self._caddy.load, wanted)
        if self.port != port:
            log.info("front_on", port=port)
        self.port, self._loaded = port, wanted

    async def _start(self, port: int) -> int:
        if not is_free("tcp", port):
            # It was ours once, and somebody else has it now.
            port = self._free_port()
        file = self._folder / "first.json"
        write_private(file, caddy.write(caddy.front(self._socket, port, {})))
        self._socket.unlink(missing_ok=True)
        log_file = self._config.state / "front.log"
        if log_file.exists() and log_file.stat().st_size > _LOG_BYTES:
            log_file.unlink()
        words = caddy.run(self._config.caddy, file)
        self.child = process.spawn(words, env=caddy.environment(self._folder), log=log_file)
        with anyio.move_on_after(START_SECONDS):
            while not self._socket.exists():
                if self.child.poll() is not None:
                    raise FrontNotStarted
                await anyio.sleep(0.02)
        self._keep(port)
        return port

    def _is_running(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        return self._caddy.answers()

    def _chosen_port(self) -> int:
        return self._records.device.front_port or self._free_port()

    def _free_port(self) -> int:
        wished = self._config.front_port
        candidates = range(FIRST_PORT, LAST_PORT + 1)
        for port in candidates if wished is None else [wished, *candidates]:
            if is_free("tcp", port):
                return port
        raise NoFrontPort

    def _keep(self, port: int) -> None:
        self._records.device = msgspec.structs.replace(self._records.device, front_port=port)
