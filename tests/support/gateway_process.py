"""`mosaic gateway serve` as it is, in a process of its own: killed, stopped and started again with the same state."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mosaic.adapters import process
from mosaic.adapters.clock import SystemClock
from mosaic.adapters.sql.engine import open_url
from support.gateway_world import DOMAIN, PushingHive
from support.unshared import free_port, own_network
from support.waiting import eventually

MOSAIC = (sys.executable, "-m", "mosaic.cli.main")
_STOP_SECONDS = 60.0

Start = Callable[..., process.Child]
"""Starts words with a log (`log=`), here or at a place of its own."""


class GatewayProcess:
    """One gateway on loopback, with ports and a part of loopback that nobody else has. `words` are further options."""

    def __init__(self, folder: Path, *words: str, start: Start = process.spawn, name: str = "one") -> None:
        self.state = folder / name
        self.name = name
        self.log = folder / f"{name}.log"
        self.url = ""
        self.tls = self.plain = self.tunnel = 0
        self._words = [*_everywhere_free(), *words]  # of an option that stands twice the last counts
        self._database = words[words.index("--database") + 1] if "--database" in words else None
        self._start = start
        self._child: process.Child | None = None
        self._hive: PushingHive | None = None

    def start(self) -> "GatewayProcess":
        """Start it, and return when it answers."""
        self.begin()
        eventually(lambda: self._said("gateway_started") or self._has_ended(), seen=self.said)
        assert not self._has_ended(), self.said()
        router, started = self._said("gateway_opened", "router"), self._said("gateway_started", "port")
        self.tls, self.plain = int(router["tls"]), int(router["plain"])
        self.tunnel = int(self._said("gateway_opened", "tunnel")["tunnel"])
        scheme = "https" if "--cert" in self._words else "http"
        self.url = f"{scheme}://127.0.0.1:{started['port']}"
        # It is where it was when it is started again.
        chosen = {"": started["port"], "-tls": self.tls, "-plain": self.plain, "-tunnel": self.tunnel}
        for which, port in chosen.items():
            option = f"--listen{which}"
            last = len(self._words) - self._words[::-1].index(option)
            self._words[last] = f"{self._words[last].rpartition(':')[0]}:{port}"
        return self

    def begin(self) -> process.Child:
        """Start it, and do not wait."""
        self.log.unlink(missing_ok=True)
        words = [*MOSAIC, "gateway", "serve", "--state", str(self.state), "--name", self.name, *self._words]
        self._child = self._start(words, log=self.log)
        return self._child

    def kill(self) -> None:
        """End it at once. What outlives it goes on."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        eventually(self._has_ended)

    def stop(self) -> None:
        """End it as its operator does, and return when it has ended."""
        if self._child is not None:
            self._child.stop(_STOP_SECONDS)

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text() if self.log.exists() else ""

    def allow(self) -> PushingHive:
        """Return the Hive that may have names of DOMAIN."""
        if self._hive is not None:
            return self._hive
        self._hive = hive = PushingHive(SystemClock())
        with contextlib.closing(open_url(self._database or f"sqlite:///{self.state}/gateway.db")) as database:
            hive.allow(database, DOMAIN)
        return hive

    def _has_ended(self) -> bool:
        return self._child is not None and self._child.poll() is not None

    def _said(self, event: str, fact: str = "event") -> dict[str, Any]:
        for line in self.said().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                said = json.loads(line)
                if said.get("event") == event and fact in said:
                    return dict(said)
        return {}


@contextlib.contextmanager
def gateway_process(
    folder: Path, *words: str, start: Start = process.spawn, name: str = "one"
) -> Iterator[GatewayProcess]:
    """A gateway that runs, and is stopped at the end with all that belongs to it."""
    made = GatewayProcess(folder, *words, start=start, name=name)
    try:
        yield made.start()
    finally:
        made.stop()


def _everywhere_free() -> list[str]:
    """Return options by which it meets no other gateway of this machine."""
    api, tls, plain, tunnel = (f"127.0.0.1:{free_port()}" for _ in range(4))
    return [
        *("--public-host", "127.0.0.1", "--wireguard-port", "0"),
        *("--listen", api, "--listen-tls", tls, "--listen-plain", plain, "--listen-tunnel", tunnel),
        *("--network", "10.100.0.0/22", "--tcp-network", own_network()),
    ]
