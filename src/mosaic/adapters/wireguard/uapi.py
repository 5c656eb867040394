"""The UAPI socket of a wireguard-go that runs: each thing that is asked has a connection, and a deadline for it all."""

import errno
import socket
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from mosaic.adapters.wireguard import uapi_text
from mosaic.adapters.wireguard.door import InterfaceRefused, InterfaceSilent, SeenInterface, TunnelPortTaken
from mosaic.core.peers import WantedPeer
from mosaic.core.public_key import PublicKey
from mosaic.crypto.secret import Secret

SOCKETS = Path("/var/run/wireguard")
"""Where wireguard-go and `wg` meet; it is built into both."""

DEADLINE_SECONDS = 20.0
"""For one thing that is asked; ten thousand peers are shown in a part of a second."""

_MOST_BYTES = 64 * 1024 * 1024
"""Of an answer: a hundred thousand peers, and some."""

_READ_BYTES = 1024 * 1024


def socket_of(name: str) -> Path:
    """Return where the interface of that name is spoken to."""
    return SOCKETS / f"{name}.sock"


class Uapi:
    """A Door to the wireguard-go that has this interface."""

    def __init__(self, name: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._name = name
        self._deadline_seconds = deadline_seconds

    def look(self) -> SeenInterface:
        """Return what is there. Raises InterfaceSilent."""
        return uapi_text.read(self._ask(uapi_text.GET))

    def tell(
        self,
        *,
        private_key: Secret | None = None,
        listen_port: int | None = None,
        put: Iterable[WantedPeer] = (),
        removed: Collection[PublicKey] = (),
    ) -> None:
        """Change what is given and leave the rest."""
        try:
            self._ask(uapi_text.words(private_key=private_key, listen_port=listen_port, put=put, removed=removed))
        except _Failed as failed:
            if failed.number == errno.EADDRINUSE and listen_port is not None:
                raise TunnelPortTaken(listen_port) from None
            raise InterfaceRefused(self._name, uapi_text.reason(failed.number)) from None

    def _ask(self, question: bytes) -> bytes:
        deadline = time.monotonic() + self._deadline_seconds
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(self._deadline_seconds)
                line.connect(str(socket_of(self._name)))
                line.sendall(question)
                answer = self._read(line, deadline)
        except OSError as error:
            raise InterfaceSilent(self._name, error.strerror or "no answer in time") from error
        number = uapi_text.failure(answer)
        if number:
            raise _Failed(number)
        return answer

    def _read(self, line: socket.socket, deadline: float) -> bytes:
        answer = bytearray()
        while not answer.endswith(uapi_text.END):
            line.settimeout(max(0.001, deadline - time.monotonic()))
            part = line.recv(_READ_BYTES)
            answer += part
            if not part or len(answer) > _MOST_BYTES:
                raise InterfaceSilent(self._name, "its answer has no end")
        return bytes(answer)


class _Failed(Exception):
    """The answer ends with an error number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
