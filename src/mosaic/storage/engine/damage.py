"""The ways in which stored bytes, or the files being stored, turn out not to be what they were."""

import errno
from collections.abc import Sequence

from mosaic.core.errors import Conflict, Corrupt
from mosaic.storage.engine.roots import Skipped

UNREADABLE = (errno.EIO, errno.E2BIG, errno.EUCLEAN, errno.EBADMSG)
"""A sector that is gone, more attributes than are stored, or what a file system says of its own damage."""

_VERIFY = "leave the store as it is: only files in the damaged part are affected, and another copy of it may be good"


class PackDamaged(Corrupt):
    """A pack's frame (header, footer, length) fails its check."""

    code = "pack-damaged"

    def __init__(self, pack: bytes, reason: str) -> None:
        super().__init__(f"pack {pack.hex()} is damaged: {reason}", hint=_VERIFY)


class BlobDamaged(Corrupt):
    """One blob of a pack fails its check, or no pack has it."""

    code = "blob-damaged"

    def __init__(self, blob: bytes, reason: str) -> None:
        super().__init__(f"stored piece {blob.hex()[:16]} {reason}", hint=_VERIFY)


class TreeMalformed(Corrupt):
    """A page or record decrypts, and is not what this format allows."""

    code = "tree-malformed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the stored tree makes no sense: {reason}", hint=_VERIFY)


class SourceDamaged(Corrupt):
    """A file of the snapshot can't be read from the local disk. `is_of_file`: for what that one file is."""

    code = "source-damaged"

    def __init__(self, path: str, reason: str, *, is_of_file: bool = False) -> None:
        super().__init__(
            f"{path} cannot be read: {reason}",
            hint="no snapshot is made until it can: if the disk is failing, first copy what can be read elsewhere; "
            "another Device gets the last good snapshot, and nothing since",
        )
        self.reason = reason
        self.is_of_file = is_of_file


class FilesUnread(Corrupt):
    """Files of a snapshot can't be read from the local disk; everything else of it is stored."""

    code = "files-unread"

    def __init__(self, files: Sequence[Skipped]) -> None:
        others = f", nor can {len(files) - 1} more" if len(files) > 1 else ""
        super().__init__(
            f"{files[0].path} cannot be read ({files[0].reason}){others}; "
            "snapshots go on, and have what could be read of it before",
            hint="if the disk is failing, move the app to another Device: it gets everything else as it is now",
        )


class SourceChanged(Conflict):
    """The snapshot changed while it was read, so it was none."""

    code = "source-changed"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} changed while it was read", hint="replicate a read-only snapshot, not the live folder"
        )


class CopyMissing(Conflict):
    """A snapshot made of copies lacks a file that is needed."""

    code = "copy-missing"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"the snapshot has no copy of {path}", hint="nothing to do: the next snapshot copies every file anew"
        )
