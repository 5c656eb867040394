"""What points at one state of a volume, and what is told about the work on it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

OTHER_FILE_SYSTEM = "it is on another file system"


@dataclass(frozen=True, slots=True)
class RootRef:
    """One state of a volume: `root` and `root_pack` of a head.

    `root` is the 32-byte id of the root record, `pack` the 16-byte name of a
    pack that holds it. Two states with equal `root` are the same.
    """

    root: bytes
    pack: bytes


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in a snapshot that is not stored. `path` is relative, for people; `reason` is a clause.

    `where` is the path as the file system has it.
    """

    path: str
    reason: str
    where: bytes = b""

    @property
    def is_foreign(self) -> bool:
        """Whether files may lie in it: a mount, or a subvolume that an app made."""
        return self.reason == OTHER_FILE_SYSTEM


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replication, restore or verification is.

    `moved_bytes` is what went to or came from the store (a base included),
    `total_bytes` what is expected in the end, None while unknown. `files` is
    how many files were looked at.
    """

    files: int
    moved_bytes: int
    total_bytes: int | None


OnProgress: TypeAlias = Callable[[Progress], None]
"""Called often, from the calling thread. May raise: the work stops and the exception passes through."""


@dataclass(frozen=True, slots=True)
class Replication:
    """What `replicate` did. `root` equals `previous` when nothing had changed.

    `read_bytes` were read from files, `uploaded_bytes` went to the store in
    `uploaded_packs` objects. `content_bytes` is the sum of all file sizes,
    `skipped` the first few paths that are not stored. `unread` are files that
    the local disk did not give: they are as in the state before, or left out
    if they were not in it.
    """

    root: RootRef
    files: int
    directories: int
    content_bytes: int
    read_bytes: int
    uploaded_bytes: int
    uploaded_packs: int
    skipped: tuple[Skipped, ...]
    unread: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True)
class Restoration:
    """What `restore` did. `cloned_bytes` came from the base; `lost` are attributes that this host can't hold."""

    files: int
    directories: int
    content_bytes: int
    fetched_bytes: int
    cloned_bytes: int
    lost: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found. `damaged` lists relative paths; empty when everything is as it was written."""

    files: int
    blobs: int
    read_bytes: int
    damaged: tuple[str, ...]


def ignore_progress(_: Progress) -> None:
    """Take no notice: an `OnProgress` for callers that show nothing."""


def shown(path: bytes) -> str:
    """Return a path (bytes of any encoding) as text for people; no control characters or surrogates in it."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
