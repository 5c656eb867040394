"""The ways in which stored bytes, or the files being stored, turn out not to be what they were."""

from mosaic.core.errors import Conflict, Corrupt

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
    """A file of the snapshot can't be read from the local disk."""

    code = "source-damaged"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read: {reason}",
            hint="the local disk is failing: move the app to another device, which gets the last good snapshot",
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
