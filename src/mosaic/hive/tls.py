"""How the Hive is reached: plain HTTP on loopback only, HTTPS everywhere else.

Browsers derive keys in a secure context only, and a join token travels over
this connection. Without a given certificate the Hive makes an authority of its
own and issues one; Devices learn the authority from the Hive's signed
identity, browsers have to be told once.
"""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from mosaic.core.errors import Refused
from mosaic.hive.config import HiveConfig


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
        from mosaic.hive import certificates  # imported late: a Hive for this machine alone needs none, and is smaller

        return certificates.given(config.certificate, config.key)
    wanted = urlsplit(config.url).scheme if config.url else None
    if is_loopback(config.listen) and wanted != "https":
        return None
    if wanted == "http":
        raise AddressUnusable(
            f"plain HTTP is for this machine only, and {config.listen} is reachable from others",
            hint="give an https:// URL; the Hive makes a certificate when none is given",
        )
    from mosaic.hive import certificates  # imported late, as above

    return certificates.own(config, datetime.now(UTC))


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def renewed(config: HiveConfig, served: Certificate, context: ssl.SSLContext, since: float) -> float:
    """Serve new connections by the newest certificate; open ones go on. Returns the instant of its file.

    The Hive's own is issued anew before it ends. `since` is the instant of the file that is served now.
    """
    certificate_for(config)
    changed = served.certificate.stat().st_mtime
    if changed != since:
        context.load_cert_chain(served.certificate, served.key)
    return changed
