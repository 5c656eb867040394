"""What the daemon needs of the file system that volumes lie on, whichever it is.

Everything else in the daemon speaks of subvolumes, and does not know whether
they are btrfs' own (`on_btrfs`) or plain folders (`on_folders`).
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from mosaic.core.ids import VolumeId

IsKnown: TypeAlias = Callable[[os.stat_result], bool]
"""Tells whether a file is certainly as it was when it was replicated last."""

Known: TypeAlias = Callable[[], AbstractContextManager[IsKnown | None]]
"""Opens the memory of what was replicated last; None when nothing is known, so that everything counts as changed."""


@dataclass(frozen=True, slots=True)
class Made:
    """A fresh snapshot. `generation` is the live subvolume's at its instant; `flags` are for its head."""

    generation: int
    flags: int = 0


class Subvolumes(Protocol):
    """Makes, cuts, moves and deletes them. Every path is one in the pool."""

    @property
    def keeps_snapshots(self) -> bool:
        """Whether a snapshot holds every file, so that it can stand for the state; else it holds what changed."""
        ...

    def create(self, path: Path) -> str:
        """Make an empty subvolume and return its uuid, which is its own for ever, whatever it is renamed to.

        Raises SubvolumeExists when anything is at the path.
        """
        ...

    def uuid(self, path: Path) -> str | None:
        """Return the uuid of the subvolume at the path, None when there is none. Cheap."""
        ...

    def delete(self, path: Path) -> None:
        """Delete a subvolume or snapshot with all that is in it. One that is gone is fine."""
        ...

    def holds_others(self, path: Path) -> bool:
        """Return whether an app made subvolumes in this one, which no snapshot of it has."""
        ...

    def generation(self, path: Path) -> int:
        """Return a number that is another one after any change of a file. Call `sync` before.

        Raises NotASubvolume.
        """
        ...

    def sync(self, pool: Path) -> None:
        """Write all changes of the pool's file system to its disk."""
        ...

    def cut(self, volume: VolumeId, live: Path, target: Path, known: Known) -> Made:
        """Make a snapshot of `live`: all its files at one instant, or flagged otherwise."""
        ...

    def clone(self, source: Path, target: Path) -> str:
        """Make a writable subvolume with all that is at `source`, and return its uuid."""
        ...

    def keep(self, live: Path, target: Path) -> int | None:
        """Keep all that is at `live` as `target`, to be cloned later. Nobody writes meanwhile.

        Returns the generation of `live` then; None when that would take too much room or time here, and nothing was
        kept.
        """
        ...

    def set_apart(self, live: Path, target: Path) -> None:
        """Keep what is at `live` as `target`, for good. It may be gone from `live` afterwards."""
        ...

    def is_set_apart(self, live: Path, folder: Path) -> bool:
        """Return whether `folder` has what is at `live`, as it is now."""
        ...
