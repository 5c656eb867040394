"""HAProxy's process, by the folder that it runs in.

It outlives who started it, so connections go on while the gateway is restarted: `start`
takes over one that runs and has the wanted configuration, which it says itself (`mark_of`).
One that has another is ended, with its connections, once the new text was found good.

The folder's files: `haproxy.cfg`, `routes.map`, `admin.sock` (0600), `haproxy.log` of the
last start, and `empty`, which a HAProxy that was started as root is locked into.
"""

import contextlib
import os
import pwd
import resource
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from mosaic.adapters import process
from mosaic.adapters.haproxy import program, words
from mosaic.adapters.haproxy.configuration import (
    ADMIN_SOCKET,
    EMPTY_FOLDER,
    ROUTES_FILE,
    Listen,
    RunAs,
    Settings,
    connections_within,
    mark_of,
    render,
)
from mosaic.adapters.haproxy.router import HaproxyRouter
from mosaic.adapters.haproxy.routes_file import RoutesFile
from mosaic.adapters.haproxy.runtime import HaproxyRefused, HaproxySilent, Runtime
from mosaic.adapters.private_file import sync_folder, write_private

CONFIGURATION = "haproxy.cfg"
LOG = "haproxy.log"
START_SECONDS = 30.0
STOP_SECONDS = 5.0
_CHECK_SECONDS = 30.0
_LOOK_SECONDS = 0.01
_INHERITED = frozenset({"PATH"})
_USERS = ("haproxy", "nobody")
_NOBODY = 65534
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_TOLD_LINES = 6


class HaproxyProcess:
    """One HAProxy and its folder, which must exist and be its alone. One caller at a time."""

    def __init__(self, folder: Path, *, binary: str = program.PROGRAM) -> None:
        self._folder = folder
        self._binary = binary
        self._runtime = Runtime(folder / ADMIN_SOCKET)
        self._child: process.Child | None = None

    def start(self, settings: Settings) -> None:
        """Have one run with these settings, and return when it answers. One that does already goes on as it is.

        Only connections end that whoever ran it before should have ended with their routes, and was killed first.

        Raises:
            ProgramMissing, HaproxyTooOld: there is none that could be run.
            HaproxyRefused: it does not take them. What ran goes on if that was found before it was ended.
        """
        wanted = render(settings)
        runs = self._information()
        if runs.get("description") == mark_of(wanted):
            HaproxyRouter(self._folder).remove(())
            return
        self._write(wanted)
        self.stop()
        (self._folder / LOG).unlink(missing_ok=True)
        argv = program.run(self._path(), self._folder / CONFIGURATION)
        self._child = process.spawn(argv, cwd=self._folder, log=self._folder / LOG, inherited=_INHERITED)
        self._await_answer(self._child)

    def is_alive(self) -> bool:
        """Whether it answers. One that was killed does not; `start` has another run."""
        return bool(self._information())

    @property
    def pid(self) -> int | None:
        """Its process id; None where none answers."""
        pid = self._information().get("Pid", "")
        return int(pid) if pid.isdigit() else None

    def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """End it and its connections, whoever started it. None that runs is no error."""
        if self._child is not None:
            self._child.stop(grace_seconds)
            self._child = None
        pidfd = self._runtime.pidfd()
        if pidfd is not None:
            try:
                _end(pidfd, grace_seconds)
            finally:
                os.close(pidfd)

    def _information(self) -> dict[str, str]:
        with contextlib.suppress(HaproxySilent):
            return words.information_of(self._runtime.ask(words.INFO))
        return {}

    def _write(self, wanted: str) -> None:
        """Put the configuration in place of the one before, if HAProxy finds no fault with it."""
        binary = self._path()
        program.check_version(process.run(program.version(binary), deadline_seconds=_CHECK_SECONDS).text)
        RoutesFile(self._folder / ROUTES_FILE).mend()
        (self._folder / EMPTY_FOLDER).mkdir(mode=0o555, exist_ok=True)
        draft = self._folder / f"{CONFIGURATION}.draft"
        write_private(draft, wanted.encode())
        checked = process.attempt(
            program.check(binary, draft), deadline_seconds=_CHECK_SECONDS, inherited=_INHERITED, cwd=self._folder
        )
        if checked.code != 0:
            raise HaproxyRefused(checked.last_lines())
        draft.replace(self._folder / CONFIGURATION)
        sync_folder(self._folder)

    def _path(self) -> str:
        """Return the program's path: Debian has it where only root's PATH looks."""
        return shutil.which(self._binary) or shutil.which(self._binary, path=_SYSTEM_PATH) or self._binary

    def _await_answer(self, child: process.Child) -> None:
        deadline, pause = time.monotonic() + START_SECONDS, threading.Event()
        while self.pid != child.pid:
            if child.poll() is not None:
                raise HaproxyRefused(self._said())
            if time.monotonic() > deadline:
                self.stop()
                raise HaproxySilent(f"it was started, and says: {self._said()}")
            pause.wait(_LOOK_SECONDS)

    def _said(self) -> str:
        log = self._folder / LOG
        text = log.read_text(errors="replace") if log.exists() else ""
        return "\n".join(text.strip().splitlines()[-_TOLD_LINES:]) or "nothing"


def settings_here(tls: Sequence[Listen], plain: Sequence[Listen]) -> Settings:
    """Return settings for our rights: as many connections as descriptors allow, and for root another user."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors = sys.maxsize if most == resource.RLIM_INFINITY else most
    return Settings(tuple(tls), tuple(plain), connections_within(descriptors), run_as=_run_as())


def _run_as() -> RunAs | None:
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            return RunAs(found.pw_uid, found.pw_gid)
    return RunAs(_NOBODY, _NOBODY)


def _end(pidfd: int, grace_seconds: float) -> None:
    """Ask a process that need not be our child to end, and kill it when it does not."""
    for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, STOP_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, number)
        if select.select([pidfd], [], [], seconds)[0]:
            return
