"""Running one command in a container that runs already, by the engine's `exec`.

An argument list, no shell, no terminal, no input. Only the end of what the
command says is kept. The engine cannot end such a command: past the deadline
it is left alone, and the caller is told that it did not end.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from mosaic.adapters.docker.api import Api, quoted
from mosaic.core.errors import NotFound

_KEPT_BYTES = 4096
_FRAME_HEADER = 8


class ContainerGone(NotFound):
    """The container in which something should run is not there, or does not run."""

    code = "container-gone"

    def __init__(self, container: str) -> None:
        super().__init__(
            f"the container {container[:12]} is not there any more", hint="wait until the app runs: `mosaic show NAME`"
        )


@dataclass(frozen=True, slots=True)
class Executed:
    """How a command ended; `exit_code` is None when it had not ended at the deadline. `output` is the end of it."""

    exit_code: int | None
    output: str


class _Wish(msgspec.Struct, rename="pascal"):
    cmd: list[str]
    attach_stdout: bool = True
    attach_stderr: bool = True
    tty: bool = False


class _Start(msgspec.Struct, rename="pascal"):
    detach: bool = False
    tty: bool = False


class _Made(msgspec.Struct, rename={"id": "Id"}):
    id: str


class _Inspected(msgspec.Struct, rename="pascal"):
    running: bool
    exit_code: int | None = None


def execute(api: Api, container: str, command: Sequence[str], *, deadline_seconds: float) -> Executed:
    """Run a command in a container and wait for its end, at most until the deadline.

    Raises:
        ContainerGone: there is no such container.
        EngineRefused: it does not run, or the engine knows of no such program.
        EngineSilent: the engine did not answer; whether the command ran is unknown.
    """
    made = api.post(f"/containers/{quoted(container)}/exec", _Wish(list(command)))
    if not made:
        raise ContainerGone(container)
    identifier = msgspec.json.decode(made, type=_Made).id
    end = time.monotonic() + deadline_seconds
    tail = _Tail()
    try:
        for piece in api.attached(f"/exec/{quoted(identifier)}/start", _Start(), until=end):
            tail.take(piece)
    except TimeoutError:
        return Executed(None, tail.text)
    found = msgspec.json.decode(api.get(f"/exec/{quoted(identifier)}/json"), type=_Inspected)
    return Executed(None if found.running else found.exit_code, tail.text)


class _Tail:
    """Takes the engine's frames apart (8 bytes of header: stream, length) and keeps the last bytes of both streams."""

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._kept = b""

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")

    def take(self, piece: bytes) -> None:
        for part in self._payloads(piece):
            self._kept = (self._kept + part)[-_KEPT_BYTES:]

    def _payloads(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self._left:
                yield piece[: self._left]
                taken = min(self._left, len(piece))
                self._left, piece = self._left - taken, piece[taken:]
                continue
            missing = _FRAME_HEADER - len(self._header)
            self._header, piece = self._header + piece[:missing], piece[missing:]
            if len(self._header) == _FRAME_HEADER:
                self._left, self._header = int.from_bytes(self._header[4:], "big"), b""
