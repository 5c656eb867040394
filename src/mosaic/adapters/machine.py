"""Naming this machine, so that a store can be told to lie on the holder's own one.

Every process on the machine gets the same answer, from one start to the next.
The id that the system keeps is hashed: it is meant to stay on the machine.
Cloned machines share it and so count as one, which errs on the side of 'saved
on this machine only'.
"""

import hashlib
import platform
import socket
from pathlib import Path

from mosaic.adapters import mount_tables
from mosaic.adapters.mount_tables import nearest
from mosaic.core.compose_keys import TUN

_TUN_OF_KERNEL = Path("/sys/class/misc/tun")
_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_LABEL = b"mosaic machine v1\0"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def machine_name() -> str:
    """Return 32 hex characters that name this machine."""
    return hashlib.sha256(_LABEL + _kept_id().encode()).hexdigest()[:32]


def own_architecture() -> str:
    """Return this machine's architecture as images name it."""
    return architecture_of(platform.machine())


def architecture_of(machine: str) -> str:
    """Return what images call the kind of machine that its kernel calls so."""
    return _ARCHITECTURES.get(machine, machine)


def generic_hardware(machine: str) -> str:
    """Return how Targets name a kind of machine where nothing else was said of it."""
    return f"generic-{architecture_of(machine)}"


def own_hardware() -> str:
    """Return the kind of machine that this one is, as Targets name it where nothing else was said."""
    return generic_hardware(platform.machine())


def has_tun(*, is_contained: bool, node: Path = Path(TUN), of_kernel: Path = _TUN_OF_KERNEL) -> bool:
    """Whether this machine has the device of tunnels. A container has no node of it: there the kernel is asked."""
    return of_kernel.exists() if is_contained else node.exists()


def _kept_id() -> str:
    for file in _FILES:
        try:
            kept = file.read_text().strip()
        except OSError:
            continue
        if kept and kept != "uninitialized":
            return kept
    return socket.gethostname()


def file_system_of(folder: Path, *, table: Path = mount_tables.OWN) -> str:
    """Return the type of the file system that a folder is on, such as `ext4` or `nfs4`; "" when nothing says it."""
    mount = nearest(folder.resolve(), mount_tables.read(table))
    return mount.kind if mount is not None else ""
