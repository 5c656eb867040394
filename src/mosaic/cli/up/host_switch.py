"""Replacing the Device of a host by another version: whoever keeps it running is told by which Python.

Used by the replacer, which is the version before. Only the Device is stopped.
Once the new one counts, what belongs to it follows: the storage daemon and the
LAN front. A Hive on the same machine is never touched: `mosaic upgrade` is for that.
"""

import os
from dataclasses import dataclass, field

from mosaic.adapters import log
from mosaic.cli.up import install, systemd, versions
from mosaic.cli.up.host_keepers import BySupervisor, BySystemd, Keeper, NobodyKeepsDevice
from mosaic.cli.up.host_preparing import LOG_FROM
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import die_with, read_note
from mosaic.cli.up.supervise import SUPERVISOR
from mosaic.cli.upgrading.patience import until
from mosaic.core.device_upgrade import Journal, Life, Program
from mosaic.core.errors import Unavailable
from mosaic.device.upgrading.form import Lives, Switch, Which

_STOP_SECONDS = 60.0


class DeviceNotStopped(Unavailable):
    """Whoever runs the Device did not follow."""

    code = "device-not-stopped"

    def __init__(self) -> None:
        super().__init__(
            f"the Device was not stopped within {_STOP_SECONDS:g} s",
            hint="look at the terminal of `mosaic up` or `mosaic device run`; it is tried again",
        )


@dataclass(slots=True)
class HostSwitch:
    """The replacer's steps, by whoever keeps the Device."""

    layout: Layout
    keeper: Keeper
    _is_cleared: bool = field(default=False, init=False)

    def look(self, journal: Journal) -> Lives:
        """Return what there is now. The one that is left `ended` until what it leaves was cleared."""
        program = self.keeper.program()
        leaving = {"kept": "old", "back": "new"}.get(journal.stage)

        def life(which: Which) -> Life:
            if program == _program(journal, which).start:
                return "runs"
            return "ended" if which == leaving and not self._is_cleared else "absent"

        new = life("new")
        is_coming = journal.stage == "trying" and new == "absent" and self.keeper.is_coming(journal.new)
        return Lives(life("old"), "ended" if is_coming else new, self.keeper.ends(journal))

    def stop(self, journal: Journal, which: Which) -> None:
        """Stop one. Raises DeviceNotStopped."""
        program = _program(journal, which)
        self.keeper.hold(program)
        if not until(lambda: self.keeper.program() != program.start, _STOP_SECONDS):
            raise DeviceNotStopped

    def start(self, journal: Journal, which: Which) -> None:
        """Have one run."""
        self.keeper.run(_program(journal, which))

    def clear(self, journal: Journal, which: Which) -> None:  # noqa: ARG002 (the stage says it)
        """Let the others follow, and remove environments that nobody needs any more."""
        keep = {journal.old.start, journal.new.start}
        if journal.stage == "back":
            keep = versions.here(self.layout) - {journal.new.start}
        elif not self.keeper.follow(journal.new):
            log.warning("upgrade_followers_late", version=journal.new.version)
        for version in versions.prune(self.layout, keep):
            log.info("upgrade_version_removed", version=version)
        self.keeper.forget()
        self._is_cleared = True

    def last_lines(self, journal: Journal) -> str:
        """Return the end of what the new one wrote."""
        return self.keeper.lines(int(journal.notes.get(LOG_FROM, "0")))


def host_switch(layout: Layout, journal: Journal) -> Switch:  # noqa: ARG001 (who keeps the Device is looked up)
    """Return the switch of who keeps the Device here. Raises NobodyKeepsDevice."""
    found = read_note(layout.note(SUPERVISOR))
    if found is not None:
        if found.pid == os.getppid():
            # Without it nobody could be told anything; the next supervisor begins with a replacer of its own.
            die_with(found.pid)
        return HostSwitch(layout, BySupervisor(layout))
    if install.has_systemd() and (install.UNIT_FOLDER / systemd.DEVICE).exists():
        return HostSwitch(layout, BySystemd(layout))
    raise NobodyKeepsDevice(layout)


def _program(journal: Journal, which: Which) -> Program:
    return journal.old if which == "old" else journal.new
