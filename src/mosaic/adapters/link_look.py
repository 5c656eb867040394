"""Looking at a gateway's public ports as a name's visitor does: what takes connections, shows a certificate, answers.

Each wait ends, also for who sends a byte now and then. What is learnt is a word about the
connection, a certificate and a status: of an answer only its first line is read.
"""

import re
import socket
import ssl
import time

from mosaic.adapters.look_from_outside import no_trust, public_trust
from mosaic.core.link_sights import Door, Shown, Silence

SECONDS = 5.0
_NO_CERTIFICATE = ("ALERT_INTERNAL_ERROR", "ALERT_UNRECOGNIZED_NAME", "ALERT_HANDSHAKE_FAILURE", "ALERT_ACCESS_DENIED")
_LONGEST_LINE = 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")


def tcp_door(host: str, port: int, *, seconds: float = SECONDS) -> Door:
    """Say whether the port takes connections."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return Door(host, port)
    except OSError as error:
        return Door(host, port, _words(error))


def plain_door(host: str, port: int, name: str, *, seconds: float = SECONDS) -> Door:
    """Say whether the port takes connections, and what it answers to a request for a name."""
    try:
        line = socket.create_connection((host, port), timeout=seconds)
    except OSError as error:
        return Door(host, port, _words(error))
    with line:
        try:
            return Door(host, port, status=_answered(line, name, seconds=seconds))
        except OSError:
            return Door(host, port)


def certificate(
    host: str, port: int, name: str, *, trusts: ssl.SSLContext | None = None, seconds: float = SECONDS
) -> Shown | Silence:
    """Begin TLS for a name, and return what is shown. `trusts` is a visitor's trust, this machine's if None."""
    try:
        der, refusal = _shaken(host, port, name, trusts or public_trust(), seconds=seconds), ""
    except ssl.SSLCertVerificationError as error:
        refusal = error.verify_message or "it is not trusted"
        try:
            der = _shaken(host, port, name, no_trust(), seconds=seconds)
        except OSError as again:
            return _silence(again)
    except OSError as error:
        return _silence(error)
    # Who never looks at a link never needs what reads certificates.
    from mosaic.crypto import shown_certificate

    read = shown_certificate.read(der or b"")
    if read is None:
        return "no-tls"
    return Shown(read.names, read.issuer, read.since, read.until, refusal)


def status(host: str, port: int, name: str, *, seconds: float = SECONDS) -> int | None:
    """Return the status that comes to `GET /` over TLS, None when none does. Whose certificate it is was looked at."""
    try:
        with (
            socket.create_connection((host, port), timeout=seconds) as plain,
            no_trust().wrap_socket(plain, server_hostname=name) as secured,
        ):
            return _answered(secured, name, seconds=seconds)
    except OSError:
        return None


def _shaken(host: str, port: int, name: str, trusts: ssl.SSLContext, *, seconds: float) -> bytes | None:
    with (
        socket.create_connection((host, port), timeout=seconds) as plain,
        trusts.wrap_socket(plain, server_hostname=name) as secured,
    ):
        return secured.getpeercert(binary_form=True)


def _answered(line: socket.socket, name: str, *, seconds: float) -> int | None:
    """Ask for `/`, and return the status of the answer, None for what is no HTTP. Raises OSError."""
    until, read = time.monotonic() + seconds, b""
    line.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
    while b"\n" not in read and len(read) < _LONGEST_LINE:
        line.settimeout(max(0.001, until - time.monotonic()))
        if time.monotonic() > until or not (piece := line.recv(_LONGEST_LINE)):
            break
        read += piece
    found = _STATUS.match(read)
    return int(found[1]) if found else None


def _silence(error: OSError) -> Silence:
    if isinstance(error, TimeoutError):
        return "unanswered"
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        reason = error.reason or ""
        if any(word in reason for word in _NO_CERTIFICATE):
            return "no-certificate"
        return "closed" if "UNEXPECTED_EOF" in reason else "no-tls"
    return "closed"


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return (error.strerror or type(error).__name__).lower()
