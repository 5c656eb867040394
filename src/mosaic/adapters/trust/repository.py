"""A publisher's repository: its folder, and the keys that are at hand.

What is done with it is in `publishing` (new versions, roll-outs, signing again
in time), `ceremony` (keys) and `standing` (what expires when). All of them take
now from their caller, in ns since 1970.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mosaic.adapters.trust.edition import Edition, Revision, read_edition
from mosaic.adapters.trust.key_folder import KeyFolder
from mosaic.adapters.trust.public_files import TIMESTAMP, PublicFiles
from mosaic.core.expiry import Periods
from mosaic.core.target import Target, read_target


@dataclass(frozen=True, slots=True)
class Repository:
    """`online` has the keys of channels, snapshot and timestamp; `offline` those of root and targets.

    Publishing needs no `offline`, and should not be given it.
    """

    files: PublicFiles
    online: KeyFolder
    offline: KeyFolder | None = None
    periods: Periods = field(default=Periods())

    @property
    def folders(self) -> list[KeyFolder]:
        """The folders with keys that are at hand."""
        return [self.online] if self.offline is None else [self.online, self.offline]

    def edition(self, *, interrupted: bool = False) -> Edition:
        """Return the newest edition, checked. Raises RepositoryMissing, RepositoryAltered."""
        return read_edition(self.files, self.online.root(), interrupted=interrupted)

    @contextmanager
    def revising(self, now_ns: int, *, interrupted: bool = False) -> Iterator[Revision]:
        """Keep other publishers out, and give what the next edition is made of. Raises also RepositoryInUse."""
        with self.files.locked():
            begun_on = self.files.get(TIMESTAMP)
            edition = self.edition(interrupted=interrupted)
            yield Revision(edition, self.folders, now_ns // 10**9, self.periods, begun_on=begun_on)

    def targets(self) -> list[Target]:
        """Return every Target that is listed, newest first. Raises like `edition`, and TargetUnreadable."""
        return targets_of(self.edition())


def targets_of(edition: Edition) -> list[Target]:
    """Return every Target that an edition lists, newest first. Raises TargetUnreadable."""
    entries = [entry for channel in edition.channels.values() for entry in channel.signed.targets.items()]
    found = [target for path, entry in entries if (target := read_target(path, entry.custom)) is not None]
    return sorted(found, key=lambda one: (-one.version, one.path))
