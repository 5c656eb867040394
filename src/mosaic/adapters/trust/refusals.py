"""What a repository is refused for. Each kind of attack has a code of its own; what was trusted before stays.

The library's errors say what was wrong in words; `meaning` turns them into one
of ours. The order counts: its classes derive from one another.
"""

from collections.abc import Sequence
from pathlib import Path

from tuf.api import exceptions as tuf
from tuf.api.serialization import DeserializationError

from mosaic.core.errors import MosaicError, NotFound, Refused, Unavailable


class TrustRefused(Refused):
    """What the repository serves is not trusted. The Targets that were trusted before stay."""

    code = "trust-refused"
    reason = "it cannot be trusted"
    remedy = "tell whoever publishes the apps; nothing was changed here"

    def __init__(self, where: str, name: str) -> None:
        super().__init__(f"what {where} serves is refused at {name}: {self.reason}", hint=self.remedy)


class TrustRollback(TrustRefused):
    """Its version may not follow what this machine has seen: it is older, or leaves one out."""

    code = "trust-rollback"
    reason = "its version may not follow the one that was seen here before"


class TrustExpired(TrustRefused):
    """It was signed for a time that is over: somebody holds newer Targets back, or nobody signs them any more."""

    code = "trust-expired"
    reason = "the time that it was signed for is over"
    remedy = "whoever publishes the apps must sign them again; check this machine's clock with `timedatectl`"


class TrustMixed(TrustRefused):
    """The file is not the one that the metadata before it names, by length, hash or version."""

    code = "trust-mixed"
    reason = "it is not the file that the signed metadata names"


class TrustUnsigned(TrustRefused):
    """Too few of the keys that must have signed it did."""

    code = "trust-unsigned"
    reason = "it is not signed by the keys that must sign it"


class TrustTooLarge(TrustRefused):
    """It does not end where it should."""

    code = "trust-too-large"
    reason = "it is larger than it may be"


class TrustTooSlow(TrustRefused):
    """It did not arrive in the time that a refresh has."""

    code = "trust-too-slow"
    reason = "it does not arrive in time"
    remedy = "it is tried again by itself; look at the connection of this machine"


class TrustUnreadable(TrustRefused):
    """It is no metadata, or says what makes no sense."""

    code = "trust-unreadable"
    reason = "it cannot be read"


class RepositoryUnavailable(Unavailable):
    """The repository of signed Targets does not answer, or not with what was asked."""

    code = "repository-unavailable"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"the repository {where} does not answer: {reason}", hint="it is tried again by itself")


class ChannelMissing(NotFound):
    """The repository has no channel of that name."""

    code = "channel-missing"

    def __init__(self, channel: str, known: Sequence[str]) -> None:
        super().__init__(
            f"the repository has no channel {channel}", hint=f"it has {', '.join(sorted(known)) or 'none yet'}"
        )


class TrustFolderUnusable(Unavailable):
    """The folder with the trusted metadata cannot be read or written."""

    code = "trust-folder-unusable"

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"{folder}, where trusted metadata is kept, cannot be used: {reason}",
            hint="free space or mend the disk; it is tried again by itself",
        )


_KINDS: tuple[tuple[type[Exception], type[TrustRefused]], ...] = (
    (tuf.ExpiredMetadataError, TrustExpired),
    (tuf.BadVersionNumberError, TrustRollback),
    (tuf.LengthOrHashMismatchError, TrustMixed),
    (tuf.UnsignedMetadataError, TrustUnsigned),
    (DeserializationError, TrustUnreadable),
    (tuf.DownloadLengthMismatchError, TrustTooLarge),
    (tuf.SlowRetrievalError, TrustTooSlow),
)


def meaning(error: tuf.RepositoryError | tuf.DownloadError, *, where: str, name: str) -> MosaicError:
    """Return what an error of the library means. `name` is the file that was read last."""
    for kind, refusal in _KINDS:
        if isinstance(error, kind):
            return refusal(where, name)
    if isinstance(error, tuf.DownloadError):
        return RepositoryUnavailable(where, str(error))
    return TrustRefused(where, name)
