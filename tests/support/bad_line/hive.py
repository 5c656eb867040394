"""A Hive as a process of its own, in a place of its own, and what its owner asks it from there.

Its clock is the machine's, and can be set ahead as if that time had passed.
"""

from pathlib import Path
from unittest import mock

from mosaic.adapters import process
from mosaic.adapters.api_client import HiveClient, read_untrusted_identity
from mosaic.adapters.clock import SystemClock
from mosaic.core.errors import MosaicError
from mosaic.hive import serve
from mosaic.hive.config import HiveConfig
from mosaic.wire.api import LoggedIn, Setup
from support.bad_line.places import Place
from support.bad_line.programs import kill, spawn
from support.migrated import write_migrated
from support.running_hive import PASSWORD, SETUP_CODE, Owner, RunningHive, made_keys, write_app
from support.waiting import eventually

PORT = 8930


class ClockAhead(SystemClock):
    """Ahead by as many seconds as a file says."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def wall_ns(self) -> int:
        return super().wall_ns() + self._ahead_ns()

    def boot_ns(self) -> int:
        return super().boot_ns() + self._ahead_ns()

    def _ahead_ns(self) -> int:
        return int(self._file.read_text()) * 10**9


class FarHive(RunningHive):
    """A Hive with one app in its catalog. What it is asked has to be asked from its place."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder
        write_app(folder / "catalog")
        config = _config(folder, place.address)
        super().__init__(config, SystemClock())
        write_migrated(config.state / "hive.db")
        self.url = f"https://{place.address}:{PORT}"
        self.log = folder / "hive.log"
        self.let_pass(0)
        self._ca_pem: str | None = None
        self._child: process.Child | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._child = self.place.do(lambda: spawn("hive", self.folder, self.place.address, log=self.log))
        eventually(self._answers, seen=lambda: self.log.read_text()[-2000:])

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._child is not None:
            kill(self._child)
            self._child = None

    def let_pass(self, seconds: int) -> None:
        """Let its clocks be ahead by so much."""
        draft = self.folder / "ahead.new"
        draft.write_text(str(seconds))
        draft.replace(self.folder / "ahead")

    def set_up(self) -> Owner:
        with HiveClient(self.url, ca_pem=self._ca_pem) as client:
            wish = Setup(SETUP_CODE, "ada", PASSWORD, made_keys().new)
            return Owner(self, client.send("POST", "/api/setup", wish, LoggedIn))

    def client_of(self, token: str) -> HiveClient:
        if token not in self._clients:
            self._clients[token] = HiveClient(self.url, token=token, ca_pem=self._ca_pem)
        return self._clients[token]

    def close(self) -> None:
        """Kill it, and let its clients go."""
        self.kill()
        self.stop()

    def _answers(self) -> bool:
        try:
            self._ca_pem = self.place.do(lambda: read_untrusted_identity(self.url)).ca_pem
        except MosaicError:
            return False
        return True


def _config(folder: Path, address: str) -> HiveConfig:
    return HiveConfig(
        state=folder / "hive",
        machine="the-hive's-machine",
        listen=address,
        port=PORT,
        catalogs=(folder / "catalog",),
        setup_code=SETUP_CODE,
    )


def main(folder: str, address: str) -> None:
    """Be that process."""
    with mock.patch.object(serve, "SystemClock", lambda: ClockAhead(Path(folder, "ahead"))):
        serve.serve(_config(Path(folder), address))
