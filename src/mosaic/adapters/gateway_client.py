"""Asking a gateway, as a Hive does (contract: `mosaic.wire.links`).

Every request is signed by whoever is given as `sign`; every wait ends. A refusal comes back as the error that the
gateway raised, in the branch that its status says.
"""

import hashlib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec

from mosaic.adapters.api_client import is_loopback, refusal, segment
from mosaic.adapters.bounded_http import BoundedTransport, Patience
from mosaic.adapters.clock import SystemClock
from mosaic.core.errors import MosaicError, Refused, Unavailable
from mosaic.core.ids import LinkId
from mosaic.crypto.hive_requests import HiveRequest
from mosaic.wire.links import DesiredLink, GatewayAbout, LinkStanding
from mosaic.wire.problem import Problem

Answer = TypeVar("Answer")
Sign = Callable[[HiveRequest], Mapping[str, str]]
"""Returns the headers that prove whose a request is."""

DEADLINE_SECONDS = 15.0
"""Of each wait."""

REQUEST_SECONDS = 45.0
"""Of a request with its answer, whatever comes meanwhile: one that comes byte by byte would have no end."""

_MOST_BYTES = 64 * 1024 * 1024
_FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)


class GatewaySilent(Unavailable):
    """A gateway did not answer, or something else did."""

    code = "gateway-silent"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"the gateway at {url} does not answer: {reason}",
            hint="look whether a gateway runs there, and whether the address is right: `mosaic link gateway list`",
        )


class GatewayAddressUnusable(Refused):
    """This cannot be where a gateway is asked."""

    code = "gateway-address-unusable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"{url[:200]!r} cannot be a gateway's address: {reason}", hint="write it like https://gw.example.com"
        )


class GatewayUntrusted(Refused):
    """A gateway's certificate is not the one that was named, or nobody vouches for it."""

    code = "gateway-untrusted"

    def __init__(self, url: str, found: str) -> None:
        super().__init__(
            f"no authority that this machine trusts signed the certificate at {url}; its fingerprint is {found}",
            hint=f"compare it with what its machine says, then `mosaic link gateway add {url} --fingerprint {found}`",
        )


class GatewayClient:
    """One gateway. `certificate` (PEM) alone is believed where it is given; used in a `with` block."""

    def __init__(self, url: str, sign: Sign, *, certificate: str | None = None) -> None:
        self.url = checked_address(url)
        self._host = urlsplit(self.url).hostname or ""
        self._sign = sign
        self._patience = Patience(SystemClock())
        self._http = httpx2.Client(
            base_url=self.url,
            transport=BoundedTransport(_trust(self.url, certificate), self._patience),
            timeout=DEADLINE_SECONDS,
            # A proxy of the environment has no part in this.
            trust_env=False,
        )

    def __enter__(self) -> "GatewayClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def about(self) -> GatewayAbout:
        """Ask who it is, and which domains are this Hive's."""
        return self._decoded(self._sent("GET", "/v1/gateway"), GatewayAbout)

    def put(self, link: LinkId, wanted: DesiredLink) -> LinkStanding:
        """Have the link as it is wanted; return how it is there."""
        return self._decoded(self._sent("PUT", _path(link), msgspec.json.encode(wanted)), LinkStanding)

    def delete(self, link: LinkId) -> None:
        """Have it forget the link. One that it does not have is no error."""
        self._sent("DELETE", _path(link))

    def links(self) -> list[LinkStanding]:
        """Return how all links of this Hive are there."""
        return self._decoded(self._sent("GET", "/v1/links"), list[LinkStanding])

    def _sent(self, method: str, path: str, body: bytes = b"") -> bytes:
        headers = {**self._sign(HiveRequest(method, path, body, self._host)), "Accept-Encoding": "identity"}
        if body:
            headers["Content-Type"] = "application/json"
        content = bytearray()
        self._patience.lasts(REQUEST_SECONDS)
        try:
            with self._http.stream(method, path, content=body or None, headers=headers) as response:
                for piece in response.iter_raw():
                    content += piece
                    if len(content) > _MOST_BYTES:
                        raise GatewaySilent(self.url, "it sent more than can be meant")
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
            raise GatewaySilent(self.url, str(error) or type(error).__name__) from None
        if response.is_success:
            return bytes(content)
        raise self._refusal(response.status_code, bytes(content))

    def _refusal(self, status: int, body: bytes) -> MosaicError:
        try:
            msgspec.json.decode(body, type=Problem)
        except msgspec.MsgspecError:
            return GatewaySilent(self.url, f"something answered {status} that is no gateway's word")
        return refusal(self.url, status, body)

    def _decoded(self, body: bytes, answer: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(body, type=answer)
        except msgspec.MsgspecError as error:
            raise GatewaySilent(self.url, f"what it answered is no gateway's word: {error}") from None


def checked_address(url: str) -> str:
    """Return the address in its one spelling. Raises GatewayAddressUnusable."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise GatewayAddressUnusable(url, "it is none") from None
    if parts.scheme not in ("http", "https") or not host or not url.isascii():
        raise GatewayAddressUnusable(url, "it begins with https:// and a name")
    if parts.username is not None or parts.query or parts.fragment or parts.path.strip("/"):
        raise GatewayAddressUnusable(url, "it has more than a name and a port")
    shown = f"[{host}]" if ":" in host else host
    plain = f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")
    if parts.scheme == "http" and not is_loopback(plain):
        raise GatewayAddressUnusable(url, "it is not encrypted, and not on this machine")
    return plain


def pinned_certificate(url: str, fingerprint: str) -> str:
    """Fetch a gateway's certificate (PEM) and compare it with its SHA-256. Raises GatewayUntrusted, GatewaySilent."""
    wanted = fingerprint.replace(":", "").strip().lower()
    if not _FINGERPRINT.fullmatch(wanted):
        raise GatewayAddressUnusable(url, "a fingerprint is 64 hex digits")
    certificate = shown_certificate(url)
    found = fingerprint_of(certificate)
    if found != wanted:
        raise GatewayUntrusted(url, found)
    return certificate


def shown_certificate(url: str) -> str:
    """Return the certificate (PEM) that whoever answers there shows; nobody vouches for it. Raises GatewaySilent."""
    parts = urlsplit(checked_address(url))
    if parts.scheme != "https" or parts.hostname is None:
        raise GatewayAddressUnusable(url, "one without https:// has no certificate")
    try:
        return ssl.get_server_certificate((parts.hostname, parts.port or 443), timeout=DEADLINE_SECONDS)
    except (OSError, ValueError) as error:
        raise GatewaySilent(url, str(error) or type(error).__name__) from None


def fingerprint_of(certificate: str) -> str:
    """Return the SHA-256 (hex) of a certificate (PEM)."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()


def require_trusted(url: str) -> None:
    """Return when an authority that this machine trusts signed it. Raises GatewayUntrusted, GatewaySilent."""
    parts = urlsplit(checked_address(url))
    if parts.scheme != "https" or parts.hostname is None:
        return
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), timeout=DEADLINE_SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname),
        ):
            return
    except ssl.SSLCertVerificationError:
        raise GatewayUntrusted(url, fingerprint_of(shown_certificate(url))) from None
    except OSError as error:
        raise GatewaySilent(url, str(error) or type(error).__name__) from None


def _trust(url: str, certificate: str | None) -> ssl.SSLContext:
    if not url.startswith("https:"):
        # There will be no TLS; this one trusts nobody.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate is None:
        return ssl.create_default_context()
    context = ssl.create_default_context(cadata=certificate)
    # This certificate itself is the anchor, whoever signed it, and whatever name stands in it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context


def _path(link: LinkId) -> str:
    return f"/v1/links/{segment(link)}"
