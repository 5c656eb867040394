"""How the Hive is reached: plain HTTP on loopback only, HTTPS everywhere else.

Browsers derive keys in a secure context only, and a join token travels over
this connection. Without a given certificate the Hive makes an authority of its
own and issues one; Devices learn the authority from the Hive's signed
identity, browsers have to be told once.
"""

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from mosaic.adapters.private_file import write_private
from mosaic.core.errors import Refused
from mosaic.crypto import ca
from mosaic.crypto.ca import KeyPair
from mosaic.hive.config import HiveConfig

_RENEW_BEFORE = timedelta(days=30)


class AddressUnusable(Refused):
    """The Hive cannot be served like this."""

    code = "address-unusable"

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what, hint=hint)


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files to serve by. `ca_pem` is what clients must trust; None when a public authority or nobody signed it."""

    certificate: Path
    key: Path
    ca_pem: str | None


def certificate_for(config: HiveConfig) -> Certificate | None:
    """Return the certificate to serve by; None for plain HTTP, which is for loopback only. Raises AddressUnusable."""
    if config.acme is not None:
        if config.certificate is not None:
            raise AddressUnusable("a certificate was given, and an authority to ask for one", hint="give one of both")
        return None
    if (config.certificate is None) != (config.key is None):
        raise AddressUnusable(
            "a certificate and its key belong together, and only one of them was given", hint="give both, or neither"
        )
    if config.certificate is not None and config.key is not None:
        return _given(config.certificate, config.key)
    wanted = urlsplit(config.url).scheme if config.url else None
    if is_loopback(config.listen) and wanted != "https":
        return None
    if wanted == "http":
        raise AddressUnusable(
            f"plain HTTP is for this machine only, and {config.listen} is reachable from others",
            hint="give an https:// URL; the Hive makes a certificate when none is given",
        )
    return _own(config, datetime.now(UTC))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _given(certificate: Path, key: Path) -> Certificate:
    try:
        pem = certificate.read_text()
        _check_pair(certificate, key)
        ended = ca.expires(pem) < datetime.now(UTC)
    except (OSError, ValueError) as error:
        raise AddressUnusable(
            f"the certificate {certificate} or its key cannot be used: {error}",
            hint="give two readable PEM files that belong together, the key without a password",
        ) from error
    if ended:
        raise AddressUnusable(f"the certificate {certificate} has ended", hint="renew it, then start the Hive again")
    # A chain that ends in its own root says whom to trust; of any other the issuer is known to clients already.
    return Certificate(certificate, key, ca.root_of(pem))


def renewed(config: HiveConfig, served: Certificate, context: ssl.SSLContext, since: float) -> float:
    """Serve new connections by the newest certificate; open ones go on. Returns the instant of its file.

    The Hive's own is issued anew before it ends. `since` is the instant of the file that is served now.
    """
    certificate_for(config)
    changed = served.certificate.stat().st_mtime
    if changed != since:
        context.load_cert_chain(served.certificate, served.key)
    return changed


def _own(config: HiveConfig, now: datetime) -> Certificate:
    folder = config.state / "tls"
    folder.mkdir(mode=0o700, exist_ok=True)
    authority = _authority(folder, now)
    certificate, key = folder / "certificate.pem", folder / "certificate.key"
    names = _names(config)
    if not _still_good(certificate, key, names, now):
        issued = ca.issue(authority, names, now)
        write_private(key, issued.key_pem.encode())
        write_private(certificate, (issued.certificate_pem + authority.certificate_pem).encode())
    return Certificate(certificate, key, authority.certificate_pem)


def _authority(folder: Path, now: datetime) -> KeyPair:
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not certificate.exists() or not key.exists():
        made = ca.make_ca(f"Mosaic on {socket.gethostname()}", now)
        write_private(key, made.key_pem.encode())
        write_private(certificate, made.certificate_pem.encode())
    return KeyPair(certificate.read_text(), key.read_text())


def _names(config: HiveConfig) -> list[str]:
    named = urlsplit(config.url).hostname if config.url else None
    candidates = [named, config.listen, socket.gethostname(), "localhost", "127.0.0.1", "::1"]
    everywhere = ("0.0.0.0", "::")  # noqa: S104 (compared, not bound)
    return list(dict.fromkeys(name for name in candidates if name and name not in everywhere))


def _still_good(certificate: Path, key: Path, names: list[str], now: datetime) -> bool:
    if not certificate.exists() or not key.exists():
        return False
    try:
        _check_pair(certificate, key)
    except (OSError, ValueError):
        # Somebody was killed between writing the one and the other.
        return False
    pem = certificate.read_text()
    return ca.covers(pem, names) and ca.expires(pem) - now > _RENEW_BEFORE


def _check_pair(certificate: Path, key: Path) -> None:
    """Raise OSError or ValueError unless both can be read, and belong together. Asks for no password."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
