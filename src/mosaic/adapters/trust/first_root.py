"""The first root of a repository: what a person is shown before he believes it, and how it is fetched for him.

Nothing vouches for it but the person. It must be signed by the keys that it names, as the client demands of it too.
"""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata, Root
from tuf.api.serialization import DeserializationError

from mosaic.adapters.trust.fetcher import BoundedFetcher
from mosaic.adapters.trust.public_files import METADATA
from mosaic.adapters.trust.refusals import TrustUnreadable, TrustUnsigned, meaning

MOST_ROOT_BYTES = 512_000
"""What the client library takes for a root at most."""

FETCH_SECONDS = 60.0
_NAME = "1.root.json"
_GIVEN = "the root that was given"


@dataclass(frozen=True, slots=True)
class FirstRoot:
    """`sha256` is hex. `keys` are the ids of the root role's keys, `threshold` of which sign; `expires_at` in seconds
    since 1970.
    """

    sha256: str
    version: int
    keys: tuple[str, ...]
    threshold: int
    expires_at: int


def read_first_root(content: bytes, *, where: str = "the file") -> FirstRoot:
    """Return what a root says. Whether its time is over is left to the refresh, which may lead to newer ones.

    Raises:
        TrustUnreadable: it is no root's metadata.
        TrustUnsigned: it is not signed by the keys that it names.
    """
    if len(content) > MOST_ROOT_BYTES:
        raise TrustUnreadable(where, _GIVEN)
    try:
        found = Metadata[Root].from_bytes(content)
        root = found.signed
        if not isinstance(root, Root):
            raise TrustUnreadable(where, _GIVEN)
        root.verify_delegate(Root.type, found.signed_bytes, found.signatures)
    except DeserializationError as error:
        raise TrustUnreadable(where, _GIVEN) from error
    except (RepositoryError, ValueError) as error:
        raise TrustUnsigned(where, _GIVEN) from error
    role = root.roles[Root.type]
    return FirstRoot(
        hashlib.sha256(content).hexdigest(),
        root.version,
        tuple(role.keyids),
        role.threshold,
        int(root.expires.timestamp()),
    )


def fetch_first_root(base: str, *, deadline_seconds: float = FETCH_SECONDS) -> bytes:
    """Return the first root that a repository serves. Call it in a thread without an event loop.

    Raises:
        RepositoryUnavailable: nobody answers, or it has none.
        TrustRefused: in one of its kinds.
    """
    where = urlsplit(base).hostname or urlsplit(base).path
    try:
        fetcher = BoundedFetcher(deadline_seconds=deadline_seconds)
        return fetcher.download_bytes(f"{base.rstrip('/')}/{METADATA}/{_NAME}", MOST_ROOT_BYTES)
    except DownloadError as error:
        raise meaning(error, where=where, name=_NAME) from error
