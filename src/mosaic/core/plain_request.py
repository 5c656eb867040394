"""Reading a request of plain HTTP, as far as a router that serves only https has to know it, and answering it.

Everybody is sent to https. One kind of request is let through: what an authority
asks of a name (HTTP-01) before it issues a certificate, by GET or HEAD, for a token
and nothing else, without a body. It is written anew, with none of the visitor's
headers, so that what passes is exactly what was looked at. What is not of the
grammar is refused, not guessed at.

Sources: RFC 9112 2 to 6 (messages), RFC 9110 7.2 and 15.4.9 (Host, 308), RFC 8555 8.3 (the path of a challenge).
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.asked_name import asked_name
from mosaic.core.needs_more import NeedsMore

MOST_BYTES = 8 * 1024
"""Of a request's head."""

BAD_REQUEST = "400 Bad Request"
TUNNEL_AWAY = "502 Bad Gateway"

_END = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) ([\x21-\x7e]+) HTTP/1\.([01])")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_ABSOLUTE = re.compile(r"http://([^/?#]*)([/?]?[^#]*)", re.IGNORECASE)
_CHALLENGE = re.compile(r"/\.well-known/acme-challenge/[A-Za-z0-9_-]{1,512}")
_PORT = re.compile(rb":[0-9]{0,5}")


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """What somebody asks for. `name` is as routes are keyed; `target` begins with a slash and is plain ASCII."""

    method: str
    name: str
    target: str
    has_body: bool = False

    @property
    def is_challenge(self) -> bool:
        """Whether it is the one kind that may be let through."""
        if self.method not in ("GET", "HEAD") or self.has_body:
            return False
        return _CHALLENGE.fullmatch(self.target) is not None


@dataclass(frozen=True, slots=True)
class Nonsense:
    """The bytes are no request, or one that names no host."""


Reading: TypeAlias = NeedsMore | PlainRequest | Nonsense


def read(received: bytes) -> Reading:
    """Say what the first bytes of a connection ask for. Never raises; what follows the head is not looked at."""
    if received and not b"A" <= received[:1] <= b"Z":
        return Nonsense()
    end = received.find(_END, 0, MOST_BYTES)
    if end < 0:
        return NeedsMore(len(received) + 1) if len(received) < MOST_BYTES else Nonsense()
    first, *lines = received[:end].split(b"\r\n")
    asked = _REQUEST_LINE.fullmatch(first)
    headers = [_HEADER.fullmatch(line) for line in lines]
    if asked is None or not all(headers):
        return Nonsense()
    found = [(header[1].lower(), header[2].rstrip()) for header in headers if header is not None]
    hosts = [value for key, value in found if key == b"host"]
    if len(hosts) > 1:
        return Nonsense()
    return _request(asked[1].decode(), asked[2].decode(), hosts, has_body=any(_is_body(*header) for header in found))


def to_https(request: PlainRequest) -> bytes:
    """Return the answer that sends a visitor to the same place over https."""
    return _answer("308 Permanent Redirect", f"Location: https://{request.name}{request.target}\r\n")


def refusal(status: str) -> bytes:
    """Return an answer that says only its status."""
    return _answer(status)


def written_anew(request: PlainRequest) -> bytes:
    """Return the request as it is passed on: alone on its connection."""
    lines = (f"{request.method} {request.target} HTTP/1.1", f"Host: {request.name}", "Connection: close", "", "")
    return "\r\n".join(lines).encode()


def _request(method: str, target: str, hosts: list[bytes], *, has_body: bool) -> PlainRequest | Nonsense:
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        # What it names counts, and not the Host beside it (RFC 9112 3.2.2).
        hosts = [absolute[1].encode()]
        target = absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"
    if not hosts or not target.startswith("/"):
        return Nonsense()
    name = asked_name(_without_port(hosts[0]))
    return Nonsense() if name is None else PlainRequest(method, name, target, has_body)


def _without_port(host: bytes) -> bytes:
    name, colon, port = host.partition(b":")
    return name if _PORT.fullmatch(colon + port) else host


def _is_body(key: bytes, value: bytes) -> bool:
    return key == b"transfer-encoding" or (key == b"content-length" and value != b"0")


def _answer(status: str, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
