"""Speaking to a WireGuard interface by the program `wg`, for the kernel's have no socket."""

import threading
from collections.abc import Collection, Iterable

from mosaic.adapters import process
from mosaic.adapters.wireguard import wg_text
from mosaic.adapters.wireguard.door import InterfaceRefused, InterfaceSilent, SeenInterface, TunnelPortTaken
from mosaic.core.peers import WantedPeer
from mosaic.core.public_key import PublicKey
from mosaic.crypto.secret import Secret

DEADLINE_SECONDS = 20.0
_PORT_IN_USE = "Address already in use"


class WgProgram:
    """A Door to the interface of that name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = threading.Lock()

    def look(self) -> SeenInterface:
        """Return what is there. Raises InterfaceSilent."""
        # Not `run`: an error of it repeats what the program printed, and this prints the private key.
        finished = process.attempt(wg_text.dump(self._name), deadline_seconds=DEADLINE_SECONDS)
        if finished.code != 0:
            raise InterfaceSilent(self._name, finished.stderr.decode(errors="replace").strip())
        return wg_text.read(finished.text)

    def tell(
        self,
        *,
        private_key: Secret | None = None,
        listen_port: int | None = None,
        put: Iterable[WantedPeer] = (),
        removed: Collection[PublicKey] = (),
    ) -> None:
        """Change what is given and leave the rest."""
        words = wg_text.configuration(private_key=private_key, listen_port=listen_port, put=put)
        with self._turn:
            for argv in wg_text.remove(self._name, removed):
                self._run(argv, None, listen_port)
            self._run(wg_text.add_configuration(self._name), words, listen_port)

    def _run(self, argv: list[str], stdin: bytes | None, listen_port: int | None) -> None:
        finished = process.attempt(argv, deadline_seconds=DEADLINE_SECONDS, stdin=stdin)
        if finished.code == 0:
            return
        # Its last line is why; one before it may repeat a line of what it was given.
        said = finished.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        if listen_port is not None and _PORT_IN_USE in said:
            raise TunnelPortTaken(listen_port)
        raise InterfaceRefused(self._name, said)
