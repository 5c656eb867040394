"""The link's Caddy: started to serve the LAN or nothing, told more by its admin socket, started again when it ends."""

import contextlib
from pathlib import Path

import anyio
from anyio import to_thread

from mosaic.adapters import caddy, caddy_link, log, process
from mosaic.adapters.caddy import Caddy, Json
from mosaic.adapters.private_file import write_private
from mosaic.core.errors import MosaicError, Unavailable

START_SECONDS = 20.0
STOP_SECONDS = 3.0

_LOOK_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0
_INHERITED = frozenset(["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"])
"""Of the container's environment; a token is none of it."""

_MEMORY = {"GOMEMLIMIT": "96MiB", "GOGC": "100"}


class LinkCaddyFailed(Unavailable):
    """Caddy does not run."""

    code = "link-caddy-failed"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the link's Caddy did not start: {reason}", hint="its own words stand above this line in the link's log"
        )


class CaddyProcess:
    """One Caddy of this process. Its files lie in `folder`, which is in memory."""

    def __init__(self, folder: Path, binary: str = caddy.PROGRAM) -> None:
        self._folder = folder
        self._binary = binary
        self._admin = folder / "admin.sock"
        self._begins: Json = caddy_link.idle(self._admin)
        self._wanted = self._begins
        self._child: process.Child | None = None
        self._turn = anyio.Lock()

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self._folder

    @property
    def admin(self) -> Path:
        """Its admin socket."""
        return self._admin

    @property
    def pid(self) -> int | None:
        """Its process; None while there is none."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def check(self) -> None:
        """Raise CaddyTooOld, or ProgramMissing."""
        caddy.check_version(process.run(caddy.version(self._binary), deadline_seconds=caddy.DEADLINE_SECONDS).text)

    def begin_with(self, configuration: Json) -> None:
        """Say what it serves when it is started, before it was told anything else."""
        self._begins = self._wanted = configuration

    async def start(self) -> None:
        """Start it with what it begins with: nothing, if nothing was said. Raises LinkCaddyFailed."""
        async with self._turn:
            await self._start()

    async def load(self, configuration: Json) -> None:
        """Make this its configuration, now and whenever it is started again. What it refuses is not kept.

        Raises:
            CaddyRefused: it goes on with the one before.
            CaddySilent: it does not run now.
        """
        async with self._turn:
            await to_thread.run_sync(Caddy(self._admin).load, configuration)
            self._wanted = configuration

    async def keep(self) -> None:
        """Start it again whenever it ends, with a growing pause."""
        pause = _LOOK_SECONDS
        while True:
            await anyio.sleep(pause)
            if self.pid is not None:
                pause = _LOOK_SECONDS
                continue
            try:
                async with self._turn:
                    await self._start()
                    await to_thread.run_sync(Caddy(self._admin).load, self._wanted)
                log.warning("link_caddy_started_again")
            except MosaicError as error:
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                log.warning("link_caddy_failed", reason=error.message)

    def stop(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)

    async def _start(self) -> None:
        self.stop()
        self._admin.unlink(missing_ok=True)
        file = self._folder / "caddy.json"
        write_private(file, caddy.write(self._begins))
        home = {name: str(self._folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        # In this thread: the kernel ends the child when the thread that made it ends.
        words = caddy.run_with_parent(self._binary, file)
        self._child = process.spawn(words, env={**home, **_MEMORY}, inherited=_INHERITED)
        with anyio.move_on_after(START_SECONDS):
            while not (self._admin.exists() and await to_thread.run_sync(Caddy(self._admin).answers)):
                if self._child.poll() is not None:
                    raise LinkCaddyFailed(f"it ended with code {self._child.poll()}")
                await anyio.sleep(0.02)
            return
        with contextlib.suppress(ProcessLookupError):
            self.stop()
        raise LinkCaddyFailed(f"it was not there after {START_SECONDS:g} s")
