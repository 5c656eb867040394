"""What the failure of a connection means."""

import ssl
from collections.abc import Iterator

import httpx2

from mosaic.adapters.oci.failures import RegistryUnreachable, RegistryUntrusted
from mosaic.core.errors import MosaicError

# The first that fits.
_WORDS: tuple[tuple[type[httpx2.TransportError], str], ...] = (
    (httpx2.ConnectTimeout, "it did not answer in time"),
    (httpx2.TimeoutException, "it was silent for too long"),
    (httpx2.ConnectError, "no connection could be made"),
    (httpx2.RemoteProtocolError, "it ended the connection in the middle"),
    (httpx2.NetworkError, "the connection was lost"),
)


def meaning(error: httpx2.TransportError, where: str) -> MosaicError:
    """Return the error that a failed request stands for."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return RegistryUntrusted(where)
    if isinstance(error, httpx2.ConnectError):
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            return RegistryUnreachable(where, "it does not answer in HTTPS")
        # Of what the system says the words are enough, such as `Connection refused`.
        said = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
        if said is not None:
            return RegistryUnreachable(where, said)
    reason = next((words for kind, words in _WORDS if isinstance(error, kind)), "the request failed")
    return RegistryUnreachable(where, reason)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
