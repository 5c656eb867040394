"""wireguard-go: the words that start it, what it is given, and its version. Pure."""

import re

PROGRAM = "wireguard-go"

INHERITED = frozenset({"PATH"})
"""What it sees of our environment: a link's has its token."""

LINK_MEBIBYTES = 96
GATEWAY_MEBIBYTES = 768
"""What its memory is held to: a busy one has 190 MiB without, and 80 with it, as fast; 10,000 idle peers need 280."""

_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)")


def run(name: str) -> list[str]:
    """Run in the foreground and make the interface. It ends when the interface or its socket is taken away."""
    return [PROGRAM, "--foreground", name]


def environment(*, mebibytes: int) -> dict[str, str]:
    """Return what it is given: how much memory to get along with, and to log errors alone."""
    return {"GOMEMLIMIT": f"{mebibytes}MiB", "LOG_LEVEL": "error"}


def version() -> list[str]:
    """Print the version."""
    return [PROGRAM, "--version"]


def read_version(printed: str) -> str:
    """Return the version that it printed, or its first words when there is none in them."""
    found = _VERSION.search(printed)
    return found[1] if found else printed.strip()[:40]
