"""Who keeps the Device of a host running, and how they are told of another version: a supervisor or systemd."""

import os
from pathlib import Path
from typing import Protocol

from mosaic.adapters import process
from mosaic.cli.up import install, systemd, unit_words, versions
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import read_note
from mosaic.cli.up.supervise import LOOK_SIGNAL, SUPERVISOR
from mosaic.cli.upgrading import own_choice
from mosaic.cli.upgrading.own_choice import Choice
from mosaic.cli.upgrading.patience import until
from mosaic.core.device_upgrade import Journal, Program
from mosaic.core.errors import Unavailable

_FOLLOW_SECONDS = 90.0
_SYSTEMCTL_SECONDS = 180.0
_LAST_LINES = 12
_LAST_BYTES = 4096


class NobodyKeepsDevice(Unavailable):
    """Neither a supervisor nor systemd runs the Device."""

    code = "nobody-keeps-device"

    def __init__(self, layout: Layout) -> None:
        super().__init__(
            f"nobody keeps the Device of {layout.state} running, so nobody can be told to run another version of it",
            hint="start it by `mosaic device run` or `mosaic up`; the upgrade goes on then",
        )


class Keeper(Protocol):
    """Who runs the Device and the services that follow it."""

    def program(self) -> str | None:
        """Return the Python of the Device that runs now, None when none does."""

    def ends(self, journal: Journal) -> int:
        """Return how often the new Device has ended since it was started."""

    def is_coming(self, program: Program) -> bool:
        """Whether a Device that ended is started by that Python again, and must not be started before."""

    def hold(self, program: Program) -> None:
        """Stop the Device, and have nobody start it."""

    def run(self, program: Program) -> None:
        """Have the Device run by that Python."""

    def follow(self, program: Program) -> bool:
        """Have the storage daemon and the LAN front run by the Device's Python; say whether they do in time."""

    def lines(self, since: int) -> str:
        """Return the last lines of the Device's log, of those after `since` bytes where it is a file."""

    def forget(self) -> None:
        """Remove what was made for this upgrade alone."""


class BySupervisor:
    """A `mosaic up` or `mosaic device run`: it follows the choice when it is told to look."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def program(self) -> str | None:
        """Return the Python of the Device that runs now."""
        return versions.program_of(self._layout, "device")

    def ends(self, journal: Journal) -> int:
        """Return what the supervisor has counted."""
        return own_choice.ends(self._layout, journal.command, journal.new.start)

    def is_coming(self, program: Program) -> bool:  # noqa: ARG002 (to be told once more costs nothing)
        """Return False: a supervisor that is told twice does it once."""
        return False

    def hold(self, program: Program) -> None:
        """Choose that no Device runs."""
        own_choice.choose(self._layout, program.version, program.start, is_held=True)
        self._tell()

    def run(self, program: Program) -> None:
        """Choose that Python."""
        own_choice.choose(self._layout, program.version, program.start)
        self._tell()

    def follow(self, program: Program) -> bool:
        """Choose it for the others as well, and wait for the storage daemon: the front is no process of Python's."""
        is_there = versions.program_of(self._layout, "storage") is not None
        own_choice.write(self._layout, Choice(program.version, program.start, program.start))
        self._tell()
        return not is_there or until(
            lambda: versions.program_of(self._layout, "storage") == program.start, _FOLLOW_SECONDS
        )

    def lines(self, since: int) -> str:
        """Return the end of the Device's log."""
        try:
            written = self._layout.log("device").read_bytes()
        except FileNotFoundError:
            return ""
        # A log that was begun anew meanwhile is shorter.
        return _last(written[since if since <= len(written) else 0 :])

    def forget(self) -> None:
        """Do nothing: the supervisor sees that the upgrade is done when the replacer ends."""

    def _tell(self) -> None:
        found = read_note(self._layout.note(SUPERVISOR))
        if found is None:
            raise NobodyKeepsDevice(self._layout)
        os.kill(found.pid, LOOK_SIGNAL)


class BySystemd:
    """The units of `mosaic up --install`: the Python in them is replaced."""

    def __init__(self, layout: Layout, folder: Path = install.UNIT_FOLDER) -> None:
        self._layout = layout
        self._folder = folder

    def program(self) -> str | None:
        """Return the Python of the unit's main process."""
        pid = self._shown("MainPID")
        return versions.program_of_process(int(pid)) if pid.isdigit() and int(pid) else None

    def ends(self, journal: Journal) -> int:
        """Return how often systemd has started it again, if it is the new one."""
        restarts = self._shown("NRestarts")
        return int(restarts) if restarts.isdigit() and self._named() == journal.new.start else 0

    def is_coming(self, program: Program) -> bool:
        """Whether systemd waits to start it again."""
        return self._named() == program.start and self._shown("ActiveState") == "activating"

    def hold(self, program: Program) -> None:  # noqa: ARG002 (whichever it is)
        """Stop the path unit first, which would start the Device at once."""
        _systemctl("stop", *systemd.PATHS, systemd.DEVICE)

    def run(self, program: Program) -> None:
        """Name it in the unit, and start that."""
        if self._named() != program.start:
            # It may be about to start the other one again.
            self.hold(program)
            self._replace(systemd.DEVICE, program)
        own_choice.choose(self._layout, program.version, program.start)
        # One that ends at once makes this fail; how often it did is looked at.
        words = ["systemctl", "start", systemd.DEVICE, *systemd.PATHS]
        process.attempt(words, deadline_seconds=_SYSTEMCTL_SECONDS)

    def follow(self, program: Program) -> bool:
        """Name it in the other units, and start the storage daemon again if it runs: the front is no Python."""
        own_choice.write(self._layout, Choice(program.version, program.start, program.start))
        codes = []
        for unit in (f"mosaic-{service}.service" for service in own_choice.FOLLOWERS):
            if (self._folder / unit).exists():
                self._replace(unit, program)
                if unit == systemd.FRONT:
                    # It has become Caddy, which is of no version of ours: nobody's visit is cut short for it.
                    continue
                words = ["systemctl", "try-restart", unit]
                codes.append(process.attempt(words, deadline_seconds=_SYSTEMCTL_SECONDS).code)
        return not any(codes)

    def lines(self, since: int) -> str:  # noqa: ARG002 (the journal of systemd is no file)
        """Return the end of what the unit wrote."""
        return "\n".join(unit_words.last_lines(systemd.DEVICE, _LAST_LINES))

    def forget(self) -> None:
        """Have the replacer not started with the machine any more. It runs, so its unit stays until it has ended."""
        process.attempt(["systemctl", "disable", systemd.REPLACER], deadline_seconds=_SYSTEMCTL_SECONDS)

    def _named(self) -> str:
        return systemd.program_of((self._folder / systemd.DEVICE).read_text())

    def _replace(self, unit: str, program: Program) -> None:
        text = (self._folder / unit).read_text()
        changed = systemd.with_program(text, program.start)
        if changed != text:
            install.write({unit: changed}, self._folder)
            _systemctl("daemon-reload")

    def _shown(self, name: str) -> str:
        words = ["systemctl", "show", "--property", name, "--value", systemd.DEVICE]
        return process.run(words, deadline_seconds=_SYSTEMCTL_SECONDS).text.strip()


def _last(written: bytes) -> str:
    lines = written[-_LAST_BYTES:].decode(errors="replace").strip().splitlines()
    return "\n".join(lines[-_LAST_LINES:])


def _systemctl(*words: str) -> None:
    process.run(["systemctl", *words], deadline_seconds=_SYSTEMCTL_SECONDS)
