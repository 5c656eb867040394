"""Which Python the Device of a host is run by since it upgraded itself, in one file that its supervisor follows.

The replacer writes it (decision 55); it stays, for a Device that was upgraded
is not started in the version before again. Whoever brings a later version
removes it. Standard library only, for the supervisor reads it.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from mosaic import __version__
from mosaic.adapters.private_file import sync_folder, write_private
from mosaic.cli.up.layout import Layout
from mosaic.core.version_order import is_later

FOLLOWERS = ("storage", "front")
"""Services that belong to the Device, and come after it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The Device's version and Python; the Python of its followers, None for who starts them.

    While it `is_held` and the upgrade is open, no Device shall run.
    """

    version: str
    device: str
    followers: str | None = None
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Open:
    """An upgrade that is not done: the id of its command, and the Python that goes on with it."""

    command: str
    program: str


def read(layout: Layout) -> Choice | None:
    """Return it, None where the Device is run by who starts it."""
    try:
        kept = json.loads(_file(layout).read_text())
        # A later version may have written more.
        return Choice(**{name: kept[name] for name in Choice.__slots__})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # A damaged one must not keep the Hive beside it from starting.
        return None


def write(layout: Layout, choice: Choice) -> None:
    """Replace it, durably."""
    write_private(_file(layout), json.dumps(asdict(choice)).encode())


def choose(layout: Layout, version: str, program: str, *, is_held: bool = False) -> None:
    """Have the Device run by that Python, or by none for now. What follows it stays as it is."""
    before = read(layout)
    write(layout, Choice(version, program, before.followers if before is not None else None, is_held))


def forget(layout: Layout) -> None:
    """Remove it: the Device is run by who starts it."""
    _file(layout).unlink(missing_ok=True)
    sync_folder(layout.state)


def forget_if_overtaken(layout: Layout, version: str = __version__) -> bool:
    """Remove it when `version`, which is about to run the Device, is as late. Return whether the Device is free to."""
    choice = read(layout)
    if choice is None:
        return True
    if open_upgrade(layout) is not None or is_later(choice.version, version):
        return False
    forget(layout)
    return True


def programs(layout: Layout) -> dict[str, str]:
    """Return the Python of each service that it names. One that is not there any more is left out."""
    choice = read(layout)
    if choice is None:
        return {}
    named = {"device": choice.device, **dict.fromkeys(FOLLOWERS, choice.followers)}
    return {service: program for service, program in named.items() if program is not None and is_there(program)}


def is_held(layout: Layout) -> bool:
    """Whether the Device must not run now."""
    choice = read(layout)
    return choice is not None and choice.is_held and open_upgrade(layout) is not None


def open_upgrade(layout: Layout) -> Open | None:
    """Return the Device's upgrade if it is not done, as `mosaic.device.upgrading.journal` writes it."""
    try:
        journal = json.loads((layout.device / "upgrade.json").read_text())
        return None if journal["is_done"] else Open(journal["command"], journal["old"]["start"])
    except (OSError, ValueError, KeyError, TypeError):
        # None there, or a damaged one: that is the Device's to tell, and nobody goes on with it.
        return None


def note_end(layout: Layout, program: str) -> None:
    """Count one more end of a Device that this Python ran while its upgrade is open."""
    found = open_upgrade(layout)
    if found is not None:
        ended = {"command": found.command, "program": program, "ends": ends(layout, found.command, program) + 1}
        write_private(_ends(layout), json.dumps(ended).encode())


def ends(layout: Layout, command: str, program: str) -> int:
    """Return how often a Device of that upgrade ended that this Python ran, since another one did."""
    try:
        kept = json.loads(_ends(layout).read_text())
        return int(kept["ends"]) if (kept["command"], kept["program"]) == (command, program) else 0
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0


def is_there(program: str) -> bool:
    """Return whether that Python can be started."""
    return os.access(program, os.X_OK)


def _file(layout: Layout) -> Path:
    return layout.state / "device-program.json"


def _ends(layout: Layout) -> Path:
    return layout.state / "run" / "device-ends.json"
