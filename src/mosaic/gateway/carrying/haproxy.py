"""A gateway's HAProxy, started with it, and again whenever it ends."""

import threading
from pathlib import Path

import anyio
from anyio import to_thread

from mosaic.adapters import child_log, log
from mosaic.adapters.haproxy.configuration import Listen, Settings
from mosaic.adapters.haproxy.router import HaproxyRouter
from mosaic.adapters.haproxy.running import LOG, HaproxyProcess, settings_here
from mosaic.core.errors import MosaicError

FOLDER = "haproxy"
_LOOK_SECONDS = 0.5
_LONGEST_SECONDS = 30.0


class KeptHaproxy:
    """It runs from when this is made. `renewed` is set when it had to be started again."""

    def __init__(self, state: Path, *, tls: Listen, plain: Listen, renewed: threading.Event) -> None:
        """Start it, or take over the one that runs. Raises HaproxyRefused, HaproxyTooOld, ProgramMissing."""
        folder = state / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._log = folder / LOG
        self._process = HaproxyProcess(folder)
        self._settings: Settings = settings_here([tls], [plain])
        self._renewed = renewed
        self._process.start(self._settings)
        self.router = HaproxyRouter(folder)

    async def keep(self) -> None:
        """Look often, and start it again when it does not answer, with a growing pause."""
        pause = _LOOK_SECONDS
        while True:
            await anyio.sleep(pause)
            child_log.keep_small(self._log)
            try:
                if await to_thread.run_sync(self._start_if_gone):
                    log.warning("haproxy_started_again")
                    self._renewed.set()
                pause = _LOOK_SECONDS
            except MosaicError as error:
                pause = min(pause * 2, _LONGEST_SECONDS)
                log.warning("haproxy_not_started", reason=error.message, hint=error.hint)

    def stop(self) -> None:
        """End it and its connections."""
        self._process.stop()

    def _start_if_gone(self) -> bool:
        if self._process.is_alive():
            return False
        self._process.start(self._settings)
        return True
