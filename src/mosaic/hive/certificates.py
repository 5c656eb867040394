"""The files of a certificate: the owner's, looked at before they are served, and those by the Hive's own authority."""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from mosaic.adapters.private_file import write_private
from mosaic.crypto import ca
from mosaic.crypto.ca import KeyPair
from mosaic.hive.config import HiveConfig
from mosaic.hive.tls import AddressUnusable, Certificate

_RENEW_BEFORE = timedelta(days=30)


def given(certificate: Path, key: Path) -> Certificate:
    """Return the owner's own certificate and key, looked at. Raises AddressUnusable when they can't be served."""
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


def own(config: HiveConfig, now: datetime) -> Certificate:
    """Return a certificate by the Hive's own authority; both are made, or issued anew, when it is time to."""
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
