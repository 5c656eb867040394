"""Looking at what a container or machine offers for a tunnel."""

import os
import secrets
import shutil
from pathlib import Path

from mosaic.adapters import process
from mosaic.adapters.wireguard import ip_words, wg_text, wireguard_go
from mosaic.core.errors import MosaicError
from mosaic.core.link_mode import Surroundings

DEADLINE_SECONDS = 10.0
TUN = Path("/dev/net/tun")
_STATUS = Path("/proc/thread-self/status")
_EFFECTIVE, _NET_ADMIN = "CapEff:", 12
"""Of proc(5) and capabilities(7)."""


def look() -> Surroundings:
    """Look at what there is. Nothing is left behind."""
    may = _may_administer()
    return Surroundings(
        may_administer=may,
        has_tun=_opens(TUN),
        kernel_has_wireguard=may and _kernel_makes_one(),
        has_wg=shutil.which(wg_text.PROGRAM) is not None,
        wireguard_go=_version(),
    )


def _may_administer() -> bool:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(_EFFECTIVE):
            return bool(int(line.removeprefix(_EFFECTIVE), 16) >> _NET_ADMIN & 1)
    return False


def _opens(device: Path) -> bool:
    """A container may have the file and not the right to it, so being there is not enough."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _kernel_makes_one() -> bool:
    """Making one says more than a list of modules: the kernel loads what it needs, or has it built in."""
    name = f"mosaic-{secrets.token_hex(4)}"
    try:
        try:
            made = process.attempt(ip_words.add_wireguard(name), deadline_seconds=DEADLINE_SECONDS)
        finally:
            # Also when this process is told to end right now.
            process.attempt(ip_words.delete(name), deadline_seconds=DEADLINE_SECONDS)
    except MosaicError:
        return False
    return made.code == 0


def _version() -> str | None:
    try:
        printed = process.attempt(wireguard_go.version(), deadline_seconds=DEADLINE_SECONDS)
    except MosaicError:
        return None
    return wireguard_go.read_version(printed.text or printed.stderr.decode(errors="replace"))
