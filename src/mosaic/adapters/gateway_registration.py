"""Registering a link with its gateway over HTTPS (contract: `mosaic.wire.links`).

The standard library's client: a link's container has little memory. One request,
one connection, a deadline on every wait and on the whole, and a bound on every answer. The token
goes into one header of it, and into no message.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from mosaic.adapters.gateway_trust import PEM_BEGINS, trusting_alone
from mosaic.core.domain_name import is_name
from mosaic.core.errors import Conflict, MosaicError, Refused, Unavailable
from mosaic.core.raw_ports import INNER_PORTS
from mosaic.wire.links import Leave, Register, Registered

DEADLINE_SECONDS = 15.0
"""Of each wait."""

REQUEST_SECONDS = 45.0
"""Of a request with its answer, whatever comes meanwhile: one that comes byte by byte would have no end."""

MOST_ANSWER_BYTES = 256 * 1024

_NOT_ENDED = f"it did not end its answer within {REQUEST_SECONDS:g} s"
_REGISTER = "/v1/links/register"
_LEAVE = "/v1/links/leave"
_MOST_RETRY_SECONDS = 600
_MOST_RETRY_DIGITS = 9
_MOST_PEERS = 64


class LinkGatewaySilent(Unavailable):
    """A gateway does not answer."""

    code = "link-gateway-silent"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"the gateway at {url} does not answer: {reason}",
            hint="the link tries again by itself; look whether this machine reaches that address",
        )


class LinkGatewayUnreadable(Unavailable):
    """Something answers that is no gateway of this version."""

    code = "link-gateway-unreadable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"what answers at {url} is no gateway that this link understands: {reason}",
            hint="check LINK_GATEWAY (or FRACTAL_API); link and gateway need versions that fit",
        )


class LinkTokenUnknown(Refused):
    """The gateway knows no such token (any more)."""

    code = "link-token-refused"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"the gateway at {url} does not know this link's token",
            hint="the link was removed, or its token rotated, or it is another gateway's: start the app again",
        )


class LinkNameRefused(Refused):
    """A configured name is not this link's."""

    code = "link-name-refused"

    def __init__(self, sentence: str) -> None:
        super().__init__(
            f"the gateway refused a name: {sentence}",
            hint="give the link that name first, or take it out of LINK_DOMAIN (or LINK)",
        )


class LinkWasSuperseded(Conflict):
    """Another container registered with this token, and has the link now."""

    code = "link-was-superseded"

    def __init__(self) -> None:
        super().__init__(
            "another container has taken this link over, and this one ends: else each would take it from the other",
            hint="that is right after a move; if both should run, each needs a link of its own",
        )


class LinkModeRefused(Unavailable):
    """The gateway has no other end for this kind of tunnel."""

    code = "link-mode-refused"

    def __init__(self, sentence: str) -> None:
        super().__init__(
            f"the gateway refused the mode of the tunnel: {sentence}",
            hint="leave LINK_MODE away, so that the link finds one that both have",
        )


class LinkKeyRefused(Unavailable):
    """The gateway has this public key already, from another link."""

    code = "link-key-refused"

    def __init__(self) -> None:
        super().__init__(
            "the gateway has another tunnel with this public key", hint="the link makes another pair by itself"
        )


class LinkRegistersTooOften(Unavailable):
    """The gateway asks for patience."""

    code = "link-told-to-wait"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the gateway asks this link to come back in {seconds:g} s",
            hint="it does so by itself; a container that is started again and again is the usual cause",
        )
        self.seconds = seconds


class _Said(msgspec.Struct):
    """What is read of a problem (`wire.problem`)."""

    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GatewayRegistration:
    """One gateway's API, for one link. `trusts` None is for plain HTTP on loopback. Threads may share it."""

    url: str
    token: str = field(repr=False)
    trusts: ssl.SSLContext | None = None

    def register(self, asked: Register) -> Registered:
        """Ask for a place. Asking the same again returns the same.

        Raises:
            LinkTokenUnknown, LinkNameRefused, LinkWasSuperseded: it says no.
            LinkModeRefused, LinkKeyRefused: it may say yes to another mode, or another key.
            LinkGatewaySilent, LinkGatewayUnreadable, LinkRegistersTooOften: later it may say yes.
        """
        body = self._post(_REGISTER, asked)
        try:
            found = msgspec.json.decode(body, type=Registered)
        except msgspec.MsgspecError as error:
            raise LinkGatewayUnreadable(self.url, str(error)) from None
        wrong = _why_not(found)
        if wrong:
            raise LinkGatewayUnreadable(self.url, wrong)
        return found

    def leave(self, left: Leave) -> None:
        """Say that it stops. Raises as `register`."""
        self._post(_LEAVE, left)

    def _post(self, path: str, asked: msgspec.Struct) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        is_over = threading.Event()
        try:
            with contextlib.closing(self._connection()) as connection, _ending(connection, is_over):
                connection.request("POST", urlsplit(self.url).path + path, msgspec.json.encode(asked), headers)
                answer = connection.getresponse()
                body = answer.read(MOST_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise LinkGatewaySilent(self.url, _NOT_ENDED if is_over.is_set() else _reason(error)) from None
        if is_over.is_set():
            raise LinkGatewaySilent(self.url, _NOT_ENDED)
        if len(body) > MOST_ANSWER_BYTES:
            raise LinkGatewayUnreadable(self.url, f"it sent more than {MOST_ANSWER_BYTES // 1024} KiB")
        if 200 <= answer.status < 300:
            return body
        raise self._refusal(answer.status, answer.headers.get("Retry-After", ""), body)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        if self.trusts is None:
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=DEADLINE_SECONDS)
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=DEADLINE_SECONDS, context=self.trusts)

    def _refusal(self, status: int, retry_after: str, body: bytes) -> MosaicError:
        try:
            said = msgspec.json.decode(body, type=_Said)
        except msgspec.MsgspecError:
            said = _Said()
        match said.code:
            case "link-token-unknown":
                return LinkTokenUnknown(self.url)
            case "link-superseded":
                return LinkWasSuperseded()
            case "link-key-taken":
                return LinkKeyRefused()
            case "link-mode-not-offered":
                return LinkModeRefused(said.detail or "it has no such tunnels")
            case "name-not-of-link":
                return LinkNameRefused(said.detail or "it is not this link's")
        if status == 429:
            # What a number is in digits of other scripts is nobody's business here.
            is_number = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= _MOST_RETRY_DIGITS
            number = int(retry_after) if is_number else 30
            return LinkRegistersTooOften(float(min(number, _MOST_RETRY_SECONDS)))
        return LinkGatewayUnreadable(self.url, said.detail or f"it answered {status}")


@contextlib.contextmanager
def _ending(connection: http.client.HTTPConnection, is_over: threading.Event) -> Iterator[None]:
    """Connect, and cut what is not over after a while. Raises OSError."""
    connection.connect()

    def cut() -> None:
        is_over.set()
        with contextlib.suppress(OSError):
            # Of the socket itself: the other thread is within what TLS makes of it.
            socket.socket.shutdown(line, socket.SHUT_RDWR)

    line: socket.socket = connection.sock
    end = threading.Timer(REQUEST_SECONDS, cut)
    end.daemon = True
    end.start()
    try:
        yield
    finally:
        end.cancel()


def trusting(url: str, ca: str | None) -> ssl.SSLContext | None:
    """Return whom to trust at a gateway's address: the public authorities, or those of a PEM file or text alone.

    Raises OSError when the file cannot be read, or has no certificate in it.
    """
    if not url.startswith("https:"):
        return None
    if ca is not None and ca.startswith(PEM_BEGINS):
        return trusting_alone(ca)
    return ssl.create_default_context(cafile=ca)


def _why_not(found: Registered) -> str:
    """Return what cannot be in an answer; "" when nothing is wrong. All of it is built upon unread."""
    addresses = [found.address, *(peer.inner_address for peer in found.peers)]
    try:
        for address in addresses:
            ipaddress.ip_address(address)
    except ValueError:
        return "it names an address that is none"
    if not found.peers or len({peer.name for peer in found.peers}) != len(found.peers):
        return "it names no gateway, or one twice"
    if len(found.peers) > _MOST_PEERS:
        return f"it names more than {_MOST_PEERS} gateways"
    if not all(is_name(name) for name in found.names):
        return "it names what is no domain name"
    inner = [port.inner for port in found.ports]
    if len(set(inner)) != len(inner) or not all(port in INNER_PORTS for port in inner):
        # Whatever else listens here is nobody's to reach from outside: another app's service, or this machine's own.
        return "it has a raw port lead where none may"
    numbers = [(found.mtu, 1280, 9000), (found.probe_seconds, 1, 60), (found.keepalive_seconds, 1, 600)]
    if any(not least <= number <= most for number, least, most in [*numbers, (found.probe_port, 1, 65535)]):
        return "it has a number that cannot be"
    return ""


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
