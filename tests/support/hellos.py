"""TLS ClientHellos: as Python's own TLS sends them, and built field by field, also as nobody honest would."""

import contextlib
import ssl
from collections.abc import Sequence

_GREASE = 0x0A0A


def real_hello(name: str | None, *, alpn: Sequence[str] = ()) -> bytes:
    """Return the first flight of a client that asks for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def built_hello(*extensions: bytes, record_bytes: int = 2**14) -> bytes:
    """Return a hello with these extensions alone, in records of at most so many bytes."""
    return in_records(message(*extensions), record_bytes)


def message(*extensions: bytes, session: bytes = bytes(32), ciphers: bytes = b"\x0a\x0a\x13\x01") -> bytes:
    """Return a ClientHello as a handshake message, without a record around it."""
    body = b"\x03\x03" + bytes(range(32)) + _vector(1, session) + _vector(2, ciphers) + _vector(1, b"\0")
    body += _vector(2, b"".join(extensions))
    return b"\x01" + _vector(3, body)


def in_records(content: bytes, record_bytes: int = 2**14) -> bytes:
    """Return a handshake message in records of at most so many bytes."""
    pieces = [content[at : at + record_bytes] for at in range(0, len(content), record_bytes)]
    return b"".join(b"\x16\x03\x01" + _vector(2, piece) for piece in pieces)


def extension(kind: int, content: bytes) -> bytes:
    """Return one extension."""
    return kind.to_bytes(2, "big") + _vector(2, content)


def server_name(*names: bytes, kind: int = 0) -> bytes:
    """Return the extension that names hosts."""
    return extension(0, _vector(2, b"".join(bytes([kind]) + _vector(2, name) for name in names)))


def protocols(*names: bytes) -> bytes:
    """Return the extension that names protocols (ALPN)."""
    return extension(16, _vector(2, b"".join(_vector(1, name) for name in names)))


def grease() -> bytes:
    """Return an extension that means nothing (RFC 8701)."""
    return extension(_GREASE, b"\0")


def padding(count: int) -> bytes:
    """Return an extension that makes a hello longer (RFC 7685), as a key share of post-quantum size would."""
    return extension(21, bytes(count))


def _vector(width: int, content: bytes) -> bytes:
    return len(content).to_bytes(width, "big") + content
