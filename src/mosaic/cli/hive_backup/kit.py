"""The recovery kit: a page that a person prints, and that `mosaic hive recover` reads again.

It has the account's recovery code, which opens the data, and the Hive's
backup code, which opens the Hive's own database. Each is useless for the
other's job.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Refused
from mosaic.crypto import backup_code
from mosaic.crypto.secret import Secret

_BACKUP_LINE = re.compile(r"^\s*backup code:\s*(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE)
_RECOVERY_LINE = re.compile(r"^\s*recovery code:\s*([A-Z2-7][A-Z2-7 -]*?)\s*$", re.MULTILINE | re.IGNORECASE)
_LARGEST_BYTES = 64 * 1024
_AS_WRITTEN = "(as you wrote it down; `mosaic recovery-kit --renew` makes another)"


class KitUnreadable(Refused):
    """The file is no recovery kit."""

    code = "recovery-kit-unreadable"

    def __init__(self, path: Path, line: str) -> None:
        super().__init__(
            f"{path} is not a recovery kit: it has no line `{line}: …`",
            hint="type that line of the printed kit into a file, and name it",
        )


class KitExists(Refused):
    """The file to write is there already."""

    code = "recovery-kit-exists"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already", hint="an older kit may still be needed: choose another name")


@dataclass(frozen=True, slots=True)
class Kit:
    """What is printed. `recovery_code` is None when it was not made anew, and `to` when no copies are made."""

    account: str
    hive: str
    recovery_code: str | None
    backup_code: str
    to: str | None

    def __repr__(self) -> str:
        return f"Kit({self.account!r}, {self.hive!r})"

    def text(self) -> str:
        """Return the page."""
        return (
            "Mosaic recovery kit\n"
            "Keep it away from your machines. Who has it, and a copy of a store, can read your data.\n\n"
            f"account:        {self.account}\n"
            f"Hive:           {self.hive}\n"
            f"recovery code:  {self.recovery_code or _AS_WRITTEN}\n"
            f"backup code:    {self.backup_code}\n"
            f"Hive's copies:  {self.to or 'none are made; `mosaic hive backup set` sets them up'}\n\n"
            "A Hive that died comes back on another machine with\n"
            "  mosaic hive recover --from PLACE_OF_THE_COPIES --kit THIS_FILE\n"
        )


def write_kit(path: Path, kit: Kit) -> None:
    """Write the page into a new file that its owner alone can read. Raises KitExists."""
    if path.exists():
        raise KitExists(path)
    write_private(path, kit.text().encode())


def remove_kit(path: Path) -> None:
    """Remove a kit whose code never came to count."""
    path.unlink(missing_ok=True)


def read_backup_seed(path: Path) -> Secret:
    """Return the seed that a kit's backup code stands for. Raises KitUnreadable, BackupCodeUnreadable."""
    return backup_code.read(_line(path, _BACKUP_LINE, "backup code"))


def read_recovery_code(path: Path) -> str:
    """Return the recovery code in a kit. Raises KitUnreadable."""
    return _line(path, _RECOVERY_LINE, "recovery code")


def _line(path: Path, wanted: re.Pattern[str], name: str) -> str:
    with path.open("rb") as file:
        text = os.fsdecode(file.read(_LARGEST_BYTES))
    found = wanted.search(text)
    if found is None:
        raise KitUnreadable(path, name)
    return found[1]
