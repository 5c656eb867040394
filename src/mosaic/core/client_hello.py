"""Reading the name out of a TLS ClientHello, from as many of its bytes as have come.

`read` is given everything received so far, and says after each piece whether it
has to wait, which name and protocols are asked for, or why this is refused. The
hello may span records, and records may span pieces; what follows it is never
looked at. All extensions but two are passed over, so values that mean nothing
(GREASE) and key shares of any size are no matter.

Sources: RFC 8446 4.1.2, 4.2 and 5.1 (also for hellos of TLS 1.0 to 1.2), RFC 6066 3 (server_name), RFC 7301 3.1 (ALPN).
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from mosaic.core.asked_name import asked_name
from mosaic.core.needs_more import NeedsMore

MOST_BYTES = 16 * 1024
"""Of a hello as it is sent, with the heads of its records. Those of browsers have less than 2,500."""

_MOST_RECORDS = 64
_RECORD_HEAD = 5
_LARGEST_RECORD = 2**14
_HANDSHAKE = 22
_CLIENT_HELLO = 1
_MESSAGE_HEAD = 4
_TLS_MAJOR = 3
_RANDOM_BYTES = 32
_SERVER_NAME = 0
_HOST_NAME = 0
_ALPN = 16
_EXTENSION_HEAD = 4


class Refusal(Enum):
    """Why a connection's first bytes name nothing that could be routed."""

    NOT_TLS = "it does not begin with a ClientHello of SSL 3 or later"
    TOO_LONG = "its ClientHello is longer than 16 KiB, or in more than 64 records"
    BROKEN = "its ClientHello is not of the grammar"
    NO_NAME = "it names nothing (no SNI)"
    SEVERAL_NAMES = "it names several hosts"
    NO_HOST_NAME = "what it names is no host name"


@dataclass(frozen=True, slots=True)
class Asks:
    """What a hello asks for. `name` is as routes are keyed; `alpn` is as it was sent, GREASE included."""

    name: str
    alpn: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """No name will come of this, whatever follows."""

    why: Refusal


Reading: TypeAlias = NeedsMore | Asks | Refused


class _Broken(ValueError):
    """A length points out of what it is a part of, or a value is not one of those allowed."""


def read(received: bytes) -> Reading:
    """Say what the first bytes of a connection ask for. Never raises, and is quick: each piece may be asked about."""
    message = _message(received)
    if not isinstance(message, bytes):
        return message
    try:
        extensions = _extensions(message)
        if _SERVER_NAME not in extensions:
            return Refused(Refusal.NO_NAME)
        names = _host_names(extensions[_SERVER_NAME])
        alpn = _protocols(extensions[_ALPN]) if _ALPN in extensions else ()
    except _Broken:
        return Refused(Refusal.BROKEN)
    if len(names) != 1:
        return Refused(Refusal.SEVERAL_NAMES if names else Refusal.NO_NAME)
    name = asked_name(names[0])
    return Asks(name, alpn) if name is not None else Refused(Refusal.NO_HOST_NAME)


def _message(received: bytes) -> bytes | NeedsMore | Refused:
    """Return the body of the ClientHello, its records joined."""
    joined = b""
    at = 0
    for _ in range(_MOST_RECORDS):
        head = received[at : at + _RECORD_HEAD]
        refusal = _wrong_record(head, first=at == 0)
        if refusal is not None:
            return Refused(refusal)
        start = at + _RECORD_HEAD
        if start >= MOST_BYTES:
            return Refused(Refusal.TOO_LONG)
        if len(head) < _RECORD_HEAD:
            return NeedsMore(start)
        end = start + int.from_bytes(head[3:], "big")
        before = len(joined)
        joined += received[start:end]
        if joined and joined[0] != _CLIENT_HELLO:
            return Refused(Refusal.NOT_TLS)
        whole = _MESSAGE_HEAD
        if len(joined) >= _MESSAGE_HEAD:
            whole += int.from_bytes(joined[1:_MESSAGE_HEAD], "big")
            if start + whole - before > MOST_BYTES:
                return Refused(Refusal.TOO_LONG)
            if len(joined) >= whole:
                return joined[_MESSAGE_HEAD:whole]
        if len(received) < end:
            return NeedsMore(min(end, start + whole - before))
        at = end
    return Refused(Refusal.TOO_LONG)


def _wrong_record(head: bytes, *, first: bool) -> Refusal | None:
    """Say what is wrong with the head of a record, which may be there in part."""
    if head[:1] not in (b"", bytes([_HANDSHAKE])) or head[1:2] not in (b"", bytes([_TLS_MAJOR])):
        return Refusal.NOT_TLS if first else Refusal.BROKEN
    if len(head) == _RECORD_HEAD and not 0 < int.from_bytes(head[3:], "big") <= _LARGEST_RECORD:
        return Refusal.BROKEN
    return None


def _extensions(hello: bytes) -> dict[int, bytes]:
    """Return the extensions of a ClientHello by their numbers; one without any has none. Raises _Broken."""
    if hello[:1] != bytes([_TLS_MAJOR]):
        raise _Broken
    session, at = _vector(hello, 2 + _RANDOM_BYTES, 1)
    ciphers, at = _vector(hello, at, 2)
    compressions, at = _vector(hello, at, 1)
    if len(session) > _RANDOM_BYTES or not ciphers or len(ciphers) % 2 or not compressions:
        raise _Broken
    if at == len(hello):
        return {}
    listed = _last(hello, at, 2)
    found: dict[int, bytes] = {}
    at, end = 0, len(listed)
    # Every visitor's hello comes by here, and has twenty of them.
    while at < end:
        start = at + _EXTENSION_HEAD
        kind = int.from_bytes(listed[at : at + 2], "big")
        at = start + int.from_bytes(listed[at + 2 : start], "big")
        if start > end or at > end or kind in found:
            raise _Broken
        found[kind] = listed[start:at]
    return found


def _host_names(extension: bytes) -> list[bytes]:
    """Return the host names of a server_name extension; names of other kinds are passed over. Raises _Broken."""
    listed = _last(extension, 0, 2)
    if not listed:
        raise _Broken
    found = []
    at = 0
    while at < len(listed):
        kind = listed[at]
        name, at = _vector(listed, at + 1, 2)
        if not name:
            raise _Broken
        if kind == _HOST_NAME:
            found.append(name)
    return found


def _protocols(extension: bytes) -> tuple[bytes, ...]:
    """Return the protocols of an ALPN extension. Raises _Broken."""
    listed = _last(extension, 0, 2)
    found = []
    at = 0
    while at < len(listed):
        protocol, at = _vector(listed, at, 1)
        found.append(protocol)
    if not all(found) or not found:
        raise _Broken
    return tuple(found)


def _vector(content: bytes, at: int, width: int) -> tuple[bytes, int]:
    """Return what a length of that width at `at` is followed by, and where that ends. Raises _Broken."""
    start = at + width
    end = start + int.from_bytes(content[at:start], "big")
    # What is cut off has fewer bytes of its length, or of itself.
    if start > len(content) or end > len(content):
        raise _Broken
    return content[start:end], end


def _last(content: bytes, at: int, width: int) -> bytes:
    """Return a vector that must be the last thing there. Raises _Broken."""
    vector, end = _vector(content, at, width)
    if end != len(content):
        raise _Broken
    return vector
