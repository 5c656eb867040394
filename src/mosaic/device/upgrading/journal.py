"""The journal of a Device's upgrade and the marks beside it, as files of the Device's state folder.

Two writers never meet: the Device writes a journal where there is none that is
open, and from then on only the replacer does, which holds `lock`.
"""

import json
from dataclasses import asdict
from pathlib import Path

import msgspec

from mosaic.adapters.private_file import write_private
from mosaic.core.device_upgrade import Journal
from mosaic.core.errors import Corrupt


class JournalUnreadable(Corrupt):
    """The journal of the Device's upgrade is damaged."""

    code = "upgrade-journal-unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read: {reason}",
            hint=f"see that one Device runs, then remove the file: `rm {path}`",
        )


class Mark(msgspec.Struct, frozen=True):
    """The Hive has heard a report of this version, started under this command."""

    command: str
    version: str


def file_of(folder: Path) -> Path:
    """Return where the journal is; `folder` is the Device's own (`DeviceConfig.state`)."""
    return folder / "upgrade.json"


def lock_of(folder: Path) -> Path:
    """Return what a replacer holds while it is at work."""
    return folder / "upgrade.lock"


def mark_of(folder: Path) -> Path:
    """Return where the new Device writes that it has reported."""
    return folder / "upgrade.reported"


def read(folder: Path) -> Journal | None:
    """Return the newest upgrade's journal, None when this Device was never upgraded. Raises JournalUnreadable."""
    path = file_of(folder)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Journal)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise JournalUnreadable(path, str(error)) from error


def is_on_trial(folder: Path, start: str) -> bool:
    """Return whether the Device that is started from `start` is another version, which does not count yet.

    It leaves what stands beside the Device as it is. A damaged journal says no; the Device tells of it once it runs.
    """
    try:
        found = read(folder)
    except JournalUnreadable:
        return False
    return found is not None and not found.is_decided and found.new.start == start


def write(folder: Path, journal: Journal) -> None:
    """Replace it, durably."""
    write_private(file_of(folder), json.dumps(asdict(journal)).encode())


def note_reported(folder: Path, journal: Journal) -> None:
    """Note that the Hive has heard the new one."""
    write_private(mark_of(folder), msgspec.json.encode(Mark(journal.command, journal.new.version)))


def has_reported(folder: Path, journal: Journal) -> bool:
    """Return whether the Hive has heard the new one of this upgrade."""
    try:
        mark = msgspec.json.decode(mark_of(folder).read_bytes(), type=Mark)
    except (FileNotFoundError, msgspec.MsgspecError):
        return False
    return mark == Mark(journal.command, journal.new.version)
