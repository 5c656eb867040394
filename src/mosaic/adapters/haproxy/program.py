"""HAProxy's own program: its argument lists, and whether it is new enough. Pure."""

import re
from pathlib import Path

from mosaic.core.errors import Refused

PROGRAM = "haproxy"
FLOOR = (2, 6)
"""Debian 12's. Older ones lack words of the configuration (`set-var-fmt`, `rtrim`)."""

_VERSION = re.compile(r"version (\d+)\.(\d+)")


class HaproxyTooOld(Refused):
    """The HAProxy here is older than what the configuration is written for."""

    code = "haproxy-too-old"

    def __init__(self, found: str) -> None:
        super().__init__(
            f"HAProxy here is {found or 'of an unknown version'}, and {FLOOR[0]}.{FLOOR[1]} is needed",
            hint="`apt-get install haproxy` on Debian 12 or newer brings one; the router in Python needs none",
        )


def version(binary: str) -> list[str]:
    """Print the version."""
    return [binary, "-v"]


def check_version(printed: str) -> None:
    """Raise HaproxyTooOld unless what `version` printed is new enough."""
    found = _VERSION.search(printed)
    if found is None or (int(found[1]), int(found[2])) < FLOOR:
        raise HaproxyTooOld(printed.strip().partition("\n")[0][:60])


def check(binary: str, file: Path) -> list[str]:
    """Read a configuration, with all files that it names, and change nothing."""
    return [binary, "-c", "-f", file.name]


def run(binary: str, file: Path) -> list[str]:
    """Run in the foreground as one process. It runs in the file's folder."""
    return [binary, "-db", "-f", file.name]
