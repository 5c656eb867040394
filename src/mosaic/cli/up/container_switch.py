"""Switching a Device that is a container: the one before waits under another name, and the new one has its name.

`ContainerSwitch` is for a container that the engine keeps running. `UnitSwitch`
is for one that somebody else starts anew whenever it ends, as a systemd unit
does, from the image that a file names: there the file is what is switched.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from mosaic.adapters.docker import succession
from mosaic.adapters.docker.succession import SeenContainer
from mosaic.adapters.private_file import write_private
from mosaic.core.device_files import IMAGE
from mosaic.core.device_upgrade import MOST_ENDS, Journal, Life, Program
from mosaic.core.errors import Refused
from mosaic.device.upgrading.form import Lives, Which

if TYPE_CHECKING:
    from mosaic.adapters.docker.api import Api

NAME, ID, RESTART = "container", "id", "restart"
"""What the journal's notes say: the Device's container, the one before, and whether the engine starts it again."""

IMAGE_FILE = "file"
"""In the notes of a unit: the file that names the image."""


class DeviceGone(Refused):
    """The container before was removed by somebody."""

    code = "device-container-gone"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the container {name} of the version before is not there any more",
            hint="start the Device by the line that it was started by before; its state folder has all else",
        )


class ContainerSwitch:
    """A Device whose container the engine starts again."""

    def __init__(self, engine: "Api") -> None:
        self._engine = engine

    def look(self, journal: Journal) -> Lives:
        """Return what there is now."""
        old, new = self._old(journal), self._new(journal)
        if new is None:
            return Lives(old.life if old else "absent", "absent")
        # Nobody starts one again whose policy is `no`: it said itself that trying again cannot help.
        ends = MOST_ENDS if new.life == "ended" and new.restart == "no" else new.restarts
        return Lives(old.life if old else "absent", new.life, ends)

    def stop(self, journal: Journal, which: Which) -> None:
        """Stop one, and have the engine not start it again, not even after a restart of the machine."""
        seen = self._old(journal) if which == "old" else self._new(journal)
        if seen is not None:
            succession.set_restart(self._engine, seen.id, "no")
            succession.stop(self._engine, seen.id, grace_seconds=seen.grace_seconds)

    def start(self, journal: Journal, which: Which) -> None:
        """Have one run under the Device's name."""
        name, old, new = journal.notes[NAME], self._old(journal), self._new(journal)
        if which == "new" and new is not None:
            # Whether the one before is still there is of no matter: once this one counts it is cleared away.
            succession.start(self._engine, new.id)
            return
        if old is None:
            raise DeviceGone(name)
        if which == "new":
            if old.name == name:
                succession.rename(self._engine, old.id, f"{name}-before")
            restart = journal.notes[RESTART]
            succession.create_like(self._engine, old.id, image=journal.new.start, name=name, restart=restart)
            succession.start(self._engine, name)
            return
        if new is not None:
            succession.remove(self._engine, new.id)
        if old.name != name:
            succession.rename(self._engine, old.id, name)
        succession.set_restart(self._engine, old.id, journal.notes[RESTART])
        succession.start(self._engine, old.id)

    def clear(self, journal: Journal, which: Which) -> None:
        """Remove the container of one that will not run again."""
        seen = self._old(journal) if which == "old" else self._new(journal)
        if seen is not None:
            succession.remove(self._engine, seen.id)

    def last_lines(self, journal: Journal) -> str:
        """Return what the new one said last."""
        new = self._new(journal)
        return succession.last_lines(self._engine, new) if new is not None else ""

    def _old(self, journal: Journal) -> SeenContainer | None:
        return succession.see(self._engine, journal.notes[ID])

    def _new(self, journal: Journal) -> SeenContainer | None:
        seen = succession.see(self._engine, journal.notes[NAME])
        return seen if seen is not None and seen.id != journal.notes[ID] else None


class UnitSwitch:
    """A Device whose container is removed when it ends, and started anew from the image in a file."""

    def __init__(self, engine: "Api") -> None:
        self._engine = engine

    def look(self, journal: Journal) -> Lives:
        """Return what there is now. The one that the file names is on its way, when it does not run."""
        seen = succession.see(self._engine, journal.notes[NAME])
        running = seen.image if seen is not None and seen.life == "runs" else ""
        # The one that is left for good has nothing to be cleared: its container went when it ended.
        coming = _named(journal) if not journal.is_decided else _decided(journal).start

        def life(program: Program) -> Life:
            return "runs" if running == program.start else "ended" if coming == program.start else "absent"

        return Lives(life(journal.old), life(journal.new))

    def stop(self, journal: Journal, which: Which) -> None:
        """Stop one; whoever starts it anew starts the other."""
        self._name(journal, "new" if which == "old" else "old")

    def start(self, journal: Journal, which: Which) -> None:
        """Have whoever starts the Device start this one."""
        self._name(journal, which)

    def clear(self, journal: Journal, which: Which) -> None:
        """Nothing is left of one that has ended."""

    def last_lines(self, journal: Journal) -> str:
        """Return what the new one said last, if it runs: with its container its log goes."""
        seen = succession.see(self._engine, journal.notes[NAME])
        if seen is None or seen.image != journal.new.start:
            return ""
        return succession.last_lines(self._engine, seen)

    def _name(self, journal: Journal, which: Which) -> None:
        wanted = journal.old.start if which == "old" else journal.new.start
        if _named(journal) != wanted:
            write_image(Path(journal.notes[IMAGE_FILE]), wanted)
        seen = succession.see(self._engine, journal.notes[NAME])
        if seen is not None and seen.life == "runs" and seen.image != wanted:
            succession.stop(self._engine, seen.id, grace_seconds=seen.grace_seconds)


def _decided(journal: Journal) -> Program:
    return journal.new if journal.stage == "kept" else journal.old


def write_image(file: Path, image: str) -> None:
    """Have the Device be started from this image the next time."""
    write_private(file, f"{IMAGE}={image}\n".encode())


def _named(journal: Journal) -> str:
    try:
        return Path(journal.notes[IMAGE_FILE]).read_text().strip().removeprefix(f"{IMAGE}=")
    except FileNotFoundError:
        return journal.old.start
