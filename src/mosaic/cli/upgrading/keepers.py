"""Who runs the Hive of a state folder, and how they are told: a supervisor, systemd, or nobody just now."""

import os
import time
from pathlib import Path
from typing import Protocol

from mosaic.adapters import process
from mosaic.cli.up import install, lock, services, settings, systemd, unit_words
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import Note, read_note
from mosaic.cli.up.supervise import LOOK_SIGNAL, SUPERVISOR
from mosaic.cli.upgrading import journal
from mosaic.cli.upgrading.patience import until
from mosaic.core.errors import Refused, Unavailable

_HIVE_UNIT = "mosaic-hive.service"
_FRONT_UNIT = "mosaic-front.service"
_UNITS = {
    "hive": _HIVE_UNIT,
    "storage": "mosaic-storage.service",
    "device": "mosaic-device.service",
    "front": _FRONT_UNIT,
    "gateway": systemd.GATEWAY,
}
_STOP_SECONDS = 60.0
_START_SECONDS = 90.0
_SYSTEMCTL_SECONDS = 180.0


class HiveNotStopped(Unavailable):
    """Whoever runs the Hive did not follow."""

    code = "hive-not-stopped"

    def __init__(self) -> None:
        super().__init__(
            f"the Hive was not stopped within {_STOP_SECONDS:g} s; nothing was changed",
            hint="look at the terminal or the journal of `mosaic up`, and try again",
        )


class SupervisorTooOld(Refused):
    """The running supervisor does not know of upgrades."""

    code = "supervisor-too-old"

    def __init__(self) -> None:
        super().__init__(
            "the `mosaic up` that runs here is of a version that cannot be upgraded while it runs",
            hint="stop it, run `mosaic upgrade` again, and start the new version's `mosaic up`",
        )


class NothingToUpgrade(Refused):
    """No Hive lies in the state folder."""

    code = "nothing-to-upgrade"

    def __init__(self, layout: Layout) -> None:
        super().__init__(
            f"there is no Hive in {layout.state}", hint="name the state folder of `mosaic up` with `--state`"
        )


def require_there(layout: Layout) -> None:
    """Return when there is a Hive to upgrade. Raises NothingToUpgrade."""
    if not (layout.hive / "hive.db").exists():
        raise NothingToUpgrade(layout)


class Keeper(Protocol):
    """Stops and starts the Hive as the journal says, and moves the other services on."""

    def programs(self) -> dict[str, str]:
        """Return the Pythons that run the services, as far as they are not the keeper's own."""

    def stop_hive(self) -> None:
        """Return when the Hive does not run. Raises HiveNotStopped."""

    def start_hive(self, program: str | None) -> bool:
        """Start it by that Python, None for the one before; say whether it answers in time."""

    def is_hive_up(self) -> bool:
        """Whether it runs and answers."""

    def restart(self, service: str, program: str) -> bool:
        """Start another service again by that Python; say whether it is ready in time."""

    def mark(self) -> int:
        """Return where the Hive's next words will be, for `last_words`."""

    def last_words(self, since: int) -> str:
        """Return the error that the Hive wrote since that mark, or its last line; "" when it said nothing."""

    def end(self) -> None:
        """Stop what was started for the upgrade alone."""


def find(layout: Layout) -> Keeper:
    """Return who runs the Hive here. Raises SupervisorTooOld, StateInUse."""
    if install.has_systemd() and (install.UNIT_FOLDER / _HIVE_UNIT).exists():
        return BySystemd(layout)
    if read_note(layout.note(SUPERVISOR)) is not None:
        return BySupervisor(layout)
    try:
        lock.take(layout.lock)
    except lock.StateInUse:
        raise SupervisorTooOld from None
    return Alone(layout)


class BySupervisor:
    """A `mosaic up` in a terminal: it follows the journal when it is told to look."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._service = services.hive(layout, settings.load(layout.settings), parent=None)
        self._started: Note | None = None

    def programs(self) -> dict[str, str]:
        kept = journal.read(self._layout)
        return dict(kept.programs) if kept is not None else {}

    def stop_hive(self) -> None:
        if not self._is_followed(_STOP_SECONDS):
            raise HiveNotStopped

    def start_hive(self, program: str | None) -> bool:  # noqa: ARG002 (the journal names it)
        if not self._is_followed(_STOP_SECONDS):
            return False
        self._started = read_note(self._layout.note("hive"))
        return until(lambda: self.is_hive_up() or not self._is_same(), _START_SECONDS) and self._is_same()

    def is_hive_up(self) -> bool:
        return self._is_same() and self._service.is_ready()

    def _is_same(self) -> bool:
        """Whether the process that was started still runs. One that ended is started again, and was not well."""
        return self._started is not None and read_note(self._layout.note("hive")) == self._started

    def restart(self, service: str, program: str) -> bool:  # noqa: ARG002 (the journal names it)
        is_there = read_note(self._layout.note(service)) is not None
        return self._is_followed(_START_SECONDS) and (not is_there or read_note(self._layout.note(service)) is not None)

    def mark(self) -> int:
        return _size(self._layout.log("hive"))

    def last_words(self, since: int) -> str:
        return _said(self._layout.log("hive"), since)

    def end(self) -> None:
        return None

    def _is_followed(self, seconds: float) -> bool:
        """Tell the supervisor to look, and wait until it has done what the journal says."""
        found = read_note(self._layout.note(SUPERVISOR))
        if found is None:
            return False
        os.kill(found.pid, LOOK_SIGNAL)
        words, followed = journal.words(self._layout), journal.followed(self._layout)
        return until(lambda: followed.exists() and followed.read_text() == words, seconds)


class BySystemd:
    """Units that `mosaic up --install` wrote: the program in them is replaced."""

    def __init__(self, layout: Layout, folder: Path = install.UNIT_FOLDER) -> None:
        self._service = services.hive(layout, settings.load(layout.settings), parent=None)
        self._folder = folder
        self._layout = layout
        self._started = "0"

    def programs(self) -> dict[str, str]:
        return {
            service: systemd.program_of((self._folder / unit).read_text())
            for service, unit in _UNITS.items()
            if (self._folder / unit).exists()
        }

    def stop_hive(self) -> None:
        process.run(["systemctl", "stop", _HIVE_UNIT], deadline_seconds=_SYSTEMCTL_SECONDS)

    def start_hive(self, program: str | None) -> bool:
        if program is not None:
            self._replace(_HIVE_UNIT, systemd.with_program((self._folder / _HIVE_UNIT).read_text(), program))
        process.run(["systemctl", "start", _HIVE_UNIT], deadline_seconds=_SYSTEMCTL_SECONDS)
        self._started = self._main_pid()
        return until(lambda: self.is_hive_up() or not self._is_same(), _START_SECONDS) and self._is_same()

    def is_hive_up(self) -> bool:
        return self._is_same() and self._service.is_ready()

    def _is_same(self) -> bool:
        """Whether the process that was started still runs. One that systemd started again was not well."""
        return self._started != "0" and self._main_pid() == self._started

    def _main_pid(self) -> str:
        words = ["systemctl", "show", "--property", "MainPID", "--value", _HIVE_UNIT]
        return process.attempt(words, deadline_seconds=_SYSTEMCTL_SECONDS).text.strip()

    def restart(self, service: str, program: str) -> bool:
        unit = _UNITS[service]
        if not (self._folder / unit).exists():
            return True
        self._replace(unit, systemd.with_program((self._folder / unit).read_text(), program))
        if unit == _FRONT_UNIT:
            # It has become Caddy, which is of no version of ours: nobody's visit is cut short for it.
            return True
        done = process.attempt(["systemctl", "try-restart", unit], deadline_seconds=_SYSTEMCTL_SECONDS)
        return done.code == 0

    def mark(self) -> int:
        return int(time.time())

    def last_words(self, since: int) -> str:
        return unit_words.last_error(_HIVE_UNIT, since=since)

    def end(self) -> None:
        # The units name the program themselves.
        journal.forget(self._layout)

    def _replace(self, unit: str, text: str) -> None:
        install.write({unit: text}, self._folder)
        process.run(["systemctl", "daemon-reload"], deadline_seconds=_SYSTEMCTL_SECONDS)


class Alone:
    """Nobody runs it: it is started for the trial, and stopped at the end."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._service = services.hive(layout, settings.load(layout.settings), parent=os.getpid())
        self._child: process.Child | None = None

    def programs(self) -> dict[str, str]:
        return {}

    def stop_hive(self) -> None:
        if self._child is not None:
            self._child.stop(self._service.grace_seconds)
            self._child = None

    def start_hive(self, program: str | None) -> bool:
        if program is None:
            return True
        argv, env = (program, *self._service.argv[1:]), services.own_packages(program)
        self._child = process.spawn(argv, env=env, log=self._layout.log("hive"))
        return until(lambda: self.is_hive_up() or not self._runs(), _START_SECONDS) and self._runs()

    def is_hive_up(self) -> bool:
        return self._runs() and self._service.is_ready()

    def restart(self, service: str, program: str) -> bool:  # noqa: ARG002 (it is not running)
        return True

    def mark(self) -> int:
        return _size(self._layout.log("hive"))

    def last_words(self, since: int) -> str:
        return _said(self._layout.log("hive"), since)

    def end(self) -> None:
        self.stop_hive()
        journal.forget(self._layout)

    def _runs(self) -> bool:
        return self._child is not None and self._child.poll() is None


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _said(log: Path, since: int) -> str:
    return services.last_words(log, since)[0] if log.exists() else ""
