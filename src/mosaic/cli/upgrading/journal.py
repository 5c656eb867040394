"""How far an upgrade is, in one file: which Python runs which service, and what a kill must not leave half done.

The upgrade writes it; the supervisor follows it. Standard library only, for
both. Until the stage is `kept`, whoever finds it with nobody at work puts
everything back: the copy of the database, which was checked before anything
changed, and the version before.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mosaic.adapters.private_file import sync_folder, write_private
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import Note

Stage = Literal["stopping", "migrating", "trying", "kept"]


@dataclass(frozen=True, slots=True)
class Journal:
    """`programs` names the Python of each service; one that is missing is run by its supervisor's own.

    `before` are those that counted before this upgrade.
    """

    stage: Stage
    by: Note
    programs: dict[str, str]
    before: dict[str, str]

    @property
    def holds_hive(self) -> bool:
        """Whether the Hive must not run now."""
        return self.stage in ("stopping", "migrating")

    @property
    def is_abandoned(self) -> bool:
        """Whether it was not decided, and nobody is at work on it any more."""
        return self.stage != "kept" and not self.by.is_alive


def read(layout: Layout) -> Journal | None:
    """Return it, None when nothing was upgraded since `mosaic up` started."""
    try:
        kept = json.loads(_file(layout).read_text())
    except FileNotFoundError:
        return None
    return Journal(kept["stage"], Note(**kept["by"]), kept["programs"], kept["before"])


def words(layout: Layout) -> str:
    """Return the journal as it stands, "" without one."""
    try:
        return _file(layout).read_text()
    except FileNotFoundError:
        return ""


def followed(layout: Layout) -> Path:
    """Return where a supervisor writes which words of the journal it has followed."""
    return layout.state / "run" / "followed"


def write(layout: Layout, journal: Journal) -> None:
    """Replace it, durably."""
    write_private(_file(layout), json.dumps(asdict(journal)).encode())


def forget(layout: Layout) -> None:
    """Remove it: every service is run by the Python of who starts it."""
    _file(layout).unlink(missing_ok=True)
    sync_folder(layout.state)


def copy_of(layout: Layout) -> Path:
    """Return where the database lies as it was before the upgrade."""
    return layout.hive / "before-upgrade.db"


def put_back(layout: Layout) -> bool:
    """Undo an upgrade that was not decided; the Hive must not run. Say whether the database was put back.

    Killed anywhere it is done once more: the copy stays until the next upgrade.
    """
    journal = read(layout)
    if journal is None or journal.stage == "kept":
        return False
    is_changed = journal.stage in ("migrating", "trying")
    if is_changed:
        database = layout.hive / "hive.db"
        draft = layout.hive / "hive.db.back"
        shutil.copyfile(copy_of(layout), draft)
        draft.chmod(0o600)
        descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        # First its log, which would be laid over the copy.
        for log in ("hive.db-wal", "hive.db-shm"):
            (layout.hive / log).unlink(missing_ok=True)
        sync_folder(layout.hive)
        draft.replace(database)
        sync_folder(layout.hive)
    if journal.before:
        write(layout, Journal("kept", journal.by, journal.before, {}))
    else:
        forget(layout)
    return is_changed


def _file(layout: Layout) -> Path:
    return layout.state / "upgrade.json"
