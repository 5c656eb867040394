"""What a link says of itself, in a file in memory, and how its container's health check reads it.

The supervisor writes it anew every few seconds: one that hangs is not well,
whatever it wrote last. A container in LAN mode became Caddy, so there it counts
whether Caddy takes connections.
"""

import socket
import time
from pathlib import Path
from typing import Literal

import msgspec

from mosaic.adapters.private_file import write_private

RUN_FOLDER = Path("/run/mosaic-link")
STALE_SECONDS = 60.0
BEAT_SECONDS = 10.0

State = Literal["starting", "registering", "connecting", "checking", "ready", "healing", "lan", "ended"]


class LinkHealth(msgspec.Struct, frozen=True):
    """`sentence` is for people. `at` is when it was written (boot time, seconds): the file lies in memory.

    `names` are those that were reached from outside, `missing` those that were not yet, with the reason.
    """

    state: State
    sentence: str
    at: float
    mode: str | None = None
    names: list[str] = []
    missing: dict[str, str] = {}


def write(folder: Path, health: LinkHealth) -> None:
    """Say it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(folder / "health.json", msgspec.json.encode(health))


def read(folder: Path) -> LinkHealth | None:
    """Return what was said last; None when nothing was."""
    try:
        return msgspec.json.decode((folder / "health.json").read_bytes(), type=LinkHealth)
    except (OSError, msgspec.MsgspecError):
        return None


def judged(folder: Path, now: float) -> tuple[bool, str]:
    """Return whether the link is well, and a sentence."""
    health = read(folder)
    if health is None:
        return False, "the link has not started"
    if health.state == "lan":
        is_up = _accepts(folder / "admin.sock")
        return is_up, health.sentence if is_up else "Caddy does not answer"
    if now - health.at > STALE_SECONDS:
        return False, f"the link has not said anything for {now - health.at:.0f} s; the last was: {health.sentence}"
    return health.state == "ready", health.sentence


def _accepts(path: Path) -> bool:
    # Not by `unix_http`: a check that runs every few seconds imports as little as it can.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        return connection.connect_ex(str(path)) == 0


def boot_seconds() -> float:
    """Return the time by which `at` is measured."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
