"""The pairing string: what one Device needs to keep data on another, typed or pasted once.

It carries the fingerprint of the other's certificate, which nobody in between
can imitate, and the token that opens its shared folder. It is a secret.
"""

import hashlib
import re
import socket
import ssl
from dataclasses import dataclass

from mosaic.adapters.blobs import StoreUnavailable
from mosaic.core.errors import Refused

_PATTERN = re.compile(r"mosaic-pair-([0-9a-f]{64})-([A-Za-z0-9_-]{43})", re.ASCII)


class PairingRefused(Refused):
    """The other Device does not take the token, or is not the one of the pairing string."""

    code = "pairing-refused"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"the Device at {url} does not take this pairing",
            hint="print a new one there, `mosaic storage share --new-pairing`, and add the store again",
        )


class PairingUnusable(Refused):
    """What was given is no pairing string. It is not repeated: it is a secret."""

    code = "pairing-unusable"

    def __init__(self) -> None:
        super().__init__(
            "that is not a pairing string", hint="copy the whole line that `mosaic storage share` printed there"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Pairing:
    """The SHA-256 (hex) of a certificate, and a token."""

    fingerprint: str
    token: str

    def __repr__(self) -> str:
        return "Pairing(not shown)"


def pairing_string(pairing: Pairing) -> str:
    """Return what is printed once."""
    return f"mosaic-pair-{pairing.fingerprint}-{pairing.token}"


def parse_pairing(text: str) -> Pairing:
    """Return what a pairing string says. Raises PairingUnusable."""
    found = _PATTERN.fullmatch("".join(text.split()))
    if found is None:
        raise PairingUnusable
    return Pairing(found[1], found[2])


def fingerprint_of(certificate_pem: str) -> str:
    """Return the SHA-256 (hex) of a certificate."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate_pem)).hexdigest()


def fetch_certificate(host: str, port: int, fingerprint: str, *, seconds: float) -> str:
    """Return the certificate (PEM) with this fingerprint that is shown there. No secret is sent.

    Raises:
        PairingRefused: another one is shown there.
        StoreUnavailable: nobody answers.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whoever answers is known by the fingerprint, and by nothing else.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    where = f"the Device at {host}:{port}"
    try:
        plain = socket.create_connection((host, port), timeout=seconds)
        with plain, context.wrap_socket(plain) as encrypted:
            shown = encrypted.getpeercert(binary_form=True)
    except (OSError, UnicodeError) as error:
        raise StoreUnavailable(where, str(error) or type(error).__name__) from error
    if shown is None or hashlib.sha256(shown).hexdigest() != fingerprint:
        raise PairingRefused(f"{host}:{port}")
    return ssl.DER_cert_to_PEM_cert(shown)
