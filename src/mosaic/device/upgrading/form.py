"""What differs between a Device in a container and one on a host when it is replaced by another version.

The Device uses a `Preparer`; the replacer, a process of the old program that
is not the Device, uses a `Switch`. All of a Switch may be done twice.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mosaic.core.device_upgrade import Form, Journal, Life, Program

Which = Literal["old", "new"]


@dataclass(frozen=True, slots=True)
class Lives:
    """What there is of the two. `ends` is how often the new one has ended since it was first started."""

    old: Life
    new: Life
    ends: int = 0


class Preparer(Protocol):
    """What the Device does itself: everything that takes long or may fail, with nothing switched."""

    @property
    def form(self) -> Form:
        """Which form this is."""
        ...

    @property
    def running(self) -> Program:
        """The program that this Device is."""
        ...

    async def prepare(self, folder: Path, version: str) -> Program:
        """Have all here that the new version needs: `folder` is its package's, verified, and may go afterwards.

        Downloads, checks the disk's room and every digest. Killed, it leaves
        only what the next call goes on from or writes over. Raises MosaicError; nothing was switched then.
        """
        ...

    def notes(self) -> dict[str, str]:
        """Return what the Switch will need to put back (`Journal.notes`); no secret may be among it."""
        ...

    def have_replacer(self, journal: Journal) -> None:
        """Have the replacer run until the journal is done, from the old program; one that runs already is fine.

        Called when the journal was written, and at every start of a Device that finds one that is not done.
        """
        ...

    def settle(self, journal: Journal) -> None:
        """The new version counts: have the other parts (the storage daemon) follow. May be called again and again."""
        ...


class Switch(Protocol):
    """What the replacer does. Each may raise MosaicError; one that is Unavailable is tried again."""

    def look(self, journal: Journal) -> Lives:
        """Return what there is now."""
        ...

    def stop(self, journal: Journal, which: Which) -> None:
        """Stop one with its grace and have nobody start it again."""
        ...

    def start(self, journal: Journal, which: Which) -> None:
        """Have one run; return when it was started, not when it is ready."""
        ...

    def clear(self, journal: Journal, which: Which) -> None:
        """Remove what one that will not run again leaves; afterwards it is `absent`."""
        ...

    def last_lines(self, journal: Journal) -> str:
        """Return the new one's last log lines; "" when it said nothing."""
        ...
