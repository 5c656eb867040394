"""Opening ports of this machine and lending them to the container of a Device's own engine (`core.lent_port`)."""

import contextlib
import socket
from pathlib import Path

from mosaic.core.errors import Unavailable
from mosaic.core.lent_port import End, Lend, LentPort, ListLent, Request, line, read

_SECONDS = 10.0
_MOST_BYTES = 1024 * 1024


class PortNotLent(Unavailable):
    """A port of an app is not reached on this machine."""

    code = "port-not-lent"

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(
            f"{what}: {reason}",
            hint="it is tried again by itself; `ss -tulnp` names the program that has a port",
        )


class PortForbidden(PortNotLent):
    """This process may not open a port below 1024."""

    code = "port-forbidden"

    def __init__(self, what: str) -> None:
        super().__init__(what, "ports below 1024 need the capability NET_BIND_SERVICE, which this process has not")
        self.hint = "a Device in a container is given it by `--cap-add NET_BIND_SERVICE` (compose: `cap_add`)"


class PortLending:
    """The container's socket. Has no state, so threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lent(self) -> frozenset[LentPort]:
        """Return the ports that the container has. Raises PortNotLent."""
        said = [read(text) for text in self._ask(ListLent())]
        return frozenset(port for port in said if port is not None)

    def lend(self, port: LentPort) -> None:
        """Open a port here and hand it in; whoever connects is led to the same port inside. Raises PortNotLent."""
        what = f"port {port.port} of this machine cannot be opened at {port.host}"
        with contextlib.ExitStack() as closing:
            try:
                opened = closing.enter_context(_socket(port))
                opened.bind((port.host, port.port))
            except PermissionError:
                raise PortForbidden(what) from None
            except OSError as error:
                raise PortNotLent(what, error.strerror or str(error)) from None
            self._ask(Lend(port), opened)

    def end(self, port: LentPort) -> None:
        """Close a port; one that was not lent is fine. Raises PortNotLent."""
        self._ask(End(port))

    def _ask(self, request: Request, given: socket.socket | None = None) -> list[str]:
        words = f"{line(request)}\n".encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
                asking.settimeout(_SECONDS)
                asking.connect(str(self._path))
                socket.send_fds(asking, [words], [given.fileno()] if given is not None else [])
                answer = b""
                while len(answer) < _MOST_BYTES and (piece := asking.recv(65536)):
                    answer += piece
        except OSError as error:
            raise PortNotLent("the Device's own engine takes no ports", error.strerror or str(error)) from None
        verdict, *rest = answer.decode(errors="replace").splitlines() or [""]
        if verdict != "ok":
            raise PortNotLent(f"the Device's own engine refused `{line(request)}`", verdict or "it said nothing")
        return rest


def _socket(port: LentPort) -> socket.socket:
    """Return an unbound socket for a port. Raises OSError on a machine that has not its family."""
    kind = socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM
    made = socket.socket(socket.AF_INET6 if port.is_v6 else socket.AF_INET, kind)
    if port.is_v6:
        # The engine says both families apart, and either may fail alone.
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if port.protocol == "tcp":
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made
