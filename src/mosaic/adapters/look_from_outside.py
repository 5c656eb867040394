"""Asking a name over HTTPS at a place that one chooses, as somebody does who came there by DNS."""

import contextlib
import http.client
import socket
import ssl
from dataclasses import dataclass

_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Seen:
    """What was there: the answer's status and the beginning of its body."""

    status: int
    body: str


class _Placed(http.client.HTTPSConnection):
    """`http.client` that connects to another place than the name's."""

    def __init__(self, name: str, place: tuple[str, int], trusts: ssl.SSLContext, seconds: float) -> None:
        super().__init__(name, timeout=seconds, context=trusts)
        self._place, self._trusts = place, trusts

    def connect(self) -> None:
        plain = socket.create_connection(self._place, timeout=self.timeout)
        try:
            self.sock = self._trusts.wrap_socket(plain, server_hostname=self.host)
        except BaseException:  # Ctrl-C as well must leave no connection behind
            plain.close()
            raise


def look(place: tuple[str, int], name: str, path: str, trusts: ssl.SSLContext, *, seconds: float) -> Seen:
    """Ask once, each wait at most so long. Raises OSError (an ssl.SSLError is one) or HTTPException."""
    with contextlib.closing(_Placed(name, place, trusts, seconds)) as connection:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return Seen(answer.status, answer.read(_MOST_BYTES).decode(errors="replace"))


def public_trust() -> ssl.SSLContext:
    """Return what a browser trusts, about."""
    return ssl.create_default_context()


def no_trust() -> ssl.SSLContext:
    """Return what takes any certificate: for one of an authority that only its owner knows."""
    # Not the default context: that reads all the authorities of the machine, a tenth of a second and a megabyte.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
