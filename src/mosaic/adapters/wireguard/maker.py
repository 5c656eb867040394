"""Making a WireGuard interface and taking it away: by the kernel, or by a wireguard-go of our own."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Protocol

from mosaic.adapters import process, unix_http
from mosaic.adapters.wireguard import ip_words, wireguard_go
from mosaic.adapters.wireguard.door import Door
from mosaic.adapters.wireguard.uapi import Uapi, socket_of
from mosaic.adapters.wireguard.wg_program import WgProgram
from mosaic.core.errors import Unavailable

DEADLINE_SECONDS = 20.0
_GRACE_SECONDS = 5.0
_LOOK_SECONDS = 0.02
_TOLD_BYTES = 2000


class Maker(Protocol):
    """Of one interface. One that is there already, of a process of ours that was killed, is taken over."""

    name: str

    def make(self) -> Door:
        """Make the interface unless it is there. Raises TunnelNotMade, ProgramMissing."""

    def is_there(self) -> bool:
        """Whether the interface is there and is spoken to."""

    def unmake(self) -> None:
        """Take it away. Its not being there is no error."""


class TunnelNotMade(Unavailable):
    """The interface of a tunnel could not be made."""

    code = "tunnel-not-made"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the tunnel's interface {name} could not be made: {reason}",
            hint="WireGuard needs NET_ADMIN, and wireguard-go the device /dev/net/tun; TCP mode needs neither",
        )


class Kernel:
    """A Maker that has the kernel make the interface."""

    def __init__(self, name: str) -> None:
        self.name = name

    def make(self) -> Door:
        """Make the interface unless it is there."""
        if not self.is_there():
            finished = process.attempt(ip_words.add_wireguard(self.name), deadline_seconds=DEADLINE_SECONDS)
            if finished.code != 0:
                raise TunnelNotMade(self.name, finished.last_lines())
        return WgProgram(self.name)

    def is_there(self) -> bool:
        """Whether the kernel has it."""
        finished = process.attempt(ip_words.show_wireguard(self.name), deadline_seconds=DEADLINE_SECONDS)
        return finished.code == 0 and bool(finished.stdout.strip())

    def unmake(self) -> None:
        """Take it away."""
        _delete(self.name)


class Userspace:
    """A Maker that runs a wireguard-go. What that logs is appended to `log`, or goes where ours goes.

    `speak` makes the Door to it; `wg` would do as well as its socket.
    """

    def __init__(
        self,
        name: str,
        *,
        mebibytes: int = wireguard_go.LINK_MEBIBYTES,
        log: Path | None = None,
        speak: Callable[[str], Door] = Uapi,
    ) -> None:
        self.name = name
        self._mebibytes = mebibytes
        self._log = log
        self._speak = speak
        self._child: process.Child | None = None

    @property
    def pid(self) -> int | None:
        """The process that was started here, None when it was taken over."""
        return self._child.pid if self._child else None

    def make(self) -> Door:
        """Start it unless it runs, and wait until it is spoken to."""
        if not self.is_there():
            self.unmake()
            self._child = process.spawn(
                wireguard_go.run(self.name),
                env=wireguard_go.environment(mebibytes=self._mebibytes),
                inherited=wireguard_go.INHERITED,
                log=self._log,
            )
            self._wait(self._child)
        return self._speak(self.name)

    def is_there(self) -> bool:
        """Whether somebody listens at its socket."""
        if self._child is not None and self._child.poll() is not None:
            return False
        return unix_http.accepts(socket_of(self.name))

    def unmake(self) -> None:
        """Take the interface away, and wait until its process has ended."""
        _delete(self.name)
        if self._child is not None:
            self._child.stop(_GRACE_SECONDS)
            self._child = None
        # Of one that was killed, and that was not ours, this alone is left.
        with contextlib.suppress(FileNotFoundError):
            socket_of(self.name).unlink()

    def _wait(self, child: process.Child) -> None:
        deadline, pause = time.monotonic() + DEADLINE_SECONDS, Event()
        while not unix_http.accepts(socket_of(self.name)):
            ended = child.poll() is not None
            if ended or time.monotonic() > deadline:
                self.unmake()
                raise TunnelNotMade(self.name, self._said() or ("it ended" if ended else "no answer in time"))
            pause.wait(_LOOK_SECONDS)

    def _said(self) -> str:
        """Return its last words."""
        if self._log is None:
            return ""
        lines = self._log.read_bytes()[-_TOLD_BYTES:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def _delete(name: str) -> None:
    process.attempt(ip_words.delete(name), deadline_seconds=DEADLINE_SECONDS)
