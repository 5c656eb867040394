"""What must hold before anything is written or started: root, an engine, room.

Standard library only, for the supervisor asks these itself. The engine is
asked by one plain request over its socket.
"""

import json
import os
import socket
from pathlib import Path

from mosaic.adapters import process
from mosaic.core.engine_floor import ComposeMissing, require_compose, require_engine
from mosaic.core.errors import Refused, Unavailable

ENGINE_SOCKET = Path("/var/run/docker.sock")
LEAST_FREE_BYTES = 2 * 1024**3
_SECONDS = 10.0


class NotRoot(Refused):
    """Mounting a pool and talking to the engine need root."""

    code = "not-root"

    def __init__(self) -> None:
        super().__init__(
            "Mosaic mounts encrypted volumes and starts containers, which only root may do",
            hint="run the same command with sudo",
        )


class EngineMissing(Unavailable):
    """No Docker engine answers."""

    code = "engine-missing"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no Docker engine answers at {ENGINE_SOCKET}: {reason}",
            hint="start it (`systemctl start docker`), or let `script/setup` install and start one",
        )


class DiskFull(Refused):
    """Too little room for a pool."""

    code = "disk-full"

    def __init__(self, folder: Path, free: int) -> None:
        super().__init__(
            f"{folder} has {free >> 20} MiB free, and Mosaic needs {LEAST_FREE_BYTES >> 20} MiB to begin with",
            hint="free some space there, or put the state on another disk with `--state`",
        )


def check(state: Path) -> None:
    """Raise the first thing that is missing on this machine. Changes nothing."""
    if os.geteuid() != 0:
        raise NotRoot
    check_engine(ENGINE_SOCKET)
    check_compose()
    if not (state / "up.json").exists():
        # Only at the first start: later the room is the storage daemon's to watch, and it says more.
        check_room(state)


def check_engine(path: Path) -> None:
    """Ask the engine for its version. Raises EngineMissing, EngineTooOld."""
    try:
        answer = json.loads(_get(path, "/version"))
        version, api = str(answer["Version"]), str(answer["ApiVersion"])
        spoken = tuple(int(part) for part in api.split("."))
    except OSError as error:
        raise EngineMissing(error.strerror or str(error)) from None
    except (ValueError, KeyError, TypeError):
        raise EngineMissing("something else answers there") from None
    require_engine(version, spoken)


def check_compose() -> str:
    """Return the compose plugin's version. Raises ComposeMissing, ComposeTooOld."""
    try:
        printed = process.run(["docker", "compose", "version", "--short"], deadline_seconds=_SECONDS).text.strip()
    except (process.ProgramMissing, process.CommandFailed) as error:
        raise ComposeMissing from error
    require_compose(printed)
    return printed


def check_room(state: Path) -> None:
    """Look at the disk that the state folder is or will be on. Raises DiskFull."""
    folder = state
    while not folder.exists():
        folder = folder.parent
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < LEAST_FREE_BYTES:
        raise DiskFull(folder, free)


def _get(path: Path, target: str) -> bytes:
    """Return the body of one HTTP/1.0 answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(str(path))
        connection.sendall(f"GET {target} HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer.partition(b"\r\n\r\n")[2]
