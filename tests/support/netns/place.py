"""A place: a machine as far as networks go, with interfaces, routes, filters, look-ups and processes of its own.

Its files are the machine's, but for those by which names are found, and the
folder where wireguard-go and `wg` meet: so every place may have an interface of the same name.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from mosaic.adapters import process
from support.netns.namespaces import make_network_with_files, processes_in
from support.waiting import eventually

Answer = TypeVar("Answer")

_HOSTS, _RESOLVER = Path("/etc/hosts"), Path("/etc/resolv.conf")
_SOCKETS = Path("/run/wireguard")
_LOOPBACK = "127.0.0.1 localhost\n"
_THREADS = 32


class Place:
    """What is asked by `do`, and every process that is started by it or by `start`, is in it. `close` ends them all.

    `folder` takes its few files, and the logs of what is started.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self._hosts, self._resolver = self.folder / "hosts", self.folder / "resolv.conf"
        self._hosts.write_text(_LOOPBACK)
        self._resolver.write_text("")
        over = {_HOSTS: self._hosts, _RESOLVER: self._resolver}
        self._namespaces = make_network_with_files(over, [_SOCKETS])
        self._threads = ThreadPoolExecutor(_THREADS, name, initializer=self._namespaces.enter)
        self.do(_settle)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def network(self) -> str:
        """Its network, as `ip` takes it for another's end of a wire."""
        return f"/proc/{os.getpid()}/fd/{self._namespaces.network}"

    def do(self, question: Callable[[], Answer]) -> Answer:
        """Return what the question returns, asked from here. Threads that it starts are here as well."""
        return self._threads.submit(question).result()

    def run(self, *argv: str, stdin: str | None = None) -> str:
        """Run a program here to its end, and return what it printed."""
        words = None if stdin is None else stdin.encode()
        return self.do(lambda: process.run(argv, deadline_seconds=60, stdin=words)).text

    def succeeds(self, *argv: str) -> bool:
        """Run a program here, and return whether it ended well."""
        return self.do(lambda: process.attempt(argv, deadline_seconds=60)).code == 0

    def start(self, *argv: str, log: str, env: Mapping[str, str] | None = None) -> process.Child:
        """Start a program that runs here until `close`, or until it is stopped. `log` is the name of its log."""
        return self.do(lambda: process.spawn(argv, log=self.folder / log, env=env))

    def knows(self, names: Mapping[str, str]) -> None:
        """Let these names have these addresses here, and no others from now on."""
        self._hosts.write_text(_LOOPBACK + "".join(f"{address} {name}\n" for name, address in names.items()))

    def asks(self, name_server: str) -> None:
        """Ask this name server for names that it does not know."""
        self._resolver.write_text(f"nameserver {name_server}\noptions timeout:1 attempts:2\n")

    def filter(self, rules: str) -> None:
        """Give the kernel rules of nft(8) here."""
        self.run("nft", "-f", "-", stdin=rules)

    def close(self) -> None:
        """End every process here, and let the place go."""
        self._threads.shutdown()
        for pid in processes_in(self._namespaces.network):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not processes_in(self._namespaces.network))
        self._namespaces.close()


def _settle() -> None:
    """Leave it to the rules of whoever is tested which packets are dropped."""
    for which in ("all", "default"):
        Path(f"/proc/sys/net/ipv4/conf/{which}/rp_filter").write_text("0")
